"""A Docker that gives containers another user (userns-remap): a launch keeps the box's own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.box import USER, RealBox, real_box
from tests.real.cli import Cli
from tests.real.faults import start_docker, stop_docker
from tests.real.relay import Relay

FIRST = 100_000  # the uid on the box that is root in a remapped container


@pytest.fixture
def remapped(relay: Relay) -> Iterator[RealBox]:
    with real_box(relay.port) as box:
        for name in ("subuid", "subgid"):
            (box.folder / name).write_text(f"{USER}:{FIRST}:65536\n")
            box.run("mount", "--bind", str(box.folder / name), f"/etc/{name}")
        stop_docker(box, signal.SIGTERM)
        options = box.folder / "dockerd.options"
        options.write_text(f"{options.read_text()} --userns-remap {USER}")
        start_docker(box)
        yield box


def _uid_map(box: RealBox, container: str) -> list[str]:
    pid = box.docker("inspect", "-f", "{{.State.Pid}}", container).strip()
    return box.run("cat", f"/proc/{pid}/uid_map").split()


def test_a_launch_is_not_remapped(remapped: RealBox, tmp_path: Path) -> None:
    box, cli = remapped, Cli(tmp_path)
    where = ("box", "-F", str(box.ssh_config))
    (fact,) = cli.json("check", *where)
    assert fact["body"]["docker"]["userns_remap"] is True
    assert "--userns host" in next(
        found["what"] for found in fact["body"]["findings"] if found["code"] == "userns_remap"
    )
    documents = cli.json("launch", *where, "--image", "lab/small:1", "--yes", "--wait")
    assert documents[-1]["body"]["state"] == "ready"
    assert _uid_map(box, "gpt-oss-20b") == box.run("cat", "/proc/1/uid_map").split()
    # What the option is against: any other container there is.
    box.docker("run", "-d", "--name", "other", "--entrypoint", "sleep", "lab/small:1", "60")
    assert _uid_map(box, "other")[:2] == ["0", str(FIRST)]
    cli.end()
