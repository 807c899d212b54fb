"""GPUs by `nvidia-smi`: the first figures by one query, the stream by one long-lived `dmon`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.dmon import DmonParser
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode


class GpuSource(Protocol):
    """Where a box's GPU figures come from: `nvidia-smi` anywhere, NVML on this machine."""

    async def now(self) -> GpuSnapshot:
        """The GPUs right now. Raises `CommandError` when there is no driver to ask."""

    def watch(self, cadence: Cadence) -> AsyncIterator[GpuSnapshot]:
        """The GPUs from now on, at once and then at the cadence."""


class SmiSource:
    """`GpuSource` by `nvidia-smi` on the box."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._fields = nvidia_smi.SAMPLE_FIELDS

    async def now(self) -> GpuSnapshot:
        while True:
            done = await self._transport.run(
                (
                    "nvidia-smi",
                    f"--query-gpu={','.join(self._fields)}",
                    "--format=csv,noheader,nounits",
                )
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
        return GpuSnapshot(gpus=samples, source="query")

    async def watch(self, cadence: Cadence) -> AsyncIterator[GpuSnapshot]:
        first = await self.now()
        yield first
        if cadence.detail == "summary":
            async for snapshot in self._poll(cadence.period_s):
                yield snapshot
            return
        async for snapshot in self._dmon(first, cadence.period_s):
            yield snapshot

    async def _poll(self, period_s: float) -> AsyncIterator[GpuSnapshot]:
        while True:
            await asyncio.sleep(period_s)
            yield await self.now()

    async def _dmon(self, first: GpuSnapshot, period_s: float) -> AsyncIterator[GpuSnapshot]:
        """The columns of dmon, with name and total memory (which dmon lacks) from the query."""
        about = {sample.index: sample for sample in first.gpus}
        parser = DmonParser()
        argv = ("nvidia-smi", "dmon", "-s", "pum", "-d", str(max(1, round(period_s))))
        async with self._transport.follow(argv) as lines:
            async for line in lines:
                for samples in parser.feed(decode(line)):
                    yield GpuSnapshot(
                        gpus=tuple(_named(sample, about.get(sample.index)) for sample in samples),
                        source="dmon",
                    )


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
