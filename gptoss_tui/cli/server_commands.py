"""`logs`, `chat` and `forward`: using a server that runs."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from contextlib import aclosing
from typing import Any, cast

from gptoss_tui.cli.output import Output, figure
from gptoss_tui.cli.session import connected, pick
from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatMessage, ChatRequest
from gptoss_tui.domain.render import openai_env
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import StateError, UsageError


async def logs(arguments: Namespace, output: Output) -> int:
    """One line of the log each, or one fact each."""
    tail = None if arguments.tail == 0 else arguments.tail
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name)
        stream = cast("Any", box.logs(instance.name, tail=tail, follow=arguments.follow))
        async with aclosing(stream) as facts:
            async for fact in facts:
                output.document(fact)
                output.line(fact.body.text)
    return 0


async def chat(arguments: Namespace, output: Output) -> int:
    """Reasoning and answer apart: with --json by `channel`, for people on stderr and stdout."""
    prompt = arguments.prompt if arguments.prompt is not None else sys.stdin.read()
    if not prompt.strip():
        raise UsageError("There is no prompt.", "Give one with -p, or on standard input.")
    key = arguments.api_key or Secret.of(os.environ.get("GPTOSS_TUI_API_KEY"))
    request = ChatRequest(
        messages=(ChatMessage(role="user", content=prompt),),
        effort=arguments.effort,
        max_tokens=arguments.max_tokens,
    )
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name)
        printer = _Printer(output)
        stream = cast("Any", box.chat(instance.name, request, key))
        async with aclosing(stream) as facts:
            async for fact in facts:
                output.document(fact)
                printer.show(fact.body)
    return printer.exit_code


class _Printer:
    """The answer on standard output, reasoning and figures on standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._channel = ""
        self.exit_code = 0

    def show(self, body: ChatDelta | ChatDone) -> None:
        if isinstance(body, ChatDelta):
            if self._output.json:
                return
            if self._channel == "reasoning" and body.channel == "answer":
                print("\n", file=sys.stderr, flush=True)
            self._channel = body.channel
            stream = sys.stderr if body.channel == "reasoning" else sys.stdout
            print(body.text, end="", file=stream, flush=True)
            return
        if body.finish_reason == "abort":
            self.exit_code = 8
        if self._output.json:
            return
        if self._channel:  # the line that was cut, on the stream where it stands
            print(file=sys.stderr if self._channel == "reasoning" else sys.stdout, flush=True)
        ttft = None if body.ttft_s is None else body.ttft_s * 1000
        print(
            f"[{body.finish_reason or 'ended'}; first token after {figure(ttft, ' ms')}, "
            f"{figure(body.tokens_per_s, ' tokens/s')}, "
            f"{figure(body.completion_tokens, ' tokens')}]",
            file=sys.stderr,
        )


async def forward(arguments: Namespace, output: Output) -> int:
    """Stays until it is interrupted, or until the connection is gone."""
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name)
        async with box.forward(instance.name, arguments.port) as opened:
            model = opened.model or "openai/gpt-oss-20b"
            output.document(
                {
                    "box": box.name,
                    "instance": instance.name,
                    "base_url": opened.base_url,
                    "port": opened.port,
                    "model": opened.model,
                }
            )
            output.line(openai_env(opened.base_url, model, instance.needs_api_key))
            output.line("# open until you press ctrl+c")
            while box.link.open:
                await asyncio.sleep(1)
    raise StateError("The connection to the box was lost; the endpoint is closed.")
