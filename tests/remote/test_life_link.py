"""The state of a link against clocks of the test's own: no test waits for seconds to pass."""

from __future__ import annotations

import asyncio

import pytest

from gptoss_tui.domain.host import LinkState
from gptoss_tui.remote.link import AFTER_WAKE_S, DEGRADED_S, LOST_S, LinkWatch


class Clocks:
    """A monotonic and a wall clock that only the test moves."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.wall = 5_000_000.0

    def pass_(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def sleep(self, seconds: float) -> None:
        """The laptop is closed: only the wall clock goes on."""
        self.wall += seconds


class Rig:
    def __init__(self) -> None:
        self.clocks = Clocks()
        self.given_up = 0
        self.link = LinkWatch(
            "box", self._give_up, lambda: self.clocks.monotonic, lambda: self.clocks.wall
        )

    def _give_up(self) -> None:
        self.given_up += 1

    def run(self, seconds: float) -> list[LinkState]:
        """Let time pass, with each tick when it is due; the distinct states seen."""
        seen: list[LinkState] = []
        end = self.clocks.monotonic + seconds
        while True:
            pause = self.link.tick()
            if not seen or seen[-1] != self.link.state:
                seen.append(self.link.state)
            if self.clocks.monotonic + pause > end:
                self.clocks.pass_(end - self.clocks.monotonic)
                return seen
            self.clocks.pass_(pause)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def phases(states: list[LinkState]) -> list[str]:
    return [state.phase for state in states]


def test_five_seconds_of_silence_are_seen_with_their_growing_age(rig: Rig) -> None:
    seen = rig.run(9.5)
    assert phases(seen) == ["up"] + ["degraded"] * 5
    assert [state.silent_s for state in seen[1:]] == [5, 6, 7, 8, 9]
    assert "Nothing came from box for 9 s." in seen[-1].reason
    assert rig.given_up == 0


def test_up_at_once_when_anything_arrives(rig: Rig) -> None:
    rig.run(20)
    assert rig.link.state.phase == "degraded"
    rig.link.heard()  # no tick in between
    assert rig.link.state == LinkState(phase="up")
    assert phases(rig.run(4.9)) == ["up"]


def test_thirty_seconds_of_silence_are_the_end(rig: Rig) -> None:
    seen = rig.run(LOST_S + 1)
    assert seen[-1].phase == "lost"
    assert seen[-1].silent_s == LOST_S
    assert rig.given_up == 1
    rig.link.heard()  # too late
    rig.run(60)
    assert rig.link.state == seen[-1]
    assert rig.given_up == 1


def test_a_change_of_wifi_does_not_cut_anything(rig: Rig) -> None:
    for silence in (12.0, 29.0):
        rig.run(silence)
        rig.link.heard()
    assert rig.link.state.phase == "up"
    assert rig.given_up == 0


def test_a_quiet_box_that_answers_keepalives_stays_up(rig: Rig) -> None:
    for _ in range(100):
        assert phases(rig.run(2.3)) == ["up"]
        rig.link.heard()


def test_a_process_that_was_stopped_itself_blames_nobody(rig: Rig) -> None:
    rig.run(3)
    rig.clocks.pass_(600)  # SIGSTOP here, or a busy loop: the bytes wait in the socket
    rig.link.tick()
    assert rig.link.state.phase == "up"
    assert rig.given_up == 0
    assert rig.run(LOST_S + DEGRADED_S)[-1].phase == "lost"  # but from now on it counts


def test_after_sleep_an_old_connection_has_ten_seconds(rig: Rig) -> None:
    rig.run(1)
    rig.clocks.sleep(8 * 3600)
    seen = rig.run(AFTER_WAKE_S + 1)
    assert phases(seen)[0] == "up"
    assert seen[-1].phase == "lost"


def test_after_sleep_a_connection_that_answers_is_as_before(rig: Rig) -> None:
    rig.clocks.sleep(8 * 3600)
    rig.run(6)
    rig.link.heard()
    assert "lost" not in phases(rig.run(LOST_S - 1))


def test_after_a_sleep_that_nobody_noticed_a_link_has_its_full_time_again(rig: Rig) -> None:
    rig.run(1)
    rig.clocks.sleep(8 * 3600)
    rig.link.tick()
    rig.link.heard()  # it answers at once: it was never degraded
    assert rig.link.state.phase == "up"
    for silence in (AFTER_WAKE_S + 1, LOST_S - 1):
        assert "lost" not in phases(rig.run(silence))
        rig.link.heard()
    assert rig.given_up == 0


async def test_everybody_sees_each_change_once(rig: Rig) -> None:
    async def watched() -> list[str]:
        return [state.phase async for state in rig.link.changes()]

    tasks = [asyncio.create_task(watched()) for _ in range(2)]
    await asyncio.sleep(0)
    for step in ("degraded", "up", "lost"):
        if step == "degraded":
            rig.run(DEGRADED_S)
            rig.link.tick()
        elif step == "up":
            rig.link.heard()
        else:
            rig.link.lost("gone")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [["up", "degraded", "up", "lost"]] * 2


async def test_a_slow_watcher_still_learns_of_the_end(rig: Rig) -> None:
    changes = rig.link.changes()
    assert (await anext(changes)).phase == "up"
    rig.run(DEGRADED_S + 2)
    rig.link.lost("gone")
    assert [state.phase async for state in changes] == ["lost"]
