"""From the flags of a vLLM server back to the plan's request that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan import MODELS, PlanRequest
from gptoss_tui.errors import UsageError

_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--max-model-len": ("max_model_len", int),
    "--max-num-seqs": ("max_num_seqs", int),
    "--max-num-batched-tokens": ("max_num_batched_tokens", int),
    "--gpu-memory-utilization": ("gpu_memory_utilization", float),
    "--tensor-parallel-size": ("tensor_parallel_size", int),
    "--kv-cache-dtype": ("kv_cache_dtype", str),
    "--kv-cache-memory-bytes": ("kv_cache_memory_bytes", int),
    "--block-size": ("block_size", int),
    "--quantization": ("quantization", str),
    "--dtype": ("dtype", str),
}
_SWITCHES: dict[str, tuple[str, bool]] = {
    "--enforce-eager": ("enforce_eager", True),
    "--async-scheduling": ("async_scheduling", True),
    "--no-async-scheduling": ("async_scheduling", False),
    "--disable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", True),
}
# A plan gives these by the version, whatever stood there before.
_BY_VERSION = ("--shutdown-timeout", "--tool-call-parser", "--enable-auto-tool-choice")


def asked_for(old: LaunchSpec) -> PlanRequest:
    """The plan's request that the flags of a vLLM server come from. Raises `UsageError`."""
    fields: dict[str, Any] = {}
    for flag, value in flags_of(old.arguments):
        if flag in _BY_VERSION:
            continue
        try:
            if flag in _SWITCHES and value is None:
                name, on = _SWITCHES[flag]
                fields[name] = on
            else:
                name, read = _VALUES[flag]
                fields[name] = read(value or "")
        except (KeyError, ValueError):
            said = " ".join((flag, value or "")).strip()
            raise UsageError(
                f"The flag {said} of {old.name} cannot be planned anew.",
                "Stop it and launch the new version.",
            ) from None
    bf16 = next((one.key for one in MODELS.values() if one.bf16_name == old.model), None)
    return PlanRequest(
        model=bf16 or old.model,
        checkpoint="bf16" if bf16 else "mxfp4",
        gpus=(),
        engine=old.engine,
        engine_version=old.engine_version,
        **fields,
    )


def flags_of(arguments: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """Each flag with its value, in both forms ("--flag value" and "--flag=value")."""
    words = list(arguments)
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if equals:
            yield flag, value
        else:
            yield flag, words.pop(0) if words and not words[0].startswith("--") else None
