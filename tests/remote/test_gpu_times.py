"""When GPU figures were measured, and that late ones say so: real programs and real connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gptoss_tui.domain.facts import Fact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.gpus import SmiSource
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.sim.run import SimFleet
from tests.real.relay import Relay
from tests.remote.support import WARM, opened, paths_in, taken, until

STAND_IN = Path(__file__).parents[1] / "real" / "stand_ins" / "nvidia-smi"
HELD_S = 4.5

# Answers the query, knows no `-o`, and has no time.
OLD = r"""#!/bin/sh
case "$*" in
*timestamp*) printf 'Field "timestamp" is not a valid field to query.\n\n'; exit 2 ;;
--query*) echo '0, 100, 4, 0, 0, 25.1, 30, [N/A], Tesla K80' ;;
*-o*) echo 'Invalid combination of input arguments. Please run nvidia-smi -h for help.'; exit 1 ;;
*) echo '# gpu   pwr  temp'; while echo '    0    43    35'; do sleep 0.01; done ;;
esac
"""
# Rows of the evening before the year ends, then of the year after it; the last one is old.
LATE = r"""#!/bin/sh
case "$*" in
--query*) echo '0, 2026/12/31 23:59:58.100, 100, 4, 0, 0, 25.1, 30, [N/A], Tesla K80' ;;
*) echo '#Date       Time        gpu    pwr'
   echo ' 20261231   23:59:59      0     1'
   echo ' 20270101   00:00:00      0     2'
   echo ' 20270101   00:00:01      0     3' ; exec sleep 60 ;;
esac
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine's `nvidia-smi` is."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "nvidia-smi"


def install(smi: Path, text: str) -> SmiSource:
    smi.write_text(text)
    smi.chmod(0o755)
    return SmiSource(LocalTransport())


async def test_the_times_of_a_box_in_another_zone_are_utc(
    smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "XYZ-9:30")
    source = install(smi, STAND_IN.read_text())
    began = datetime.now(UTC)
    readings = await taken(source.watch(Cadence()), 3)
    ended = datetime.now(UTC)
    assert [snapshot.source for _, snapshot in readings] == ["query", "dmon", "dmon"]
    for at, _ in readings:
        assert at is not None
        assert began.replace(microsecond=0) <= at <= ended
    assert readings == sorted(readings, key=lambda reading: reading[0] or began)


async def test_a_driver_that_tells_no_time_is_watched_all_the_same(smi: Path) -> None:
    source = install(smi, OLD)
    box = HostBox("old", LocalTransport(), source, Hub(lambda: datetime.now(UTC)))
    facts = await taken(box.watch_gpus(Cadence()), 3)
    assert [fact.body.source for fact in facts] == ["query", "dmon", "dmon"]
    assert [(fact.box_time, fact.body.behind_s) for fact in facts] == [(None, None)] * 3
    assert [fact.body.gpus[0].power_w for fact in facts] == [25.1, 43, 43]


class Passing:
    """Our own time: `jumps` are the seconds that pass before each look at it."""

    def __init__(self, *jumps: float) -> None:
        self._now = 5000.0
        self._jumps = iter(jumps)

    def seconds(self) -> float:
        self._now += next(self._jumps)
        return self._now

    async def sleep(self, seconds: float) -> None: ...


async def test_rows_that_were_held_up_say_for_how_long(smi: Path) -> None:
    source = install(smi, LATE)
    hub = Hub(lambda: datetime.now(UTC))
    box = HostBox("late", LocalTransport(), source, hub, Passing(0, 0, 0.9, 0, 21, 0))
    facts = await taken(box.watch_gpus(Cadence()), 3)
    assert [fact.box_time for fact in facts] == [
        datetime(2026, 12, 31, 23, 59, 58, 100_000, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    assert [fact.body.behind_s for fact in facts] == pytest.approx([0, 0, 20], abs=0.15)


@contextmanager
def behind_a_relay(sim: SimFleet, folder: Path) -> Iterator[tuple[Relay, Path]]:
    """The way to the simulated box leads through a relay; and the config that goes there."""
    port = sim.boxes[0].port
    with Relay("127.0.0.1", ("127.0.0.1", port)) as relay:
        folder.mkdir()
        known, config = folder / "known_hosts", folder / "config"
        known.write_text(sim.known_hosts.read_text().replace(f":{port} ", f":{relay.port} "))
        text = sim.ssh_config.read_text().replace(f"Port {port}\n", f"Port {relay.port}\n")
        config.write_text(text.replace(str(sim.known_hosts), str(known)))
        yield relay, config


async def test_figures_behind_a_stall_are_never_told_as_new(tmp_path: Path) -> None:
    hub = Hub(lambda: datetime.now(UTC))
    seen: list[Fact[GpuSnapshot]] = []
    hub.tap(lambda fact: seen.append(fact) if isinstance(fact.body, GpuSnapshot) else None)

    def true_age(fact: Fact[GpuSnapshot]) -> float:  # one machine has one clock
        assert fact.box_time is not None
        return (fact.our_time - fact.box_time).total_seconds()

    async with SimFleet(kinds=(WARM,)) as sim:
        with behind_a_relay(sim, tmp_path / "way") as (relay, config):
            options = FleetOptions(config_file=config, with_local=False)
            async with Fleet(hub, paths_in(tmp_path), options) as fleet:
                box = await fleet.connect("sim-1")
                async with opened(box.watch_gpus(Cadence())) as facts:
                    for _ in range(3):
                        await anext(facts)
                    relay.hold_after(0)
                    held = time.monotonic()
                    await until(lambda: time.monotonic() - held > HELD_S, "the stall", 30)
                    relay.release()
                    while len(seen) < 20:
                        await anext(facts)
                        if len(seen) > 6 and (seen[-1].body.behind_s or 0) < 1.5:
                            break
    late = [fact for fact in seen if true_age(fact) > 2.5]
    assert late, "nothing was held up"
    for fact in late:
        assert (fact.body.behind_s or 0) > true_age(fact) - 1.5
    assert (seen[-1].body.behind_s or 0) < 1.5  # it has caught up
