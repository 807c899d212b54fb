"""From the words to the command, and from its failure to an exit code."""

from __future__ import annotations

import asyncio
import importlib
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import Any

from gptoss_tui.cli import read_only, secrets
from gptoss_tui.cli.output import Output
from gptoss_tui.errors import GptossError
from gptoss_tui.state.debug_log import internal, open_debug_log
from gptoss_tui.state.paths import paths

Command = Callable[[Namespace, Output], Coroutine[Any, Any, int]]

# Where each command lives; only the one that was asked for is imported.
COMMANDS: dict[str | None, str] = {
    None: "gptoss_tui.cli.app_command:open_app",
    "demo": "gptoss_tui.cli.app_command:demo",
    "sim": "gptoss_tui.cli.sim_command:sim",
    "check": "gptoss_tui.cli.look_commands:check",
    "forget-key": "gptoss_tui.cli.ssh_text:forget_key",
    "repair": "gptoss_tui.cli.repair_command:repair",
    "status": "gptoss_tui.cli.look_commands:status",
    "plan": "gptoss_tui.cli.plan_command:plan",
    "launch": "gptoss_tui.cli.launch_command:launch",
    "cancel": "gptoss_tui.cli.launch_command:cancel",
    "load-image": "gptoss_tui.cli.load_image_command:load_image",
    "stop": "gptoss_tui.cli.lifecycle_command:stop",
    "restart": "gptoss_tui.cli.lifecycle_command:restart",
    "upgrade": "gptoss_tui.cli.upgrade_command:upgrade",
    "export": "gptoss_tui.cli.export_command:export",
    "logs": "gptoss_tui.cli.server_commands:logs",
    "chat": "gptoss_tui.cli.server_commands:chat",
    "doctor": "gptoss_tui.cli.doctor_command:doctor",
    "spot": "gptoss_tui.cli.spot_command:spot",
    "forward": "gptoss_tui.cli.server_commands:forward",
}


def run(arguments: Namespace) -> int:
    """Run the command of `arguments` and return the exit code."""

    def fill(text: str) -> str:
        from gptoss_tui.cli.session import filled  # for what went wrong, and for what is advised

        return filled(arguments, text)

    output = Output(getattr(arguments, "json", False), fill)
    module, _, name = COMMANDS[arguments.command].partition(":")
    command: Command = getattr(importlib.import_module(module), name)
    log = open_debug_log(paths().debug_log)
    try:
        read_only.check(arguments)
        secrets.take(arguments)
        return asyncio.run(command(arguments, output))
    except GptossError as error:
        log.info("%s: %s", arguments.command or "app", error)
        output.error(error)
        return error.exit_code
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # the last resort: never a traceback on the screen
        failure = internal(error, paths().debug_log)
        output.error(failure)
        return failure.exit_code
