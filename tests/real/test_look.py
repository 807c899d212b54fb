"""Looking at a real box."""

from __future__ import annotations

from tests.real.box import RealBox
from tests.real.cli import Cli


def test_check_over_ssh_finds_a_box_that_is_ready(box: RealBox, ssh: Cli) -> None:
    (fact,) = ssh.json("check", "box", "-F", str(box.ssh_config))
    report = fact["body"]
    assert report["hostname"] == "real-box"
    assert [gpu["name"] for gpu in report["gpus"]] == ["NVIDIA H100 80GB HBM3"] * 2
    assert report["docker"]["via"] == "socket"
    assert [found for found in report["findings"] if found["level"] == "blocker"] == []


def test_check_on_the_box_itself_finds_the_same(box: RealBox, local: Cli) -> None:
    (fact,) = local.json("check", "local")
    assert fact["body"]["hostname"] == "real-box"
    assert [gpu["name"] for gpu in fact["body"]["gpus"]] == ["NVIDIA H100 80GB HBM3"] * 2
    assert [found for found in fact["body"]["findings"] if found["level"] == "blocker"] == []
