"""Which releases serve GPT-OSS, which of them are known here, and what changes with vLLM's.

Sources: vLLM's source of the releases named beside each. The first release of SGLang:
https://github.com/sgl-project/sglang/issues/8833; of Ollama:
https://github.com/ollama/ollama/issues/11675.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS, DEFAULT_VLLM_VERSION
from gptoss_tui.domain.plan.wrong import PlanInputError

Version = tuple[int, int, int]


class _Engine(NamedTuple):
    """Its title, its first release with GPT-OSS, the newest whose flags, memory and log are known.

    A newest of two numbers stands for all releases that begin with them.
    """

    title: str
    first: str
    newest: str


_ENGINES = {
    "vllm": _Engine("vLLM", "0.10.1", "0.33"),
    "sglang": _Engine("SGLang", "0.5.0", DEFAULT_VERSIONS["sglang"]),
    "ollama": _Engine("Ollama", "0.11.0", DEFAULT_VERSIONS["ollama"]),
}
# "0.32.0", with what releases and image tags carry behind it: rc1, .post1, .dev5, +gptoss, -cu129.
_TEXT = re.compile(
    r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:(?:a|b|rc)\d+)?(?:\.(?:post|dev)\d+)*(?:[+-][\w.-]+)?"
)
_GIB = 1024**3


def parse(text: str, engine: str = "vllm") -> Version:
    """ "0.25.1", "v0.25.1" or "0.25". Raises `PlanInputError`, also for what cannot serve GPT-OSS."""
    known = _ENGINES[engine]
    version = number(text, known.title)
    if version < number(known.first, known.title):
        raise PlanInputError(
            f"{known.title} {text} cannot serve GPT-OSS.",
            f"{known.first} is the first release that can.",
        )
    return version


def beyond(text: str, engine: str) -> str:
    """A warning where this release came after all that are known here; else nothing.

    Raises `PlanInputError` for what is no version.
    """
    known = _ENGINES[engine]
    told = known.newest.count(".") + 1
    if number(text, known.title)[:told] <= number(known.newest, known.title)[:told]:
        return ""
    return (
        f"{known.title} {text} is newer than any version this tool knows ({known.newest}): its "
        "flags, memory and log phases may differ."
    )


def number(text: str, engine: str) -> Version:
    """The three numbers of any engine's version. Raises `PlanInputError`."""
    match = _TEXT.fullmatch(text)
    if not match:
        example = DEFAULT_VERSIONS.get(engine.lower(), DEFAULT_VLLM_VERSION)
        raise PlanInputError(f"{text!r} is no {engine} version.", f"Write it as {example}.")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def default_utilization(version: Version) -> float:
    """0.90 up to 0.19, 0.92 from 0.20.0 (config/cache.py)."""
    return 0.92 if version >= (0, 20, 0) else 0.90


def default_batching(version: Version, memory_bytes: int, name: str) -> tuple[int, int]:
    """`(max_num_batched_tokens, max_num_seqs)` of `vllm serve` (engine/arg_utils.py).

    From 70 GiB (and no A100) 8192 and 1024; from 0.28 and 160 GiB 16384 and 1024; else 2048, 256.
    """
    gib = memory_bytes / _GIB
    if gib < 70 or "a100" in name.lower() or (version >= (0, 33, 0) and "gb10" in name.lower()):
        return 2048, 256
    if version >= (0, 28, 0) and gib >= 160:
        return 16384, 1024
    return 8192, 1024


def caps_default_batch(version: Version) -> bool:
    """From 0.11.1 the default batch is at most sequences times context (engine/arg_utils.py).

    Read in 0.11.0, which does not, and in 0.11.2, which does.
    """
    return version >= (0, 11, 1)


def takes_kv_cache_bytes(version: Version) -> bool:
    """`--kv-cache-memory-bytes` exists from 0.10.2 (engine/arg_utils.py)."""
    return version >= (0, 10, 2)


def second_runner(version: Version) -> bool:
    """From 0.29 GPT-OSS runs in the second model runner (config/vllm.py, v1/worker/gpu/)."""
    return version >= (0, 29, 0)


def subtracts_graphs(version: Version, *, eager: bool) -> bool:
    """From 0.20.0 the estimated CUDA graphs come out of the KV pool (v1/worker/gpu_worker.py)."""
    return version >= (0, 20, 0) and not eager


def concurrent_batches(version: Version, async_scheduling: bool | None = None) -> int:
    """Batches charged to the sliding window: from 0.26 two while scheduling is asynchronous.

    Asynchronous scheduling is the default there; before 0.26 one batch is charged in any case.
    """
    return 2 if version >= (0, 26, 0) and async_scheduling is not False else 1


def has_null_block(version: Version) -> bool:
    """From 0.29.0 the start-up check asks for one block more."""
    return version >= (0, 29, 0)


def reports_request_tokens(version: Version) -> bool:
    """From 0.21 "GPU KV cache size" is concurrency times context; before it was half the blocks."""
    return version >= (0, 21, 0)


def has_shutdown_timeout(version: Version) -> bool:
    """`--shutdown-timeout` exists from 0.18.0; without it SIGTERM aborts running requests."""
    return version >= (0, 18, 0)
