"""Boxes on which a launch cannot work: each is told in a sentence, and nothing half-made stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.real.box import Kind, RealBox, real_box
from tests.real.cli import Cli
from tests.real.relay import Relay

SMALL = ("--image", "lab/small:1", "--yes", "--wait")
Make = Callable[[Kind], RealBox]


@pytest.fixture
def make(relay: Relay) -> Iterator[Make]:
    """Start a box of some kind; it ends with the test."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(real_box(relay.port, kind))


@pytest.fixture
def laptop(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_without_docker(make: Make, laptop: Cli) -> None:
    where = ("box", "-F", str(make(Kind(docker=False)).ssh_config))
    (fact,) = laptop.json("check", *where, code=1)
    (blocker,) = (each for each in fact["body"]["findings"] if each["level"] == "blocker")
    assert (blocker["code"], blocker["repair"]) == ("docker_down", "docker-start")
    (refused,) = laptop.json("launch", *where, *SMALL, code=4)
    assert "Docker" in refused["error"]["message"]
    (status,) = laptop.json("status", *where)
    assert len(status["gpus"]["body"]["gpus"]) == 2


def test_without_the_gpu_runtime(make: Make, laptop: Cli) -> None:
    box = make(Kind(gpu_runtime=False))
    where = ("box", "-F", str(box.ssh_config))
    (fact,) = laptop.json("check", *where, code=1)
    (blocker,) = (each for each in fact["body"]["findings"] if each["level"] == "blocker")
    assert (blocker["code"], blocker["repair"]) == ("no_gpu_runtime", "toolkit")
    *_, last = laptop.json("launch", *where, *SMALL, code=4)
    assert "The NVIDIA Container Toolkit was not found" in last["error"]["message"]
    assert box.containers() == []


def test_with_a_disk_that_fills_up(make: Make, relay: Relay, laptop: Cli) -> None:
    box = make(Kind(disk_mib=100))
    where = ("box", "-F", str(box.ssh_config))
    (fact,) = laptop.json("check", *where)
    (short,) = (each for each in fact["body"]["findings"] if each["code"] == "disk_docker")
    assert "Only 0.1 GiB are free for images (/var/lib/docker)" in short["what"]
    # Without a mirror in between, after whose failure Docker would tell of the next registry.
    image = f"{box.gateway}:{relay.port}/lab/small:1"
    *_, last = laptop.json("launch", *where, "--image", image, "--yes", "--wait", code=6)
    assert last["error"]["message"] == "The box's disk is full."
    assert box.containers() == []
