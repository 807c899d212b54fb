"""The export as a shell script with one `docker run`."""

from __future__ import annotations

import shlex
from itertools import pairwise

from gptoss_tui.domain.export import container
from gptoss_tui.domain.launch import LABEL_SPEC, LaunchSpec
from gptoss_tui.domain.render import command_page


def write(spec: LaunchSpec) -> str:
    """The script. It ends when the container has started, and prints the container's id."""
    restart = ("--restart", "unless-stopped") if spec.restart_once_ready else ()
    words = container.words(spec, "docker", "run", "-d", *restart)
    use = "Run it on the box, by a user who may use Docker: sh FILE"
    head = ["#!/bin/sh", *(f"# {line}" for line in container.remarks(spec, use))]
    return "\n".join(head) + "\nexec " + command_page(words) + "\n"


def spec_text(text: str) -> str | None:
    """The label with the spec, in a script of this form; None where it is none."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return None
    return label_in(words) if "docker" in words else None


def label_in(words: list[str]) -> str | None:
    """The spec's label in an argument list of `docker run`."""
    begin = f"{LABEL_SPEC}="
    for option, value in pairwise(words):
        if option == "--label" and value.startswith(begin):
            return value.removeprefix(begin)
    return None
