"""The GPUs: are there any, can they do MXFP4, are they whole, who is on them."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu import GIB, Gpu
from gptoss_tui.domain.host import Finding, Level
from gptoss_tui.domain.parse.numbers import whole
from gptoss_tui.domain.preflight.no_gpu import fell, unreached, why_none
from gptoss_tui.domain.preflight.occupants import Occupants, is_taken_alone, occupants
from gptoss_tui.domain.preflight.seen import Seen

# vLLM's MXFP4 kernels start at compute capability 8.0 (vLLM source, gpt_oss_mxfp4).
MIN_CAPABILITY = (8, 0)

MIG_SENTENCE = (
    "GPU {index} ({name}) is in MIG mode: it is had in slices, and no launch can take it."
)
MIG_STEP = (
    "Turn MIG off (sudo nvidia-smi -mig 0), or plan for a slice by its memory: "
    "gptoss-tui plan --gpu NAME --gpu-memory-mib MIB."
)


def check(seen: Seen) -> Iterator[Finding]:
    gpus = seen.report.gpus
    if not gpus:
        yield why_none(seen)
        return
    modes = {health.index: health.compute_mode for health in seen.report.health}
    held = [occupants(gpu, seen) for gpu in gpus]
    old = [gpu for gpu in gpus if not _capable(gpu)]
    sliced = [gpu for gpu in gpus if gpu.mig]
    lost = [gpu for gpu in gpus if gpu.index in seen.probe.gpus_lost]
    to_reset = [gpu for gpu in gpus if gpu.index in seen.probe.gpus_to_reset]
    unknown = [
        gpu
        for gpu in gpus
        if gpu.memory_total_bytes is None and not gpu.mig and gpu not in (*lost, *to_reset)
    ]
    busy = [one for one in held if one.busy]
    ours = [one for one in held if one.ours and not one.busy]
    shut = [gpu for gpu in gpus if modes.get(gpu.index) == "Prohibited"]
    # Our own server leaves when it is stopped, or another version takes its place.
    shared = [one.gpu for one in held if is_taken_alone(one.gpu, seen.report) and one.strangers]
    # One that cannot be used is no obstacle while there are others.
    if old:
        yield _too_old(old, _level(old, gpus))
    if sliced:
        yield _sliced(sliced, _level(sliced, gpus))
    if shut:
        yield _shut(shut, _level(shut, gpus))
    if shared:
        yield _exclusive(shared, _level(shared, gpus))
    if lost:
        yield _lost(lost, _level(lost, gpus))
    if to_reset:
        yield _to_reset(to_reset, _level(to_reset, gpus))
    if unknown:
        yield _unknown(unknown, _level(unknown, gpus))
    if busy:
        yield _busy(busy)
    missing = list(_missing(seen))
    yield from missing
    sound = not (old or sliced or shut or shared or lost or to_reset or unknown or busy or missing)
    if ours:
        yield _ours(ours, rest_free=sound and len(ours) < len(gpus))
    elif sound:
        yield Finding(code="gpus", level="ok", what=_free(gpus), topic="GPUs")


def _missing(seen: Seen) -> Iterator[Finding]:
    if seen.cards_missing:
        told = len(seen.report.gpus)
        yield Finding(
            code="gpu_missing",
            level="warning",
            what=f"The box has {told + seen.cards_missing} NVIDIA cards, and the driver tells of "
            f"{told}: one {'fell off the bus' if fell(seen) else 'may have failed'}"
            f"{unreached(seen)}.",
            do="See the kernel log (sudo dmesg | grep NVRM), and reboot the box, powered off and on "
            "at best. The others can be used meanwhile.",
            topic="GPUs",
        )


def _level(these: list[Gpu], gpus: tuple[Gpu, ...]) -> Level:
    return "blocker" if len(these) == len(gpus) else "warning"


def _names(gpus: list[Gpu]) -> str:
    return ", ".join(f"{gpu.index} ({gpu.name})" for gpu in gpus)


def _capable(gpu: Gpu) -> bool:
    try:
        major, minor = (gpu.compute_capability or "8.0").split(".")
        return (int(major), int(minor)) >= MIN_CAPABILITY
    except ValueError:
        return True


def _for_ollama(gpus: list[Gpu]) -> bool:
    """https://github.com/ollama/ollama/blob/main/docs/gpu.mdx: from compute capability 5.0 on."""
    return all(_major(gpu) >= 5 for gpu in gpus)


def _major(gpu: Gpu) -> int:
    return whole((gpu.compute_capability or "").partition(".")[0]) or 0


