"""The words of `repair`. Imports nothing heavy."""

from __future__ import annotations

import argparse


def add_words(parser: argparse.ArgumentParser) -> None:
    """What `repair BOX` takes besides what every command on a box does."""
    parser.add_argument(
        "names", nargs="*", metavar="REPAIR", help="what to repair; without, what can be is listed"
    )
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask about those named")
    parser.add_argument("--dry-run", action="store_true", help="print their scripts only")
    parser.add_argument(
        "--sudo-password-file", metavar="FILE", help="for a box whose sudo asks for one"
    )
    parser.add_argument(
        "--toolkit-repository", metavar="URL", help="a mirror of NVIDIA's package repository"
    )
    parser.add_argument(
        "--drop-model", action="append", default=[], metavar="OWNER/NAME", dest="drop_models",
        help="hf-cache deletes this model too",
    )  # fmt: skip
