"""From the words to the command, and from its failure to an exit code."""

from __future__ import annotations

import asyncio
import importlib
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import Any

from gptoss_tui.cli.output import Output
from gptoss_tui.errors import GptossError

Command = Callable[[Namespace, Output], Coroutine[Any, Any, int]]

# Where each command lives; only the one that was asked for is imported.
_COMMANDS: dict[str | None, str] = {
    None: "gptoss_tui.cli.app_command:open_app",
    "demo": "gptoss_tui.cli.app_command:demo",
    "sim": "gptoss_tui.cli.sim_command:sim",
    "check": "gptoss_tui.cli.look_commands:check",
    "status": "gptoss_tui.cli.look_commands:status",
    "plan": "gptoss_tui.cli.plan_command:plan",
    "launch": "gptoss_tui.cli.launch_command:launch",
    "cancel": "gptoss_tui.cli.launch_command:cancel",
    "stop": "gptoss_tui.cli.server_commands:stop",
    "logs": "gptoss_tui.cli.server_commands:logs",
    "chat": "gptoss_tui.cli.server_commands:chat",
    "forward": "gptoss_tui.cli.server_commands:forward",
}


def run(arguments: Namespace) -> int:
    """Run the command of `arguments` and return the exit code."""
    output = Output(getattr(arguments, "json", False))
    module, _, name = _COMMANDS[arguments.command].partition(":")
    command: Command = getattr(importlib.import_module(module), name)
    try:
        return asyncio.run(command(arguments, output))
    except GptossError as error:
        output.error(error)
        return error.exit_code
