"""The words for spot boxes: the command `spot`, and flags of the app and of the simulation. Light."""

from __future__ import annotations

import argparse

from gptoss_tui.cli.words import zero_or_more


def add_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain", action="store_true", help="then drain and stop the servers of gptoss-tui"
    )


def add_app(parser: argparse.ArgumentParser, default: object) -> None:
    """`default` is `SUPPRESS` where the flag may have stood before the command."""
    parser.add_argument(
        "--drain-on-preemption",
        action="store_true",
        default=default,
        help="in the app: drain servers without asking when a provider takes a spot box back",
    )


def add_sim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preempt-after",
        type=zero_or_more,
        metavar="SECONDS",
        help="spot boxes, taken back by then",
    )
