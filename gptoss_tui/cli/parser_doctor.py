"""The words of `doctor`. Imports nothing heavy."""

from __future__ import annotations

import argparse


def add_words(parser: argparse.ArgumentParser) -> None:
    """What `doctor` takes besides what every command on a box does."""
    parser.add_argument("box", nargs="?", metavar="BOX", help="a box, or --log")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a server on the box")
    parser.add_argument("--log", metavar="FILE", help='a saved log ("-": standard input)')
    group = parser.add_argument_group("launch again")
    group.add_argument("--apply", action="store_true", help="with the change that helps")
    group.add_argument("--yes", "-y", action="store_true", help="do not ask")
    group.add_argument("--wait", action="store_true", help="until it is ready or has failed")
    group.add_argument("--api-key-file", metavar="FILE", help="the key of a server that has one")
