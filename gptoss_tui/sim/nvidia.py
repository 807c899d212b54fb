"""The simulated `nvidia-smi`: the queries the app makes, and those a person tries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from gptoss_tui.sim.world import GpuFigures, World

_NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
Field = Callable[[GpuFigures], tuple[str, str]]
_FIELDS: dict[str, Field] = {
    "index": lambda gpu: (str(gpu.index), ""),
    "uuid": lambda gpu: (gpu.uuid, ""),
    "name": lambda gpu: (gpu.card.name, ""),
    "gpu_name": lambda gpu: (gpu.card.name, ""),
    "compute_cap": lambda gpu: (gpu.card.capability, ""),
    "memory.total": lambda gpu: (str(gpu.card.memory_mib), " MiB"),
    "memory.used": lambda gpu: (str(gpu.used_mib), " MiB"),
    "memory.reserved": lambda gpu: (str(gpu.card.reserved_mib), " MiB"),
    "memory.free": lambda gpu: (str(gpu.card.memory_mib - gpu.used_mib), " MiB"),
    "utilization.gpu": lambda gpu: (str(gpu.sm_pct), " %"),
    "utilization.memory": lambda gpu: (str(gpu.memory_pct), " %"),
    "power.draw": lambda gpu: (f"{gpu.power_w:.2f}", " W"),
    "power.limit": lambda gpu: (f"{gpu.card.power_limit_w:.2f}", " W"),
    "temperature.gpu": lambda gpu: (str(gpu.gpu_temp_c), ""),
    "temperature.memory": lambda gpu: (str(gpu.memory_temp_c), ""),
    "mig.mode.current": lambda gpu: ("Disabled", ""),
    "ecc.mode.current": lambda gpu: ("Enabled", ""),
    "persistence_mode": lambda gpu: ("Enabled", ""),
    "pci.bus_id": lambda gpu: (f"00000000:{gpu.index + 1:02X}:00.0", ""),
}
_DMON_NAMES = (
    "    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg    ofa     fb   bar1   ccpm \n"
)
_DMON_UNITS = (
    "      W      C      C      %      %      %      %      %      %     MB     MB     MB \n"
)
# By the letter of `-o`, in the order of the columns: name, unit, the form of the time.
_DMON_TIMES = {
    "D": ("Date       ", "YYYYMMDD   ", "%Y%m%d   "),
    "T": ("Time        ", "HH:MM:SS    ", "%H:%M:%S "),
}


def answer(world: World, words: list[str]) -> tuple[str, int]:
    """Output and exit status of everything but `dmon`."""
    if world.profile.has("no_gpu"):
        return _NO_DRIVER, 9
    options = dict(_option(word) for word in words)
    if "--query-gpu" in options:
        return _query(world, options["--query-gpu"].split(","), options.get("--format", "csv"))
    if "--query-compute-apps" in options:
        return _apps(world), 0
    if "-L" in options or "--list-gpus" in options:
        lines = (f"GPU {g.index}: {g.card.name} (UUID: {g.uuid})" for g in world.gpus())
        return "\n".join(lines) + "\n", 0
    if words:
        return f"Invalid combination of input arguments: {' '.join(words)}\n", 1
    return _banner(world), 0


def _option(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _query(world: World, fields: list[str], layout: str) -> tuple[str, int]:
    known: dict[str, Field] = {
        **_FIELDS,
        "driver_version": lambda _: (world.driver, ""),
        "timestamp": lambda _: (_timestamp(world), ""),
    }
    for field in fields:
        if field not in known:
            return f'Field "{field}" is not a valid field to query.\n\n', 2
    units = "nounits" not in layout
    lines: list[str] = [] if "noheader" in layout else [", ".join(fields)]
    for gpu in world.gpus():
        cells = (known[field](gpu) for field in fields)
        lines.append(", ".join(value + (unit if units else "") for value, unit in cells))
    return "\n".join(lines) + "\n", 0


def _timestamp(world: World) -> str:
    now = world.clock.now()
    return f"{now:%Y/%m/%d %H:%M:%S}.{now.microsecond // 1000:03d}"


def pids(world: World) -> dict[str, int]:
    """The process of each container that is on a GPU, by the container's id."""
    return {key: 91_357 + 100 * number for number, key in enumerate(world.containers)}


def _apps(world: World) -> str:
    engines = pids(world)
    lines: list[str] = []
    for gpu in world.gpus():
        foreign = world.foreign_mib(gpu.index)
        if foreign:
            lines.append(f"{gpu.uuid}, 48211, /usr/bin/python3, {foreign}")
        for container in world.containers.values():
            if {str(gpu.index), gpu.uuid} & set(container.gpu_ids) and container.memory_mib > 1:
                held = round(container.memory_mib)
                lines.append(f"{gpu.uuid}, {engines[container.id]}, VLLM::EngineCore, {held}")
    return "\n".join(lines) + ("\n" if lines else "")


def _banner(world: World) -> str:
    width = 89
    driver = world.driver
    head = f"| NVIDIA-SMI {driver}  Driver Version: {driver}  CUDA Version: {world.cuda}"
    lines = ["+" + "-" * width + "+", head.ljust(width + 1) + "|", "+" + "-" * width + "+"]
    for gpu in world.gpus():
        row = (
            f"| {gpu.index}  {gpu.card.name}  {gpu.gpu_temp_c}C  "
            f"{gpu.power_w}W / {gpu.card.power_limit_w}W  "
            f"{gpu.used_mib}MiB / {gpu.card.memory_mib}MiB  {gpu.sm_pct}%"
        )
        lines.append(row.ljust(width + 1) + "|")
    return "\n".join([*lines, "+" + "-" * width + "+", ""])


async def dmon(world: World, words: list[str]) -> AsyncIterator[str]:
    """`dmon -s pum [-d SECONDS] [-c COUNT] [-o DT]`, line by line; it ends only with a count."""
    if world.profile.has("no_gpu"):
        yield _NO_DRIVER
        return
    times = [parts for letter, parts in _DMON_TIMES.items() if letter in _word(words, "-o")]
    head, form = _dmon_head(times), " " + "".join(form for _, _, form in times)
    period = _argument(words, "-d", 1.0)
    count = _argument(words, "-c", 0.0)
    rounds = 0
    while not count or rounds < count:
        if rounds % 20 == 0:
            yield head
        told = f"{world.clock.now():{form}}" if times else ""
        for gpu in world.gpus():
            yield (
                f"{told}{gpu.index:5d} {gpu.power_w:6d} {gpu.gpu_temp_c:6d} {gpu.memory_temp_c:6d} "
                f"{gpu.sm_pct:6d} {gpu.memory_pct:6d} {0:6d} {0:6d} {0:6d} {0:6d} "
                f"{gpu.used_mib:6d} {gpu.bar1_mib:6d} {0:6d} \n"
            )
        rounds += 1
        if not count or rounds < count:
            await world.clock.sleep(period)


def _dmon_head(times: list[tuple[str, str, str]]) -> str:
    """Two lines; the times stand in front of the index."""
    names, units = ("".join(parts[row] for parts in times) for row in (0, 1))
    if not times:
        return f"# gpu{_DMON_NAMES}# Idx{_DMON_UNITS}"
    return f"#{names}gpu{_DMON_NAMES}#{units}Idx{_DMON_UNITS}"


def _word(words: list[str], flag: str) -> str:
    """What stands behind a flag."""
    behind = words[words.index(flag) + 1 :] if flag in words else []
    return behind[0] if behind else ""


def _argument(words: list[str], flag: str, default: float) -> float:
    try:
        return float(_word(words, flag) or default)
    except ValueError:
        return default