def _lost(gpus: list[Gpu], level: Level) -> Finding:
    return Finding(
        code="gpu_lost",
        level=level,
        what=f"The driver lost GPU {_names(gpus)}: it fell off the bus.",
        do="Reboot the box, powered off and on at best. If it comes again, the card or its power is "
        "faulty: take another box.",
        topic="GPUs",
    )


def _to_reset(gpus: list[Gpu], level: Level) -> Finding:
    return Finding(
        code="gpu_reset_needed",
        level=level,
        what=f"GPU {_names(gpus)} failed and waits for a reset: no program can use it until then.",
        do="End what runs on it, then: sudo nvidia-smi --gpu-reset, or reboot the box. If it comes "
        "again, the card is faulty: take another box.",
        topic="GPUs",
    )


def _too_old(gpus: list[Gpu], level: Level) -> Finding:
    return Finding(
        code="gpu_too_old",
        level=level,
        what=f"GPU {_names(gpus)} has compute capability {gpus[0].compute_capability}; "
        "vLLM's and SGLang's MXFP4 need 8.0 or newer.",
        do="Use another GPU (Ampere or newer)"
        + (", or Ollama on this one: --engine ollama." if _for_ollama(gpus) else "."),
        topic="GPUs",
    )


def _sliced(gpus: list[Gpu], level: Level) -> Finding:
    first = gpus[0]
    more = f" So are {len(gpus) - 1} more." if len(gpus) > 1 else ""
    return Finding(
        code="gpu_mig",
        level=level,
        what=MIG_SENTENCE.format(index=first.index, name=first.name) + more,
        do=MIG_STEP,
        topic="GPUs",
    )


def _unknown(gpus: list[Gpu], level: Level) -> Finding:
    """A GPU that shares the machine's memory (NVIDIA GB10) has none of its own to tell of."""
    return Finding(
        code="gpu_memory_unknown",
        level=level,
        what=f"The driver does not tell how much memory GPU {_names(gpus)} has: no launch on it can "
        "be planned.",
        do="Plan for it by hand: gptoss-tui plan --gpu NAME --gpu-memory-mib MIB.",
        topic="GPUs",
    )


def _shut(gpus: list[Gpu], level: Level) -> Finding:
    return Finding(
        code="gpu_prohibited",
        level=level,
        what=f"GPU {_names(gpus)} takes no process: its compute mode is Prohibited.",
        do="Set it back: sudo nvidia-smi -c 0.",
        topic="GPUs",
    )


def _exclusive(gpus: list[Gpu], level: Level) -> Finding:
    names = ", ".join(dict.fromkeys(one.name for gpu in gpus for one in gpu.processes))
    return Finding(
        code="gpu_exclusive",
        level=level,
        what=f"GPU {_names(gpus)} takes one process alone (compute mode Exclusive_Process), and has "
        f"it already: {names}.",
        do="End that process, or let others in: sudo nvidia-smi -c 0.",
        topic="GPUs",
    )


def _busy(held: list[Occupants]) -> Finding:
    return Finding(
        code="gpu_busy",
        level="warning",
        what=" ".join(map(_held, held)),
        do="It is not chosen by itself. "
        + (
            "End that process to have it."
            if all(one.gpu.processes for one in held)
            else "Where no process is told of, it is another container's or a dead one's: see sudo "
            "fuser -v /dev/nvidia*, and sudo nvidia-smi --gpu-reset -i GPU if nobody is there."
        ),
        topic="GPUs",
    )


def _held(one: Occupants) -> str:
    used = (one.gpu.memory_used_bytes or 0) / GIB
    begin = f"GPU {one.gpu.index} ({one.gpu.name}) already holds {used:.1f} GiB"
    return begin + (f": {one.words}." if one.words else ".")


def _ours(held: list[Occupants], *, rest_free: bool) -> Finding:
    """Good news: a second launch takes another one, and stopping the server gives this one back."""
    sentences = [
        f"GPU {one.gpu.index} ({one.gpu.name}): our server {' and '.join(one.ours)} uses it, "
        f"{(one.gpu.memory_used_bytes or 0) / GIB:.1f} GiB."
        for one in held
    ]
    rest = ("Nobody is on the others.",) if rest_free else ()
    return Finding(code="gpu_ours", level="ok", what=" ".join([*sentences, *rest]), topic="GPUs")


def _free(gpus: tuple[Gpu, ...]) -> str:
    names = " and ".join(sorted({gpu.name for gpu in gpus}))
    return f"{len(gpus)} x {names}: whole, and nobody is on {'it' if len(gpus) == 1 else 'them'}."
