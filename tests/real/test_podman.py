"""A box with podman and without Docker: found, launched on with CDI devices, stopped.

Podman 5.4 is the real one, as is what it does with a list of devices (CDI). The devices are not:
each is an empty node and a variable in the container, by which the test sees that it got there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.box import HERE, Kind, RealBox, real_box
from tests.real.cli import Cli
from tests.real.parts import lab
from tests.real.relay import Relay
from tests.real.waiting import until

SOCKET = "/run/podman/podman.sock"
SMALL = ("--image", "lab/small:1", "--yes")


def _root() -> Path:
    folder = lab()
    if folder is None or not any((folder / "podman").glob(".complete-*")):
        pytest.skip("GPTOSS_TUI_LAB has no podman: make it by .ci/lab/podman.sh DIR")
    return folder / "podman"


def _devices(box: RealBox) -> None:
    """A list of devices as `nvidia-ctk cdi generate` writes it, of what the box's nvidia-smi tells."""
    told = box.run("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
    devices = [
        {
            "name": uuid,
            "containerEdits": {
                "env": [f"GIVEN_{number}={uuid}"],
                "deviceNodes": [{"path": f"/dev/nvidia{number}", "hostPath": "/dev/null"}],
            },
        }
        for number, uuid in enumerate(told.split())
    ]
    spec = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": devices}
    box.run("mkdir", "-p", "/run/cdi")
    (box.folder / "run/cdi/nvidia.json").write_text(json.dumps(spec))


@pytest.fixture(scope="module")
def podman_box(relay: Relay) -> Iterator[RealBox]:
    root = _root()
    with real_box(relay.port, Kind(docker=False)) as box:
        mirror = f"{box.gateway}:{relay.port}"
        (box.folder / "registries.conf").write_text(
            'unqualified-search-registries = ["docker.io"]\n'
            '[[registry]]\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = true\n'
        )
        box.run(str(HERE / "podman_up.sh"), str(root), str(box.folder))
        until("podman answers", lambda: "Podman" in _api(box, "/version"), timeout_s=60)
        _devices(box)
        yield box


def _api(box: RealBox, path: str) -> str:
    return box.run("curl", "-s", "--unix-socket", SOCKET, f"http://d{path}", check=False)


@pytest.fixture
def ssh(podman_box: RealBox, tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    cli.end()


def test_podman_is_found_and_can_launch(podman_box: RealBox, ssh: Cli) -> None:
    where = ("box", "-F", str(podman_box.ssh_config))
    (fact,) = ssh.json("check", *where)
    docker = fact["body"]["docker"]
    assert (docker["podman"], docker["via"], docker["version"][:2]) == (True, "socket", "5.")
    codes = {found["code"]: found for found in fact["body"]["findings"]}
    assert codes["gpu_runtime"]["what"] == "Containers get the GPUs by CDI."
    assert codes["podman_socket"]["level"] == "warning"
    assert [code for code, found in codes.items() if found["level"] == "blocker"] == []


def test_a_launch_with_a_device_a_restart_and_a_stop(podman_box: RealBox, ssh: Cli) -> None:
    box = podman_box
    where = ("box", "-F", str(box.ssh_config))
    documents = ssh.json("launch", *where, *SMALL, "--wait", "--gpu-ids", "1")
    assert documents[-1]["body"]["state"] == "ready"
    (container,) = json.loads(_api(box, "/v1.41/containers/json"))
    inspected = f"/v1.41/containers/{container['Id']}/json"
    pid = json.loads(_api(box, inspected))["State"]["Pid"]
    environment = box.run("cat", f"/proc/{pid}/environ").split("\0")
    (uuid,) = json.loads(container["Labels"]["io.gptoss-tui.spec"])["gpu_ids"]
    assert f"GIVEN_1={uuid}" in environment
    assert not [entry for entry in environment if entry.startswith("GIVEN_0=")]
    assert box.run("ls", f"/proc/{pid}/root/dev/nvidia1")
    (status,) = ssh.json("status", *where)
    rows = status["instances"]["body"]["instances"]
    assert [(row["name"], row["state"], row["managed"]) for row in rows] == [
        ("gpt-oss-20b", "ready", True)
    ]
    assert status["launches"][0]["body"]["state"] == "ready"
    (fact,) = ssh.json("check", *where)
    assert [one["name"] for one in fact["body"]["docker"]["ours"]] == ["gpt-oss-20b"]
    until("it has a restart policy", lambda: "unless-stopped" in _api(box, inspected))
    assert ssh.json("logs", *where)
    ssh.json("restart", *where, "--wait")
    (after,) = json.loads(_api(box, "/v1.41/containers/json"))
    assert after["Id"] == container["Id"]
    ssh.json("stop", *where)
    assert json.loads(_api(box, "/v1.41/containers/json?all=1")) == []
