"""The entry point: reads the words, imports what they need, turns every failure into a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gptoss_tui import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see the README for the codes)."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words == ["--version"]:  # the parser would take as long again as Python's own start
        sys.stdout.write(f"gptoss-tui {__version__}\n")
        return 0
    from gptoss_tui.cli.parser import parse
    from gptoss_tui.cli.words import WordsError

    try:
        arguments = parse(words)
    except WordsError as off:
        from gptoss_tui.cli.output import Output
        from gptoss_tui.errors import UsageError

        Output("--json" in words).error(UsageError(off.message, off.next_step))
        return UsageError.exit_code
    try:
        from gptoss_tui.cli.run import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
