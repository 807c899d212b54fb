"""What a version of vLLM cannot do on a card, and what flags of the guide really do in it.

Sources: vLLM's source of the releases named; the messages are vLLM's own.
"""

from __future__ import annotations

from gptoss_tui.domain.plan.device import is_slice
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.plan.versions import Version, takes_kv_cache_bytes
from gptoss_tui.domain.plan.weights import Capability, capability

# From 0.20.0 a quantization flag is replaced by the checkpoint's own (override_quantization_method).
_OVERRIDES = (0, 20, 0)
# Until then engine/arg_utils.py asks the platform whether FlashAttention 3 takes fp8.
_FP8_CACHES = (0, 11, 0)
_WRONG_DTYPES = {
    "float16": "float16", "half": "float16", "float32": "float32", "float": "float32",
}  # fmt: skip
_OTHER_MAKERS = {"amd", "apple", "instinct", "radeon"}


def refusal(request: PlanRequest, version: Version) -> str | None:
    """Why the engine would not start with this, whatever the memory; None where it would.

    `request` has its batch and sequences filled in.
    """
    caps = [capability(gpu.compute_capability) for gpu in request.gpus]
    lowest = min((cap for cap in caps if cap is not None), default=None)
    return (
        other_makers(request)
        or _slices(request)
        or _card(lowest, request)
        or _cache(lowest, request, version)
        or _batch(request)
        or _flags(request, version)
    )


def other_makers(request: PlanRequest) -> str | None:
    """AMD's and Apple's cards run other kernels, of which nothing is known here."""
    for gpu in request.gpus:
        words = set(gpu.name.lower().replace("-", " ").split())
        if words & _OTHER_MAKERS:
            return f"This planner does not cover {gpu.name}: it knows NVIDIA's cards and Intel's."
    return None


def _slices(request: PlanRequest) -> str | None:
    size = request.tensor_parallel_size or 1
    if size > 1 and any(is_slice(gpu.name) for gpu in request.gpus[:size]):
        return "MIG slices cannot share a model: NCCL does not connect them. Take one slice."
    return None


def _card(lowest: Capability | None, request: PlanRequest) -> str | None:
    if lowest is None or lowest >= (8, 0):
        return None
    if request.checkpoint == "mxfp4":
        return (
            "vLLM's MXFP4 needs compute capability 8.0 or newer (Ampere): \"The quantization method "
            f'gpt_oss_mxfp4 is not supported for the current GPU", which has {_dotted(lowest)}.'
        )
    return f"vLLM's attention with sinks needs 8.0 or newer (Ampere), not {_dotted(lowest)}."


def _cache(lowest: Capability | None, request: PlanRequest, version: Version) -> str | None:
    """What of the KV cache's flags this release or this card does not take."""
    if request.kv_cache_memory_bytes is not None and not takes_kv_cache_bytes(version):
        return "vLLM 0.10.1 has no --kv-cache-memory-bytes: it came with 0.10.2."
    if lowest is None or not (request.kv_cache_dtype or "").startswith("fp8"):
        return None
    if version < _FP8_CACHES and not (lowest[0] == 9 or lowest == (10, 0)):
        return (
            "Up to 0.10.2 vLLM takes an fp8 KV cache on Hopper (9.0) and 10.0 only, not on "
            f"{_dotted(lowest)}: --kv-cache-dtype is refused."
        )
    if lowest < (8, 9):
        return (
            '"FP8 KV cache is not supported by the Triton attention backend" on compute capability '
            f"{_dotted(lowest)}: it needs 8.9 (Ada) or newer."
        )
    return None


def _batch(request: PlanRequest) -> str | None:
    """Every release refuses a batch below the sequences (config/scheduler.py)."""
    batched, seqs = request.max_num_batched_tokens, request.max_num_seqs
    if batched is None or seqs is None or batched >= seqs:
        return None
    return (
        f"--max-num-batched-tokens {batched} is less than --max-num-seqs {seqs}: vLLM refuses that, "
        "for every sequence takes one token of the batch."
    )


def _flags(request: PlanRequest, version: Version) -> str | None:
    if request.dtype in _WRONG_DTYPES and request.checkpoint == "mxfp4":
        return (
            f'"torch.{_WRONG_DTYPES[request.dtype]} is not supported for quantization method '
            'gpt_oss_mxfp4. Supported dtypes: [torch.bfloat16]": leave --dtype out.'
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
