"""What operators' connections go through, on a real sshd: the box comes back, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real import faults
from tests.real.box import RealBox
from tests.real.faults import Kept, eventually, kept


@pytest.fixture
def talking(box: RealBox) -> Iterator[RealBox]:
    faults.talk(box)
    try:
        yield box
    finally:
        faults.cable(box, "up")
        faults.signal_sshd(box, signal.SIGCONT)


async def one_is_back(watched: Kept, links: int) -> None:
    await watched.grows()
    assert "lost" in watched.phases(links)
    watched.assert_whole()


async def test_sshds_child_is_killed(talking: RealBox, tmp_path: Path) -> None:
    async with kept(talking.ssh_config, tmp_path, "box") as (watched,):
        for _ in range(3):
            links = len(watched.links)
            faults.signal_sshd(talking, signal.SIGKILL)
            await one_is_back(watched, links)
    await faults.nothing_left(talking, 10)


async def test_a_frozen_box_is_degraded_and_comes_back_without_a_new_login(
    talking: RealBox, tmp_path: Path
) -> None:
    log = talking.log_of_sshd()
    async with kept(talking.ssh_config, tmp_path, "box") as (watched,):
        links = len(watched.links)
        faults.signal_sshd(talking, signal.SIGSTOP)
        took = await eventually("degraded", lambda: watched.phase == "degraded", 8)
        assert took > 2.5  # silence is counted from the last byte, which comes every two seconds
        await eventually("it ages", lambda: (watched.links[-1].silent_s or 0) >= 7, 5)
        faults.signal_sshd(talking, signal.SIGCONT)
        assert await eventually("up", lambda: watched.phase == "up", 5) < 2
        await watched.grows()
        assert watched.phases(links) == ["degraded", "up"]
        watched.assert_whole()
    assert log.count("^Accepted publickey") == 1


async def test_sshd_without_forwarding_leaves_nothing_when_the_cable_is_pulled(
    talking: RealBox, tmp_path: Path
) -> None:
    """Docker through `dial-stdio` in a session: its input is data, so the guard has the heartbeat."""
    name = talking.sshd(2301, AllowStreamLocalForwarding="no")[0]
    async with kept(talking.ssh_config, tmp_path, name) as (watched,):
        assert any("dial-stdio" in line for line in faults.ours_on(talking))
        links = len(watched.links)
        faults.cable(talking, "down")
        await eventually("degraded", lambda: watched.phase == "degraded", 8)
        took = await eventually("lost", lambda: "lost" in watched.phases(links), 30)
        assert took < 27
        gone = await faults.nothing_left(talking, 30)
        assert gone + took < 60
        faults.cable(talking, "up")
        watched.keeper.hurry()
        await one_is_back(watched, links)


async def test_one_packet_in_twenty_is_lost(talking: RealBox, tmp_path: Path) -> None:
    faults.lose(talking, "-I")
    try:
        async with kept(talking.ssh_config, tmp_path, "box") as (watched,):
            links = len(watched.links)
            for _ in range(5):
                await watched.grows()
            assert "lost" not in watched.phases(links)
            watched.assert_whole()
    finally:
        faults.lose(talking, "-D")


async def test_a_narrow_link(talking: RealBox, tmp_path: Path) -> None:
    async with kept(talking.ssh_config, tmp_path, "box") as (watched,):
        links = len(watched.links)
        faults.narrow(talking, "add")
        try:
            for _ in range(3):
                await watched.grows()
        finally:
            faults.narrow(talking, "del")
        assert "lost" not in watched.phases(links)
        watched.assert_whole()
