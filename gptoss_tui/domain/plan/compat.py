"""What a version of vLLM cannot do on a card, and what flags of the guide really do in it.

Sources: vLLM's source of the releases named; the messages are vLLM's own.
"""

from __future__ import annotations

from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.weights import Capability, capability

# From 0.20.0 a quantization flag is replaced by the checkpoint's own (override_quantization_method).
_OVERRIDES = (0, 20, 0)


def refusal(request: PlanRequest, version: Version) -> str | None:
    """Why the engine would not start with this, whatever the memory; None where it would."""
    caps = [capability(gpu.compute_capability) for gpu in request.gpus]
    lowest = min((cap for cap in caps if cap is not None), default=None)
    return _card(lowest, request) or _flags(request, version)


def _card(lowest: Capability | None, request: PlanRequest) -> str | None:
    if lowest is None:
        return None
    if lowest < (8, 0) and request.checkpoint == "mxfp4":
        return (
            "vLLM's MXFP4 needs compute capability 8.0 or newer (Ampere): \"The quantization method "
            f'gpt_oss_mxfp4 is not supported for the current GPU", which has {_dotted(lowest)}.'
        )
    if lowest < (8, 0):
        return f"vLLM's attention with sinks needs 8.0 or newer (Ampere), not {_dotted(lowest)}."
    if (request.kv_cache_dtype or "").startswith("fp8") and lowest < (8, 9):
        return (
            '"FP8 KV cache is not supported by the Triton attention backend" on compute capability '
            f"{_dotted(lowest)}: it needs 8.9 (Ada) or newer."
        )
    return None


def _flags(request: PlanRequest, version: Version) -> str | None:
    if request.dtype in ("float16", "half") and request.checkpoint == "mxfp4":
        return (
            '"torch.float16 is not supported for quantization method gpt_oss_mxfp4. Supported '
            'dtypes: [torch.bfloat16]": leave --dtype out.'
        )
    foreign = request.quantization not in (None, "mxfp4", "gpt_oss_mxfp4")
    if foreign and request.checkpoint == "mxfp4" and version < _OVERRIDES:
        return (
            '"Quantization method specified in the model config (mxfp4) does not match the '
            f'quantization method specified in the `quantization` argument ({request.quantization})"'
            ": leave --quantization out."
        )
    return None


def notes(request: PlanRequest, version: Version) -> list[str]:
    """What flags that change nothing really do, for users who read that they would."""
    found: list[str] = []
    if request.checkpoint == "bf16":
        found.append(
            "OpenAI publishes no BF16 checkpoint: this is a third party's, dequantized from MXFP4, "
            "with three times the memory and no quality to gain."
        )
        return found
    if request.quantization in ("mxfp4", "gpt_oss_mxfp4"):
        found.append("--quantization mxfp4 is not needed: the checkpoint says so itself.")
    elif request.quantization is not None and version >= _OVERRIDES:
        found.append(
            f"--quantization {request.quantization} changes nothing: from 0.20 vLLM silently takes "
            "gpt_oss_mxfp4 instead, with the same memory."
        )
    if request.dtype in ("bfloat16", "auto"):
        found.append(
            f"--dtype {request.dtype} changes nothing: it is the type of the activations, and the "
            "experts stay in MXFP4."
        )
    return found


def _dotted(cap: Capability) -> str:
    return f"{cap[0]}.{cap[1]}"
