"""The simulated box under the real OpenSSH client: its own known_hosts check, key and channels."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.profile import H100, L40S, Profile
from gptoss_tui.sim.run import SimFleet
from tests.remote.support import FAST, WARM, until

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's ssh")


async def ssh(sim: SimFleet, *words: str, stdin: bytes = b"") -> tuple[int | None, str, str]:
    """`ssh -F CONFIG WORDS` without asking anything; exit status and both outputs."""
    process = await asyncio.create_subprocess_exec(
        *("ssh", "-F", str(sim.ssh_config), "-o", "BatchMode=yes", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 20)
    return process.returncode, out.decode(), err.decode()


async def test_nvidia_smi_prints_its_table() -> None:
    async with SimFleet(kinds=(Profile("two", (H100, L40S)),), speed=FAST) as sim:
        status, out, err = await ssh(sim, "sim-1", "nvidia-smi")
        assert (status, err) == (0, "")
        assert "Driver Version: 580.159.04" in out
        assert "NVIDIA H100 80GB HBM3" in out
        assert "0MiB / 46068MiB" in out or "4MiB / 46068MiB" in out
        listed = (await ssh(sim, "sim-1", "nvidia-smi", "-L"))[1].splitlines()
    assert [line.split(" (")[0] for line in listed] == [
        "GPU 0: NVIDIA H100 80GB HBM3",
        "GPU 1: NVIDIA L40S",
    ]


async def test_queries_and_refusals_have_nvidias_exit_codes() -> None:
    async with SimFleet(kinds=(WARM,), speed=FAST) as sim:
        query = "nvidia-smi --query-gpu=index,memory.total --format=csv"
        assert await ssh(sim, "sim-1", query) == (
            0,
            "index, memory.total\n0, 81559 MiB\n1, 81559 MiB\n",
            "",
        )
        wrong = await ssh(sim, "sim-1", "nvidia-smi --query-gpu=nonsense --format=csv")
        assert wrong[:2] == (2, 'Field "nonsense" is not a valid field to query.\n\n')
        status, out, _ = await ssh(sim, "sim-1", "nvidia-smi dmon -s pum -c 2")
    assert status == 0
    lines = out.splitlines()
    head = "# gpu pwr gtemp mtemp sm mem enc dec jpg ofa fb bar1 ccpm"
    assert lines[0].split() == head.split()
    assert [line.split()[0] for line in lines] == ["#", "#", "0", "1", "0", "1"]


async def test_figures_carry_the_boxs_time() -> None:
    begun = datetime(2026, 12, 31, 23, 59, 58, 250_000, tzinfo=UTC)
    async with SimFleet(kinds=(WARM,), clock=ManualClock(begun)) as sim:
        query = "env TZ=UTC0 nvidia-smi --query-gpu=index,timestamp --format=csv,noheader"
        assert (await ssh(sim, "sim-1", query))[1].splitlines() == [
            "0, 2026/12/31 23:59:58.250",
            "1, 2026/12/31 23:59:58.250",
        ]
        both = (await ssh(sim, "sim-1", "nvidia-smi dmon -s pum -c 1 -o DT"))[1].splitlines()
        time = (await ssh(sim, "sim-1", "nvidia-smi dmon -s pum -c 1 -o T"))[1].splitlines()
    assert both[0].startswith("#Date       Time        gpu    pwr ")
    assert both[1].startswith("#YYYYMMDD   HH:MM:SS    Idx      W ")
    assert both[2].startswith(" 20261231   23:59:58     0 ")
    assert time[2].startswith(" 23:59:58     0 ")


async def test_other_commands_behave_like_a_shells() -> None:
    async with SimFleet(kinds=(WARM,), speed=FAST) as sim:
        assert await ssh(sim, "sim-1", "hostname") == (0, "warm\n", "")
        assert await ssh(sim, "sim-1", "docker images") == (
            0,
            "REPOSITORY:TAG\nvllm/vllm-openai:v0.32.0\n",
            "",
        )
        assert await ssh(sim, "sim-1", "rm -rf /") == (127, "", "sh: 1: rm: not found\n")
        status, _, err = await ssh(sim, "sim-1")
        assert status == 1
        assert "no login shell" in err


async def test_the_host_key_is_checked_and_the_login_is_by_key_only(tmp_path: Path) -> None:
    async with SimFleet(kinds=(WARM,), speed=FAST) as sim:
        assert (await ssh(sim, "sim-1", "true"))[0] == 0
        stranger = tmp_path / "known_hosts"
        stranger.touch()
        status, _, err = await ssh(sim, "-o", f"UserKnownHostsFile={stranger}", "sim-1", "true")
        assert status == 255
        assert "Host key verification failed." in err
        only_passwords = ("-o", "PubkeyAuthentication=no", "sim-1", "true")
        status, _, err = await ssh(sim, *only_passwords)
        assert status == 255
        assert "Permission denied (publickey)" in err
        assert sim.key_file.stat().st_mode & 0o077 == 0


async def test_docker_speaks_over_a_forwarded_socket_and_by_dial_stdio(tmp_path: Path) -> None:
    async with SimFleet(kinds=(WARM,), speed=FAST) as sim:
        ask = b"GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
        _, dialled, _ = await ssh(sim, "sim-1", "docker system dial-stdio", stdin=ask)
        assert dialled.startswith("HTTP/1.1 200")
        assert '"ApiVersion":"1.47"' in dialled
        local = tmp_path / "docker.sock"
        tunnel = await asyncio.create_subprocess_exec(
            *("ssh", "-F", str(sim.ssh_config), "-N", "-o", "BatchMode=yes"),
            *("-o", "ExitOnForwardFailure=yes", "-L", f"{local}:/var/run/docker.sock", "sim-1"),
        )
        try:
            await until(local.exists, "the tunnel is open")
            reader, writer = await asyncio.open_unix_connection(local)
            writer.write(ask.replace(b"/version", b"/_ping"))
            answer = (await asyncio.wait_for(reader.read(), 10)).decode()
            writer.close()
        finally:
            tunnel.terminate()
            await tunnel.wait()
    assert answer.startswith("HTTP/1.1 200")
    assert answer.endswith("OK")


async def test_several_boxes_are_in_one_config() -> None:
    async with SimFleet(boxes=3, speed=FAST) as sim:
        names = [(await ssh(sim, f"sim-{n}", "hostname"))[1].strip() for n in (1, 2, 3)]
        assert names == ["h100-2x-1", "rtx4090-2", "h100-8x-3"]
        folder = sim.directory
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


async def test_boxes_end_while_a_client_is_still_connected() -> None:
    async with SimFleet(kinds=(WARM,), speed=FAST) as sim:
        counters = sim.boxes[0].counters
        client = await asyncio.create_subprocess_exec(
            "ssh", "-F", str(sim.ssh_config), "-o", "BatchMode=yes", "-N", "sim-1",
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await until(lambda: counters.logins == 1, "the client is in")
    assert await asyncio.wait_for(client.wait(), 10) == 255
    assert counters.open == 0
