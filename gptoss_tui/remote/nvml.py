"""GPUs by NVML, on the machine the app itself runs on. A figure that NVML lacks comes from dmon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pynvml

from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.gpus import Reading, SmiSource

_COLUMNS = tuple(
    name
    for name in GpuSample.__struct_fields__
    if name not in ("index", "name", "memory_total_bytes", "confidential_used_bytes")
)


class NvmlSource:
    """`GpuSource` by NVML, with `fallback` where there is no NVML or a figure is missing."""

    def __init__(self, fallback: SmiSource) -> None:
        self._fallback = fallback
        self._ready: bool | None = None

    async def now(self) -> Reading:
        if not self._start():
            return await self._fallback.now()
        return datetime.now(UTC), await asyncio.to_thread(read_all)

    async def watch(self, cadence: Cadence) -> AsyncGenerator[Reading, None]:
        if not self._start():
            async with contextlib.aclosing(self._fallback.watch(cadence)) as readings:
                async for reading in readings:
                    yield reading
            return
        first = await self.now()
        yield first
        if cadence.detail == "full" and _lacks_columns(first[1]):
            with contextlib.suppress(CommandError):
                async with contextlib.aclosing(self._fallback.watch(cadence)) as readings:
                    async for _, theirs in readings:
                        at, ours = await self.now()
                        yield at, _completed(ours, theirs)
        while True:
            await asyncio.sleep(cadence.period_s)
            yield await self.now()

    def _start(self) -> bool:
        if self._ready is None:
            try:
                pynvml.nvmlInit()
                self._ready = True
            except pynvml.NVMLError:
                self._ready = False
        return self._ready


def read_all() -> GpuSnapshot:
    """One reading of every GPU (a few ms: call it in a thread). Raises `CommandError`."""
    try:
        count = pynvml.nvmlDeviceGetCount()
        samples = tuple(read_one(index) for index in range(count))
    except pynvml.NVMLError as error:
        raise CommandError(
            f"NVML failed: {error}.", "Run nvidia-smi by hand: the driver may need a reboot."
        ) from error
    if not samples:
        raise CommandError("NVML told of no GPU.", "Run nvidia-smi by hand.")
    return GpuSnapshot(gpus=samples, source="nvml")


def read_one(index: int) -> GpuSample:
    """One GPU; what NVML does not tell of it is None. Raises `pynvml.NVMLError` if it is lost.

    Memory by version 2 of the call, as `nvidia-smi` has it: version 1, all that old drivers know,
    counts the driver's own reserve as used (0.6 GiB on an H200).
    """
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = _told(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2))
    if memory is None:
        memory = _told(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    use = _told(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    power = _told(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    bar1 = _told(lambda: pynvml.nvmlDeviceGetBAR1MemoryInfo(handle))
    return GpuSample(
        index=index,
        name=_text(_told(lambda: pynvml.nvmlDeviceGetName(handle))),
        power_w=None if power is None else power / 1000,
        gpu_temp_c=_told(
            lambda: float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
        ),
        memory_temp_c=_told(lambda: _field(handle, pynvml.NVML_FI_DEV_MEMORY_TEMP)),
        sm_pct=None if use is None else float(use.gpu),
        memory_pct=None if use is None else float(use.memory),
        encoder_pct=_told(lambda: float(pynvml.nvmlDeviceGetEncoderUtilization(handle)[0])),
        decoder_pct=_told(lambda: float(pynvml.nvmlDeviceGetDecoderUtilization(handle)[0])),
        jpeg_pct=_told(lambda: float(pynvml.nvmlDeviceGetJpgUtilization(handle)[0])),
        optical_flow_pct=_told(lambda: float(pynvml.nvmlDeviceGetOfaUtilization(handle)[0])),
        memory_used_bytes=None if memory is None else int(memory.used),
        memory_total_bytes=None if memory is None else int(memory.total),
        bar1_used_bytes=None if bar1 is None else int(bar1.bar1Used),
    )


def _told(ask: Callable[[], Any]) -> Any:
    """What NVML answers, None where this GPU or driver does not support the question."""
    try:
        return ask()
    except pynvml.NVMLError_GpuIsLost:
        raise
    except (pynvml.NVMLError, AttributeError):
        return None


def _field(handle: Any, field: int) -> float | None:
    value = pynvml.nvmlDeviceGetFieldValues(handle, [field])[0]
    # 0 °C is what the driver writes when a board has no sensor there.
    if value.nvmlReturn != pynvml.NVML_SUCCESS or not value.value.uiVal:
        return None
    return float(value.value.uiVal)


def _text(name: Any) -> str | None:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _lacks_columns(snapshot: GpuSnapshot) -> bool:
    return any(getattr(gpu, column) is None for gpu in snapshot.gpus for column in _COLUMNS)


def _completed(ours: GpuSnapshot, theirs: GpuSnapshot) -> GpuSnapshot:
    """NVML's figures, and dmon's where NVML has none."""
    other = {gpu.index: gpu for gpu in theirs.gpus}
    return GpuSnapshot(
        gpus=tuple(_merged(gpu, other.get(gpu.index)) for gpu in ours.gpus), source="nvml"
    )


def _merged(ours: GpuSample, theirs: GpuSample | None) -> GpuSample:
    if theirs is None:
        return ours
    missing = {
        name: getattr(theirs, name)
        for name in GpuSample.__struct_fields__
        if getattr(ours, name) is None and getattr(theirs, name) is not None
    }
    return msgspec.structs.replace(ours, **missing) if missing else ours
