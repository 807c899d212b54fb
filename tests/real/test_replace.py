"""Upgrades on a real Docker Engine: the new container takes the place, or the old one comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.waiting import until

SMALL = "lab/small:1"
DIES = "lab/dies:1"
SLEEPS = "lab/sleeps:1"
KEY = "sk-lab-kept"
NAME = "gpt-oss-20b"


@pytest.fixture
def where(box: RealBox, ssh: Cli, tmp_path: Path) -> tuple[str, ...]:
    """A server of the older version, with an API key, from the small image."""
    key = tmp_path / "key"
    key.write_text(KEY)
    target = ("box", "-F", str(box.ssh_config))
    words = ("--image", SMALL, "--yes", "--wait", "--engine-version", "0.31.0")
    ssh.json("launch", *target, *words, "--api-key-file", str(key))
    return target


def running(box: RealBox) -> list[tuple[str, str]]:
    lines = box.docker("ps", "--format", "{{.ID}} {{.Names}}").splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines]


def test_the_new_version_takes_the_place_with_its_secrets(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    (before,) = running(box)
    words = ("--engine-version", "0.32.0", "--image", SMALL, "--yes", "--wait")
    facts = ssh.json("upgrade", *where, *words)
    assert facts[-1]["body"]["state"] == "ready"
    (after,) = running(box)
    assert (after[1], after[0] != before[0]) == (NAME, True)
    assert box.containers() == [NAME]
    assert box.handed_over(NAME) == {"api_key": (KEY, 0o400)}
    launches = box.home / ".local/state/gptoss-tui/launches"
    left = [file for file in launches.rglob("*") if file.is_file()]
    assert not [file for file in left if KEY.encode() in file.read_bytes()]


def test_a_version_that_dies_gives_the_place_back(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    (before,) = running(box)
    box.docker("commit", "--change", "ENV PATH=/nowhere", NAME, DIES)
    words = ("--engine-version", "0.32.0", "--image", DIES, "--yes", "--wait")
    refused = ssh.json("upgrade", *where, *words, code=6)[-1]["error"]
    assert "as it was before, started again" in refused["message"]
    assert running(box) == [before]
    assert box.handed_over(NAME) == {"api_key": (KEY, 0o400)}
    (failed,) = (name for name in box.containers() if name != NAME)
    assert failed.startswith(f"{NAME}-")
    box.docker("rm", "-f", failed)
    box.forget_image(DIES)


def test_the_same_again_is_refused(box: RealBox, ssh: Cli, where: tuple[str, ...]) -> None:
    (before,) = running(box)
    words = ("--engine-version", "0.31.0", "--image", SMALL, "--yes")
    refused = ssh.json("upgrade", *where, *words, code=2)[-1]["error"]
    assert refused["message"] == f"{NAME} runs 0.31.0 with these flags already."
    assert running(box) == [before]


def test_an_image_that_is_not_there_touches_nothing(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    (before,) = running(box)
    words = ("--engine-version", "0.32.0", "--image", "lab/none:1", "--yes", "--wait")
    ssh.json("upgrade", *where, *words, code=6)
    assert running(box) == [before]
    assert box.docker("inspect", "--format", "{{.RestartCount}}", NAME).strip() == "0"


def test_a_cancelled_upgrade_gives_the_place_back(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    (before,) = running(box)
    sleeps = "printf '#!/bin/sh\\nexec sleep 600\\n' >\"$(command -v vllm)\""
    box.docker("run", "--name", "maker", "--entrypoint", "sh", SMALL, "-c", sleeps)
    box.docker("commit", "maker", SLEEPS)
    box.docker("rm", "maker")
    ssh.json("upgrade", *where, "--engine-version", "0.32.0", "--image", SLEEPS, "--yes")
    until("the new one runs", lambda: [n for i, n in running(box) if i != before[0]] == [NAME])
    # Another operator at the same time.
    words = (*where, NAME, "--engine-version", "0.32.0", "--yes")
    second = ssh.json("upgrade", *words, code=4)[-1]["error"]
    assert second["message"] == f"{NAME} is still being launched."
    (notice,) = ssh.json("cancel", *where)
    assert "as it was before, started again" in notice["body"]["text"]
    assert running(box) == [before]
    assert box.containers() == [NAME]
    box.forget_image(SLEEPS)
