"""The log lines by which a vLLM launch says that it has failed, with cause and next step.

Collected from vLLM's source (0.10.1 to 0.33) and from public issue threads; the first match wins,
so the causes stand before the generic last words.
"""

from __future__ import annotations

import re

from gptoss_tui.domain.engines.base import PhaseMark

_TABLE: tuple[tuple[str, str, str], ...] = (
    (
        r"To serve at least one request with the model'?s'? max(?:imum)? seq",
        "The context does not fit: one request of it needs more KV cache than is left.",
        "Lower --max-model-len, or raise --gpu-memory-utilization.",
    ),
    (
        r"max seq len \(\d+\) is larger than the maximum number of tokens",
        "The context does not fit into the KV cache.",
        "Lower --max-model-len, or raise --gpu-memory-utilization.",
    ),
    (
        r"No available memory for the cache blocks",
        "Weights and activation leave no memory for the KV cache.",
        "Raise --gpu-memory-utilization, lower --max-num-batched-tokens and --max-num-seqs, "
        "or use more GPUs.",
    ),
    (
        r"CUDA out of memory occurred when warming up sampler",
        "Memory ran out in the sampler's warm-up, which is outside the budget.",
        "Lower --max-num-seqs or --gpu-memory-utilization.",
    ),
    (
        r"Free memory on device .* is less than desired GPU memory utilization",
        "Something else holds memory on the GPU.",
        "End that process, choose another GPU, or lower --gpu-memory-utilization.",
    ),
    (
        r"Failed to load model - not enough GPU memory|torch\.(?:cuda\.)?OutOfMemoryError|"
        r"CUDA out of memory",
        "The GPU's memory ran out.",
        "Use a larger card, more GPUs, or lower --max-num-batched-tokens and --max-num-seqs.",
    ),
    (
        r"NVIDIA driver on your system is too old|unsupported toolchain|"
        r"unsatisfied condition: cuda",
        "The NVIDIA driver is too old for this image.",
        "Use an image tag that ends in -cu129, or update the driver (580 or newer for CUDA 13).",
    ),
    (
        r"quantization method \S+ is not supported for the current GPU",
        "This GPU is too old for MXFP4: vLLM needs compute capability 8.0 or newer.",
        "Use an Ampere card or newer, or Ollama on this one.",
    ),
    (
        r"Quantization method specified in the model config",
        "--quantization contradicts the checkpoint, which is MXFP4 already.",
        "Leave --quantization out.",
    ),
    (
        r"is not supported for quantization method gpt_oss_mxfp4",
        "MXFP4 takes bfloat16 only.",
        "Leave --dtype out.",
    ),
    (
        r"FP8 KV cache is not supported by",
        "This GPU's attention kernels cannot use an fp8 KV cache.",
        "Leave --kv-cache-dtype out.",
    ),
    (
        r"Sinks are only supported in FlashAttention 3",
        "This image's attention kernels cannot run gpt-oss on this GPU.",
        "Use a newer image.",
    ),
    (
        r"Sinks must be of type float32",
        "This early image does not run gpt-oss on Blackwell.",
        "Use a newer image.",
    ),
    (
        r"HarmonyError: error downloading or loading vocab file",
        "vLLM could not download the Harmony vocabulary (releases up to 0.30 fetch it).",
        "Use 0.31 or newer, or let the box reach the internet.",
    ),
    (
        r"Driver/library version mismatch",
        "The driver was updated, but the old kernel module is still loaded.",
        "Reboot the box.",
    ),
    (
        r"Insufficient space in /dev/shm|No space left on device.*shm",
        "The container's shared memory is too small.",
        "Raise --shm-size.",
    ),
    (
        r"No space left on device",
        "The box's disk is full.",
        "Free some space, then launch again.",
    ),
    (
        r"(?:401|403) Client Error.*huggingface|GatedRepoError|RepositoryNotFoundError",
        "Hugging Face refused the download.",
        "gpt-oss needs no token: take a stale one away, or give a valid one.",
    ),
    (
        r"429 Client Error: Too Many Requests",
        "Hugging Face refuses more downloads for now.",
        "Wait, or give an HF token.",
    ),
    (
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|Failed to establish a new connection.*hugging"
        r"|Cannot reach .*huggingface",
        "The box cannot reach Hugging Face, and the weights are not in its cache.",
        "Let it reach huggingface.co, or copy the weights into the cache.",
    ),
    (
        r"unrecognized arguments:|error: argument --",
        "This vLLM does not know one of the arguments.",
        "Check the arguments against this version (vllm serve --help).",
    ),
    (
        r"\[Errno 98\].*address already in use",
        "The port inside the container is taken.",
        "With host networking, choose another port.",
    ),
)
_FATAL = tuple((re.compile(pattern), sentence, step) for pattern, sentence, step in _TABLE)
_QUICK = re.compile(
    r"[Ee]rror|memory|max seq|not supported|too old|does not match|Sinks|mismatch|shm|space left|"
    r"unsatisfied|toolchain|unrecognized|quantization",
)


def fatal_mark(line: str) -> PhaseMark | None:
    """The failure that a line tells, or None."""
    if not _QUICK.search(line):
        return None
    for pattern, sentence, step in _FATAL:
        if pattern.search(line):
            return PhaseMark(fatal=sentence, next_step=step, detail=line.strip()[:400])
    return None
