"""Why a server did not start, on a real Docker Engine: the box keeps it for whoever asks later."""

from __future__ import annotations

import pytest

from tests.real.box import RealBox
from tests.real.cli import Cli

SMALL = "lab/small:1"
DIES = "lab/dies-of-memory:1"
NAME = "gpt-oss-20b"
SAYS = "echo loading; echo torch.OutOfMemoryError: CUDA out of memory. >&2; exit 1"


@pytest.fixture
def where(box: RealBox, ssh: Cli) -> tuple[str, ...]:
    """A box with an image whose server says why it dies."""
    target = ("box", "-F", str(box.ssh_config))
    ssh.json("launch", *target, "--image", SMALL, "--yes", "--wait")
    change = f'ENTRYPOINT ["/bin/sh", "-c", "{SAYS}"]'
    box.docker("commit", "--change", change, NAME, DIES)
    ssh.json("stop", *target, "--now", "--yes")
    return target


def test_the_cause_is_told_without_the_container(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    error = ssh.json("launch", *where, "--image", DIES, "--yes", "--wait", code=6)[-1]["error"]
    assert "The GPU's memory ran out." in error["message"]
    box.docker("rm", "-f", NAME)
    newest = ssh.json("status", *where)[-1]["launches"][0]["body"]
    assert (newest["state"], newest["error"]) == ("failed", "The GPU's memory ran out.")
    assert newest["diagnosis"]["cause"] == "gpu_memory"
    assert newest["diagnosis"]["evidence"] == ["torch.OutOfMemoryError: CUDA out of memory."]
    assert ssh.json("doctor", *where, NAME)[-1]["cause"] == "gpu_memory"
    box.forget_image(DIES)
