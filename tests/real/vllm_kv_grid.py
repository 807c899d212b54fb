"""Run by the lab's own Python: vLLM's KV cache functions over a grid of flags, one JSON row a line.

vllm_kv_grid.py FOLDER writes the published shapes of both models there, as config.json, and asks
vLLM itself: blocks, tokens, concurrency, the bytes that one request needs, the longest context; and
where it would not start, the figures that its own error prints.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ |= {"VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}

GIB = 1024**3
SHAPES = {"20b": (24, 32), "120b": (36, 128)}
CONTEXTS = (2_048, 8_192, 16_000, 32_768, 131_072)
BATCHES = (1_024, 2_048, 8_192, 16_384)
MEMORY = (int(0.9 * GIB), 12_345_678_901, 58 * GIB)


def config_of(model: str) -> dict[str, Any]:
    """The published config.json, as far as it decides the cache."""
    layers, experts = SHAPES[model]
    return {
        "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "torch_dtype": "bfloat16",
        "num_hidden_layers": layers, "num_local_experts": experts, "num_experts_per_tok": 4,
        "hidden_size": 2880, "intermediate_size": 2880, "head_dim": 64, "vocab_size": 201_088,
        "num_attention_heads": 64, "num_key_value_heads": 8, "sliding_window": 128,
        "max_position_embeddings": 131_072, "attention_bias": True,
        "layer_types": ["sliding_attention", "full_attention"] * (layers // 2),
        "rope_theta": 150_000, "tie_word_embeddings": False,
    }  # fmt: skip


def engine_config(folder: Path, model: str) -> Any:
    from vllm.engine.arg_utils import EngineArgs

    home = folder / model
    home.mkdir(parents=True)
    (home / "config.json").write_text(json.dumps(config_of(model)))
    arguments = EngineArgs(
        model=str(home), load_format="dummy", skip_tokenizer_init=True, enforce_eager=True
    )
    config = arguments.create_engine_config()
    # What the engine core would settle with its workers: the CUDA backends' own layout.
    config.cache_config.kv_cache_layout = "LBNHC"
    return config


def specs_of(model: str, parallel: int, fp8: bool, block: int) -> dict[str, Any]:
    """What the attention layers of one rank tell the engine."""
    import torch
    from vllm.v1.kv_cache_interface import FullAttentionSpec, SlidingWindowSpec

    shape = {
        "block_size": block,
        "num_kv_heads": max(1, 8 // parallel),
        "head_size": 64,
        "dtype": torch.uint8 if fp8 else torch.bfloat16,
    }
    return {
        f"layer.{number}": FullAttentionSpec(**shape)
        if number % 2
        else SlidingWindowSpec(**shape, sliding_window=128)
        for number in range(SHAPES[model][0])
    }


def row(config: Any, specs: dict[str, Any], memory: int) -> dict[str, Any]:
    from vllm.v1.core import kv_cache_utils as own

    groups = own.get_kv_cache_groups(config, dict(specs))
    null = own._pool_bytes_per_block(config, groups)
    found: dict[str, Any] = {
        "needed": own._max_memory_usage_bytes_from_groups(config, groups),
        "block_bytes": null,
        "longest": own._estimate_max_model_len_from_groups(config, groups, memory - null),
    }
    try:
        [made] = own.get_kv_cache_configs(config, [dict(specs)], [memory])
    except ValueError as refusal:
        return found | printed(str(refusal))
    tokens, concurrency = own.get_kv_cache_capacity(config, made)
    return found | {"blocks": made.num_blocks, "tokens": tokens, "concurrency": concurrency}


def printed(refusal: str) -> dict[str, str]:
    """The GiB and the context of "To serve at least one request ...", as they stand there."""
    gib = re.findall(r"\(+([\d.]+) GiB", refusal)
    longest = re.search(r"maximum model length is (\d+)", refusal)
    assert len(gib) == 2, refusal
    return {
        "printed_needed": gib[0],
        "printed_available": gib[1],
        "printed_longest": longest[1] if longest else "0",
    }


def main(folder: Path) -> None:
    import vllm

    for model in SHAPES:
        config = engine_config(folder, model)
        grid = itertools.product(
            (1, 2, 4, 8), (False, True), (16, 64), (True, False), (True, False)
        )
        for parallel, fp8, block, overlapping, hybrid in grid:
            if not hybrid and (fp8 or block != 16):
                continue
            config.scheduler_config.disable_hybrid_kv_cache_manager = not hybrid
            config.parallel_config.tensor_parallel_size = parallel
            config.scheduler_config.async_scheduling = overlapping
            config.cache_config.block_size = block
            specs = specs_of(model, parallel, fp8, block)
            for context, batch, memory in itertools.product(CONTEXTS, BATCHES, MEMORY):
                config.model_config.max_model_len = context
                config.scheduler_config.max_num_batched_tokens = batch
                flags = {
                    "version": vllm.__version__.partition("+")[0], "model": model, "fp8": fp8,
                    "parallel": parallel, "block": block, "overlapping": overlapping, "hybrid": hybrid,
                    "context": context, "batch": batch, "memory": memory,
                }  # fmt: skip
                print(json.dumps(flags | row(config, specs, memory)), flush=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
