"""One call of a launch to its own simulated server, judged as `remote/scripts/ready.sh` judges it."""

from __future__ import annotations

import re
from collections.abc import Callable

from gptoss_tui.sim.container import Container
from gptoss_tui.sim.http import Request, Response
from gptoss_tui.sim.servers import server
from gptoss_tui.sim.world import World

STEPS = ("fetch", "load", "ask")
CALLS = (*STEPS, "model_present")
_TOKENS = re.compile(rb'"completion_tokens": *[1-9]')


async def called(  # noqa: PLR0917
    world: World,
    container: Container,
    step: str,
    path: str,
    body: bytes,
    note: Callable[[bytes], None],
) -> str | None:
    """Why the call failed, or None. The lines of a fetch go to `note`."""
    handler = server(world, container)
    if handler is None:
        return "curl: (7) Failed to connect to 127.0.0.1"
    key = container.api_key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    reply = await handler(Request("POST", path, {}, headers, body))
    said = await _body(reply, note if step == "fetch" else None)
    if step == "fetch":
        return None if b'"status":"success"' in said else _error(said)
    if reply.status == 200 and (step in ("model_present", "load") or _TOKENS.search(said)):
        return None
    return f"{reply.status} {said.decode(errors='replace').strip()[:300]}"


async def _body(reply: Response, note: Callable[[bytes], None] | None) -> bytes:
    if isinstance(reply.body, bytes):
        return reply.body
    parts: list[bytes] = []
    async for part in reply.body:
        parts.append(part)
        if note is not None:
            note(part)
    return b"".join(parts)


def _error(said: bytes) -> str:
    found = re.findall(r'"error":"(.*)"', said.decode(errors="replace"))
    return found[-1].replace('\\"', '"') if found else "the pull call ended early"
