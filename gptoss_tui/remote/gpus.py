"""GPUs by `nvidia-smi`: the first figures by one query, the stream by one long-lived `dmon`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

import msgspec

from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.domain.lag import Lag
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.dmon import DmonParser
from gptoss_tui.domain.parse.nvidia_time import utc_time
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.sessions import OneSessionError
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

# When it was measured, by the box's own clock (None: the driver does not tell), and what.
Reading = tuple[datetime | None, GpuSnapshot]

# How often a box is asked that allows one session at a time: commands find it free in between.
LOOK_S = 3.0
# The driver prints the box's local time. In this zone it is UTC, also where a summer ends.
_SMI = ("env", "TZ=UTC0", "nvidia-smi")
_INDEX, *_OTHERS = nvidia_smi.SAMPLE_FIELDS
_FIELDS = (_INDEX, "timestamp", *_OTHERS)


class GpuSource(Protocol):
    """Where a box's GPU figures come from: `nvidia-smi` anywhere, NVML on this machine."""

    async def now(self) -> Reading:
        """The GPUs right now. Raises `CommandError` when there is no driver to ask."""

    def watch(self, cadence: Cadence) -> AsyncGenerator[Reading, None]:
        """The GPUs from now on, at once and then at the cadence, in the order of their times."""


class Judge:
    """Says of the readings of one stream, as they come, how late they are.

    `lag` is what is known of the box; `seconds` our own clock, one that is never set.
    """

    def __init__(self, lag: Lag, seconds: Callable[[], float]) -> None:
        self._lag = lag
        self._seconds = seconds
        self._before: float | None = None

    def judged(self, reading: Reading) -> GpuSnapshot:
        at, snapshot = reading
        if at is None:
            return snapshot
        stamp = at.timestamp()
        behind_s = self._lag.behind(stamp, self._seconds(), self._before)
        self._before = stamp
        return msgspec.structs.replace(snapshot, behind_s=round(behind_s, 1))


class SmiSource:
    """`GpuSource` by `nvidia-smi` on the box."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._fields = _FIELDS

    async def now(self) -> Reading:
        while True:
            done = await self._transport.run(
                (*_SMI, f"--query-gpu={','.join(self._fields)}", "--format=csv,noheader,nounits")
            )
            text = decode(done.stdout + done.stderr)
            # The set of fields differs by driver, and one unknown field fails the whole query.
            unknown = nvidia_smi.bad_field(text)
            if unknown is None or unknown not in self._fields:
                break
            self._fields = tuple(field for field in self._fields if field != unknown)
        samples = nvidia_smi.parse_samples(text, self._fields)
        if not samples:
            raise _no_driver(text, done.status)
        return self._time(text), GpuSnapshot(gpus=samples, source="query")

    def _time(self, text: str) -> datetime | None:
        """The earliest of the rows' times."""
        rows = nvidia_smi.rows(text, self._fields)
        words = (row.get("timestamp") or "" for row in rows)
        times = (utc_time(*word.partition(" ")[::2]) for word in words)
        return min((time for time in times if time is not None), default=None)

    async def watch(self, cadence: Cadence) -> AsyncGenerator[Reading, None]:
        first = await self.now()
        yield first
        if cadence.detail != "summary":
            try:
                async with aclosing(self._dmon(first[1], cadence.period_s)) as readings:
                    async for reading in readings:
                        yield reading
                return
            except OneSessionError:
                cadence = Cadence(period_s=max(cadence.period_s, LOOK_S))
        async with aclosing(self._poll(cadence.period_s)) as readings:
            async for reading in readings:
                yield reading

    async def _poll(self, period_s: float) -> AsyncGenerator[Reading, None]:
        while True:
            await asyncio.sleep(period_s)
            yield await self.now()

    async def _dmon(self, first: GpuSnapshot, period_s: float) -> AsyncGenerator[Reading, None]:
        """The columns of dmon, with name and total memory (which dmon lacks) from the query."""
        about = {sample.index: sample for sample in first.gpus}
        argv = (*_SMI, "dmon", "-s", "pum", "-d", str(max(1, round(period_s))))
        for options in (("-o", "DT"), ()):
            parser = DmonParser()
            async with self._transport.follow((*argv, *options)) as lines:
                async for line in lines:
                    for made in parser.feed(decode(line)):
                        samples = (_named(gpu, about.get(gpu.index)) for gpu in made.gpus)
                        yield made.at, GpuSnapshot(gpus=tuple(samples), source="dmon")
            if parser.began:
                return  # else this driver does not know the option


def _named(sample: GpuSample, about: GpuSample | None) -> GpuSample:
    if about is None:
        return sample
    return msgspec.structs.replace(
        sample, name=about.name, memory_total_bytes=about.memory_total_bytes
    )


def _no_driver(text: str, status: int | None) -> CommandError:
    known = nvidia_smi.explain_failure(text, status or 0)
    if known:
        return CommandError(*known)
    return CommandError(
        f"nvidia-smi told of no GPU: {text.strip()[:200] or 'no output'}.",
        "Run nvidia-smi on the box by hand; without a driver there is no GPU to serve from.",
    )
