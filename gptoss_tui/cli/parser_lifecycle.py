"""The words of `stop`, `restart` and `upgrade`. Light."""

from __future__ import annotations

import argparse

from gptoss_tui.cli import parser_engines
from gptoss_tui.cli.words import seconds


def add_stop(parser: argparse.ArgumentParser) -> None:
    _drain(parser)
    parser.add_argument(
        "--grace",
        type=seconds,
        metavar="SECONDS",
        help="from the signal to the kill; default: enough",
    )
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def add_restart(parser: argparse.ArgumentParser) -> None:
    _drain(parser)
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--wait", action="store_true", help="until it is ready again")


def add_upgrade(parser: argparse.ArgumentParser) -> None:
    parser_engines.add_release(parser, "that of --image")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--wait", action="store_true", help="until it is ready or rolled back")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the plan and the docker run line only"
    )
    parser.add_argument("--force", action="store_true", help="also when the plan does not fit")


def _drain(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--drain", type=seconds, metavar="SECONDS",
        help="let running requests end, for so long (default 60)",
    )  # fmt: skip
    how.add_argument("--now", action="store_true", help="cut running requests")
