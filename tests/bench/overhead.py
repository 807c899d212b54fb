"""What the app's channel costs over OpenSSH's own: chat, a big body, an exec round trip.

Both sides speak to one sshd and one server on this machine, in turns. Ours is the real chain of the
app: `EngineClient` or httpx, a direct-tcpip channel, asyncssh. The base is `curl` through
`ssh -L`, by curl's own clock, which begins after its start; and `ssh` through a ControlMaster.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from gptoss_tui.domain.chat import ChatDone, ChatMessage, ChatRequest
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.remote import http
from gptoss_tui.remote.engine_client import EngineClient
from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer
from gptoss_tui.remote.ssh_transport import SshTransport
from gptoss_tui.remote.target import parse_target
from tests.bench.figures import Figure, compared
from tests.bench.openssh import HOST, Parts, openssh
from tests.bench.token_server import BIG, TOKENS

NAMES = ("chat", "body", "exec")
PREFILL_S = 0.1
TUNNEL, MASTER = "curl through ssh -L", "ssh with ControlMaster"
EXECS = 5  # in each turn: one takes but a moment


def overhead(names: set[str], runs: int, home: Path) -> Iterator[Figure]:
    """The figures of these names."""
    with openssh(home) as parts:
        yield from asyncio.run(_measured(names, runs, parts))


async def _measured(names: set[str], runs: int, parts: Parts) -> list[Figure]:
    figures: list[Figure] = []
    async with _transport(parts) as transport:
        if "chat" in names:
            figures += await _chat(transport, parts, runs)
        if "body" in names:
            figures.append(await _body(transport, parts, runs))
        if "exec" in names:
            figures.append(await _exec(transport, parts, runs))
    return figures


@asynccontextmanager
async def _transport(parts: Parts) -> AsyncIterator[SshTransport]:
    """The app's connection to the sshd, opened as a fleet does."""
    dialer = Dialer(ConnectOptions(parts.home / "known_hosts", parts.config))
    opened = await dialer.connect(HOST, parse_target(HOST))
    transport = SshTransport(opened.connection, HOST, HOST)
    try:
        yield transport
    finally:
        await transport.aclose()
        await dialer.aclose()


async def _chat(transport: SshTransport, parts: Parts, runs: int) -> list[Figure]:
    """Time to the first token and tokens in a second, each side on a new channel each time.

    The first token of a server that answers at once is the channel alone, and for information:
    it is held against the target where the server takes as long as a real one.
    """
    ours, base, bare_ours, bare_base = [], [], [], []
    for _ in range(runs):
        ours.append(await _ask(transport, parts, PREFILL_S))
        base.append(await _curl_chat(parts, PREFILL_S))
        bare_ours.append(await _ask(transport, parts, 0))
        bare_base.append(await _curl_chat(parts, 0))
    first = [[one[0] for one in side] for side in (ours, base, bare_ours, bare_base)]
    rates = [[one[1] for one in side] for side in (ours + bare_ours, base + bare_base)]
    took = f"chat: first token after {PREFILL_S * 1000:.0f} ms"
    return [
        compared(took, TUNNEL, first[0], first[1], 1.05),
        compared("... of a server that takes no time", TUNNEL, first[2], first[3], None),
        compared("chat: 500 tokens/s", TUNNEL, rates[0], rates[1], 1.05, unit="tokens/s"),
    ]


async def _ask(transport: SshTransport, parts: Parts, prefill_s: float) -> tuple[float, float]:
    """Seconds to the first token and tokens in a second, as the app tells its user."""
    client = EngineClient(transport, engine_named("vllm"), "127.0.0.1", parts.server_port)
    question = ChatRequest(messages=(ChatMessage(role="user", content=str(prefill_s)),))
    try:
        async with aclosing(client.chat("openai/gpt-oss-20b", question, None)) as pieces:
            *_, done = [piece async for piece in pieces]
    finally:
        await client.aclose()
    assert isinstance(done, ChatDone)
    assert done.completion_tokens == TOKENS
    assert done.ttft_s is not None
    assert done.tokens_per_s is not None
    return done.ttft_s, done.tokens_per_s


async def _curl_chat(parts: Parts, prefill_s: float) -> tuple[float, float]:
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": str(prefill_s)}]})
    begun, ended, _size = await _curl(parts, "/v1/chat/completions", "-d", body)
    return begun, (TOKENS - 1) / (ended - begun)


async def _body(transport: SshTransport, parts: Parts, runs: int) -> Figure:
    ours, base = [], []
    for _ in range(runs):
        ours.append(await _download(transport, parts))
        _begun, ended, size = await _curl(parts, "/big", "-o", "/dev/null")
        assert size == BIG
        base.append(ended)
    return compared("a body of 100 MB", TUNNEL, ours, base, 1.5)


async def _download(transport: SshTransport, parts: Parts) -> float:
    client = http.client(
        lambda: transport.open_tcp("127.0.0.1", parts.server_port),
        base_url=f"http://127.0.0.1:{parts.server_port}",
        timeout_s=60,
    )
    size = 0
    began = time.perf_counter()
    async with client, client.stream("GET", "/big") as reply:
        async for part in reply.aiter_raw():
            size += len(part)
        took = time.perf_counter() - began
    assert size == BIG
    return took


async def _exec(transport: SshTransport, parts: Parts, runs: int) -> Figure:
    ours, base = [], []
    for _ in range(runs * EXECS):
        began = time.perf_counter()
        done = await transport.run(("true",))
        ours.append(time.perf_counter() - began)
        assert done.status == 0
        base.append(await asyncio.to_thread(_ssh, parts))
    return compared("exec: `true`", MASTER, ours, base, 1.1)


def _ssh(parts: Parts) -> float:
    began = time.perf_counter()
    subprocess.run(parts.ssh("true"), check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - began


async def _curl(parts: Parts, path: str, *options: str) -> tuple[float, float, int]:
    """Seconds to the first byte and to the last one, and the bytes."""
    argv = parts.curl(
        path, *options, "-w", "\n%{time_starttransfer} %{time_total} %{size_download}"
    )
    told = await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)
    begun, ended, size = told.stdout.split()[-3:]
    return float(begun), float(ended), int(size)
