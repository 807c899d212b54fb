"""What a launch can change about a cause, computed from the line's own figures where it has some."""

from __future__ import annotations

import re
from collections.abc import Callable

from gptoss_tui.domain.doctor.diagnosis import Change
from gptoss_tui.domain.parse.numbers import finite, whole

# The first release of vLLM whose plain image is CUDA 13, and one that carries the vocabulary.
CUDA13_SINCE = (0, 20)
CURRENT = "0.32.0"


def change_for(cause: str, message: str, version: str = "") -> Change | None:
    """The change that helps, or None where none is sure enough to be applied by a program."""
    if cause in _DROPS:
        return Change(kind="flags", drop=(_DROPS[cause],))
    if cause in ("port_taken", "name_taken"):
        name = "port" if cause == "port_taken" else "name"
        return Change(kind="port" if name == "port" else "name", drop=(f"--{name}",))
    if cause == "no_gpu_runtime":
        return Change(kind="toolkit")
    if cause == "driver_too_old":
        return _older_cuda(version)
    make = _MAKERS.get(cause)
    return None if make is None else make(message)


_DROPS = {
    "quantization_mismatch": "--quantization",
    "dtype_unsupported": "--dtype",
    "kv_dtype_unsupported": "--kv-cache-dtype",
}


def _flags(*words: str) -> Change:
    return Change(kind="flags", flags=words)


def _older_cuda(version: str) -> Change | None:
    """The same release built for CUDA 12.9; releases before 0.20 are built for CUDA 12 anyway."""
    release = version or CURRENT
    found = re.match(r"v?(\d+)\.(\d+)", release)
    if found is None or (int(found[1]), int(found[2])) < CUDA13_SINCE:
        return None
    image = f"vllm/vllm-openai:v{release.removeprefix('v')}-cu129-ubuntu2404"
    return Change(kind="image", flags=("--image", image))


def _number(pattern: str, message: str) -> float | None:
    found = re.search(pattern, message)
    return finite(found[1].replace(",", "")) if found else None


def _context(message: str) -> Change | None:
    """vLLM's own estimate; without one what is left of the cache, with a tenth to spare."""
    asked = _number(r"(?:max(?:imum)? seq len|max_model_len) \((\d+)\)", message)
    fits = _number(r"estimated maximum model length is ([\d,]+)", message)
    if fits is None:
        fits = _number(r"stored in KV cache \((\d+)\)", message)
    if fits is None:
        needed = _number(r"\(([\d.]+) GiB KV cache is needed", message)
        there = _number(r"available KV cache memory \((-?[\d.]+) GiB", message)
        if asked and needed and there and there > 0:
            fits = asked * there / needed * 0.9 // 16 * 16
    if fits is None or fits < 16 or (asked is not None and fits >= asked):
        return None
    return _flags("--max-model-len", str(int(fits)))


def _derived(message: str) -> Change | None:
    found = re.search(
        r"\(max_position_embeddings=(\d+)|derived (?:max_model_len|context_length) \(\D*(\d+)",
        message,
    )
    most = whole(found[1] or found[2]) if found else None
    return _flags("--max-model-len", str(most)) if most else None


def _sampler(message: str) -> Change:
    seqs = _number(r"with ([\d,]+) dummy requests", message)
    return _flags("--max-num-seqs", str(max(1, int(seqs) // 4) if seqs else 256))


def _share(message: str) -> Change | None:
    found = re.search(r"\(([\d.]+)/([\d.]+) GiB\)", message)
    free, total = (finite(found[1]), finite(found[2])) if found else (None, None)
    if not free or not total or free / total < 0.3:
        return None
    return _flags("--gpu-memory-utilization", f"{int(free / total * 100 - 1) / 100:.2f}")


def _split(message: str) -> Change | None:
    """The largest power of two that is no more than the GPUs there are."""
    there = _number(r"available \S*\s?(?:GPUs?|devices)\D{0,40}\((\d+)\)", message)
    if there is None or there < 1:
        return None
    return _flags("--tensor-parallel-size", str(1 << (int(there).bit_length() - 1)))


def _cache(message: str) -> Change | None:
    """Smaller batches; none where the memory share is too small for the weights alone."""
    if "Loaded weights leave no GPU memory" in message:
        return None
    return _flags("--max-num-batched-tokens", "2048", "--max-num-seqs", "128")


_MAKERS: dict[str, Callable[[str], Change | None]] = {
    "context_does_not_fit": _context,
    "context_over_model": _derived,
    "sampler_memory": _sampler,
    "gpu_busy": _share,
    "too_few_gpus": _split,
    "parallel_size": lambda _: _flags("--tensor-parallel-size", "1"),
    "no_kv_memory": _cache,
    "harmony_vocab": lambda _: _flags("--engine-version", CURRENT),
    "engine_too_old": lambda _: _flags("--engine-version", CURRENT),
    "sinks_unsupported": lambda _: _flags("--engine-version", CURRENT),
    "sinks_dtype": lambda _: _flags("--engine-version", CURRENT),
}
