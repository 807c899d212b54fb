"""A version, a tag or an image: the same words for `plan`, `launch`, `upgrade` and `load-image`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Background, Cli
from tests.cli.test_engines import saved

OWN = "vllm/vllm-openai:v0.31.0"
MIRROR = "mirror.lan:5000/ai/vllm:v0.31.0"


@pytest.mark.parametrize(
    ("words", "version", "image"),
    [
        (("--engine-version", "0.31.0"), "0.31.0", OWN),
        (("--engine-version", "v0.31.0"), "0.31.0", OWN),
        (("--engine-version", ":v0.31.0"), "0.31.0", OWN),
        (("--engine-version", MIRROR), "0.31.0", MIRROR),
        (("--image", "0.31.0"), "0.31.0", OWN),
        (("--image", ":v0.31.0"), "0.31.0", OWN),
        (("--image", MIRROR), "0.31.0", MIRROR),
        (("--image", "mine:3"), "0.32.0", "mine:3"),
        (("--image", "mine:3", "--engine-version", "0.30.1"), "0.30.1", "mine:3"),
    ],
    ids=" ".join,
)
def test_each_command_reads_them_the_same(
    cli: Cli, serving: Background, words: tuple[str, ...], version: str, image: str
) -> None:
    where = ("sim-1", "-F", serving.config, "--json")

    def told(command: str, *more: str) -> Any:
        result = cli(command, *where, *words, *more)
        assert result.code == 0, result.out
        return result.document

    plan, launch = told("plan"), told("launch", "--dry-run")
    upgrade = told("upgrade", "--dry-run")
    assert plan["request"]["engine_version"] == version
    for spec in (launch["spec"], upgrade["spec"]):
        assert (spec["engine_version"], spec["image"]) == (version, image)
    assert launch["plan"]["request"]["engine_version"] == version


@pytest.mark.parametrize(
    ("words", "message", "step"),
    [
        (("--engine-version", "newest"), "'newest' is no vLLM version.", "as :newest."),
        (("--engine-version", "0.9"), "vLLM 0.9 cannot serve GPT-OSS.", "0.10.1 is the first"),
        (("--engine-version", "No Such"), "'No Such' is no vLLM version.", "Write it as 0.32.0"),
        (("--image", "No Image"), "'No Image' is no image name.", "Write it as repository:tag."),
        (("--image", "ollama/ollama:0.13.3"), "is an image of Ollama", "Choose the engine Ollama"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_command_refuses_nonsense_in_the_same_words(
    cli: Cli, serving: Background, words: tuple[str, ...], message: str, step: str
) -> None:
    for command in ("plan", "launch", "upgrade"):
        refused = cli(command, "sim-1", "-F", serving.config, *words)
        assert (refused.code, refused.out) == (2, ""), command
        assert message in refused.err
        assert step in refused.err


def test_an_upgrade_needs_one_of_them(cli: Cli) -> None:
    refused = cli("upgrade", "nowhere.invalid", "--yes")
    assert refused.code == 2
    assert refused.err == (
        "gptoss-tui: Which version?\n  Give --engine-version VERSION, or --image IMAGE.\n"
    )


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a `docker` that notes what it is asked and gives out its image.tar."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >"{folder}/asked"\nexec cat "{folder}/image.tar"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def test_a_version_that_the_image_does_not_tell_is_said(cli: Cli, warm: Background) -> None:
    for command in (("plan",), ("launch", "--dry-run")):
        told = cli(*command, "sim-1", "-F", warm.config, "--image", ":nightly").out
        assert "note: The image does not tell its version: it is planned as 0.32.0." in told


@pytest.mark.parametrize(
    ("words", "image"),
    [
        (("--image", "0.31.0"), OWN),
        (("--image", ":v0.31.0"), OWN),
        (("--image", MIRROR), MIRROR),
        (("--image", ":v0.5.23", "--engine", "sglang"), "lmsysorg/sglang:v0.5.23"),
        (("--image", "ollama/ollama:0.13.3"), "ollama/ollama:0.13.3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_load_image_takes_them_of_this_machines_docker(
    cli: Cli, warm: Background, docker: Path, words: tuple[str, ...], image: str
) -> None:
    saved(docker / "image.tar", image)
    loaded = cli("load-image", "sim-1", "-F", warm.config, *words, "--yes")
    assert loaded.code == 0, loaded.err
    assert (docker / "asked").read_text() == f"save {image}\n"
    last = loaded.out.splitlines()[-1]
    assert re.fullmatch(rf"done in \d+ s: Docker on sim-1 has {re.escape(image)}\.", last)


def test_load_image_refuses_what_is_no_image_before_the_box_is_contacted(cli: Cli) -> None:
    refused = cli("load-image", "nowhere.invalid", "--image", "No Image", "--yes")
    assert refused.code == 2
    assert "'No Image' is no image name." in refused.err
