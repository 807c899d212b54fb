"""An image for a box that reaches no registry, and weights from a folder: real sshd, real Docker."""

from __future__ import annotations

from pathlib import Path

from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.relay import Relay

SMALL = "lab/small:1"


def test_an_image_comes_through_the_connection(
    box: RealBox, ssh: Cli, relay: Relay, tmp_path: Path
) -> None:
    where = ("box", "-F", str(box.ssh_config))
    box.docker("pull", SMALL)
    saved = box.folder / "small.tar"
    box.docker("save", "-o", str(saved), SMALL)
    box.forget_image(SMALL)
    relay.hold_after(0)
    (told,) = ssh.json("load-image", *where, str(saved), "--yes")
    assert told["body"]["text"] == f"Docker on box has {SMALL}."
    assert SMALL in box.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()

    weights = box.folder / "weights"
    weights.mkdir()
    documents = ssh.json(
        "launch", *where, "--image", SMALL, "--weights-dir", str(weights), "--yes", "--wait"
    )
    assert documents[-1]["body"]["state"] == "ready"
    phases = {phase["name"]: phase for phase in documents[-1]["body"]["phases"]}
    assert phases["pull"]["state"] == "skipped"
    mounts = box.docker("inspect", "-f", "{{json .HostConfig.Binds}}", "gpt-oss-20b")
    assert f"{weights}:/models/gpt-oss:ro" in mounts
    ssh.json("stop", *where, "--yes")
    box.forget_image(SMALL)


def test_what_is_no_image_is_refused(box: RealBox, ssh: Cli, tmp_path: Path) -> None:
    odd = tmp_path / "odd.tar"
    odd.write_bytes(b"no archive" * 1000)
    (refused,) = ssh.json("load-image", "box", "-F", str(box.ssh_config), str(odd), "--yes", code=4)
    assert "load" in refused["error"]["message"] or "Docker" in refused["error"]["message"]
