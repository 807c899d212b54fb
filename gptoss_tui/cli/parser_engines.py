"""The words of what a launch takes from the box or the laptop itself. Imports nothing heavy."""

from __future__ import annotations

import argparse


def add_launch(group: argparse._ArgumentGroup) -> None:
    """What `launch` takes for boxes with GPUs of their own way, and for those without a network."""
    group.add_argument(
        "--gpu-access", choices=("gpus", "cdi", "runtime"),
        help="how the container gets its GPUs; default: as the box has it",
    )  # fmt: skip
    group.add_argument(
        "--weights-dir",
        metavar="DIR",
        help="the checkpoint's folder on the box: nothing is fetched",
    )
    group.add_argument(
        "--vocab-dir", metavar="DIR",
        help="a folder on the box with the Harmony vocabulary (vLLM up to 0.30 fetches it)",
    )  # fmt: skip


def add_load_image(parser: argparse.ArgumentParser) -> None:
    """What `load-image BOX` takes."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="what `docker save` wrote here")
    parser.add_argument("--image", metavar="NAME:TAG", help="an image of this machine's own Docker")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
