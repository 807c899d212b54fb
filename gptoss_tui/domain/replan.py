"""From the flags of a vLLM server back to the plan's request that they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gptoss_tui.domain.engines.flags import Flag, flags_of, human_int, human_int_or_auto
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.models import MODELS
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.errors import UsageError

_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--max-model-len": ("max_model_len", human_int_or_auto),
    "--max-num-seqs": ("max_num_seqs", int),
    "--max-num-batched-tokens": ("max_num_batched_tokens", human_int),
    "--gpu-memory-utilization": ("gpu_memory_utilization", float),
    "--tensor-parallel-size": ("tensor_parallel_size", int),
    "--kv-cache-dtype": ("kv_cache_dtype", str),
    "--kv-cache-memory-bytes": ("kv_cache_memory_bytes", human_int),
    "--block-size": ("block_size", int),
    "--quantization": ("quantization", str),
    "--dtype": ("dtype", str),
}
_SWITCHES = {
    "--enforce-eager": "enforce_eager",
    "--async-scheduling": "async_scheduling",
    "--disable-hybrid-kv-cache-manager": "disable_hybrid_kv_cache_manager",
}
# A plan gives these by the version, whatever stood there before.
_BY_VERSION = ("--shutdown-timeout", "--tool-call-parser", "--enable-auto-tool-choice")


def asked_for(old: LaunchSpec) -> PlanRequest:
    """The plan's request that the flags of a vLLM server come from. Raises `UsageError`."""
    fields: dict[str, Any] = {}
    for flag in flags_of(old.arguments).values():
        if flag.name in _BY_VERSION:
            continue
        try:
            name, value = _field(flag)
        except (KeyError, ValueError):
            raise UsageError(
                f"The flag {flag} of {old.name} cannot be planned anew.",
                "Stop it and launch the new version.",
            ) from None
        fields[name] = value
    bf16 = next((one.key for one in MODELS.values() if one.bf16_name == old.model), None)
    return PlanRequest(
        model=bf16 or old.model,
        checkpoint="bf16" if bf16 else "mxfp4",
        gpus=(),
        engine=old.engine,
        engine_version=old.engine_version,
        **fields,
    )


def _field(flag: Flag) -> tuple[str, Any]:
    """The request's field and its value. Raises `KeyError` and `ValueError` for what is none."""
    if flag.name in _SWITCHES and not flag.values:
        return _SWITCHES[flag.name], not flag.off
    name, read = _VALUES[flag.name]
    if len(flag.values) != 1:
        raise ValueError(flag.values)
    return name, read(flag.values[0])
