"""Who is on a GPU, told by the control group of a real process in a real container."""

from __future__ import annotations

from tests.real.box import RealBox
from tests.real.cli import Cli

SMALL = ("--image", "lab/small:1", "--yes")
UUID = "GPU-3c1f2a52-7b7d-4f0e-9a55-0b6b1a7b000"  # and the index
ENGINE = """#!/bin/sh
case $* in
*--query-compute-apps*) echo "{uuid}, {pid}, VLLM::EngineCore, 70000" ;;
*) exec {real} "$@" ;;
esac
"""


def _seen(box: RealBox, ssh: Cli, pid: str, gpu: int) -> dict[str, dict[str, str]]:
    """The findings, where the box's nvidia-smi tells of this process on this GPU."""
    folder = box.folder / "instead-of-nvidia-smi"
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(
        ENGINE.format(uuid=f"{UUID}{gpu}", pid=pid, real=box.folder / "bin/nvidia-smi")
    )
    program.chmod(0o755)
    where = box.sshd(2208 + gpu, SetEnv=f"PATH={folder}:{box.path}")
    (fact,) = ssh.json("check", *where)
    return {found["code"]: found for found in fact["body"]["findings"]}


def test_our_own_server_is_no_stranger(box: RealBox, ssh: Cli) -> None:
    ssh.json("launch", "box", "-F", str(box.ssh_config), *SMALL, "--wait")
    (container,) = box.docker("ps", "-q").split()
    pid = box.docker("inspect", "-f", "{{.State.Pid}}", container).strip()
    ours = _seen(box, ssh, pid, 0)
    assert ours["gpu_ours"]["level"] == "ok"
    assert "our server gpt-oss-20b uses it" in ours["gpu_ours"]["what"]
    assert "gpu_busy" not in ours
    stranger = box.run("pgrep", "-xo", "sshd").strip()
    busy = _seen(box, ssh, stranger, 1)
    assert f"(pid {stranger}) of root, 68.4 GiB" in busy["gpu_busy"]["what"]
