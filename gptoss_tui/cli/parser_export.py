"""The words of `export`, and those by which `launch` writes and reads its files. Light."""

from __future__ import annotations

import argparse

FORMATS = ("docker-run", "compose", "systemd")


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=FORMATS, default="compose", help="default compose (a compose.yaml)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    parser.add_argument("--force", action="store_true", help="write over a FILE that is there")


def add_launch(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--from", dest="from_file", metavar="FILE", help="launch what `export` wrote; no plan"
    )
    group.add_argument(
        "--export-as", choices=FORMATS, help="launch nothing: write the file that would launch it"
    )
    group.add_argument("-o", "--output", metavar="FILE", help="of --export-as; default: printed")
