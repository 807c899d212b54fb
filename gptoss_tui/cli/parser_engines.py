"""The words for an engine's release, and for what a launch takes from the box. Light."""

from __future__ import annotations

import argparse


def add_release(group: argparse._ActionsContainer, default: str) -> None:
    """Which release of the engine: `domain.engines.release.release_of` reads both words."""
    group.add_argument(
        "--engine-version", metavar="VERSION",
        help=f"0.32.0, a tag as :nightly, or an image; default: {default}",
    )  # fmt: skip
    group.add_argument(
        "--image",
        help="REPOSITORY:TAG, or a tag as :nightly; default: the engine's own of that version",
    )


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
    parser.add_argument("--engine", default="vllm", help="of a version or tag; default vllm")
    parser.add_argument(
        "--image",
        help="REPOSITORY:TAG of this machine's own Docker; or a version, or a tag as :nightly",
    )
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
