"""Our vLLM flags against vLLM's real argument parser."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.replan import asked_for
from tests.real.parts import lab
from tests.unit.make import plan_gpu, request, spec

VLLM = engine_named("vllm")
MODEL = "openai/gpt-oss-20b"
# Reads argument lists (JSON) from standard input, and prints what vLLM makes of them.
READ = """\
import json, sys
try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:
    from vllm.utils import FlexibleArgumentParser
from vllm.entrypoints.cli.serve import ServeSubcommand
for words in json.load(sys.stdin):
    parser = FlexibleArgumentParser()
    ServeSubcommand().subparser_init(parser.add_subparsers(dest="subparser"))
    read = parser.parse_args(["serve", *words])
    print(json.dumps({
        "model": read.model_tag, "context": read.max_model_len, "parser": read.tool_call_parser,
        "drain": read.shutdown_timeout, "name": read.served_model_name,
        "asked": {name: getattr(read, name) for name in (
            "max_model_len", "max_num_seqs", "max_num_batched_tokens", "kv_cache_memory_bytes",
            "tensor_parallel_size", "quantization", "async_scheduling", "enforce_eager",
            "kv_cache_dtype", "gpu_memory_utilization",
        )},
    }))
"""
A_LOT = {
    "max_model_len": 32_768, "users": 16, "tensor_parallel_size": 2, "kv_cache_dtype": "fp8",
    "block_size": 32, "async_scheduling": False, "disable_hybrid_kv_cache_manager": True,
    "enforce_eager": True, "kv_cache_memory_bytes": 8 * 1024**3,
}  # fmt: skip


def command_lines() -> Iterator[tuple[str, ...]]:
    for changes in ({"max_model_len": 8192}, A_LOT, {"max_model_len": 8192, "checkpoint": "bf16"}):
        made = recommend(request(gpus=(plan_gpu(),) * 2, **changes))
        for folder in (None, "/data/weights"):
            yield VLLM.container_command(
                spec(
                    model=made.command[0], served_name=made.command[0],
                    arguments=made.command[1:], weights_dir=folder,
                )
            )  # fmt: skip


# What people write: all that vLLM takes for the same, `k` and `K`, the last of several.
AS_WRITTEN: tuple[tuple[str, ...], ...] = (
    ("--max-model-len=32k", "--max-num-batched-tokens", "8K", "--kv-cache-memory-bytes=5G"),
    ("--max_model_len", "25.6k", "--max_num_seqs=9", "--max-num-seqs", "12", "--enforce-eager"),
    ("--max-model-len", "auto", "-tp", "2", "-q=mxfp4", "--no-async-scheduling"),
    ("--max-model-len", "-1", "-tp=4", "-qmxfp4", "--async-scheduling", "--no-enforce-eager"),
    ("--max-model-len", "1M", "--async-scheduling", "--no-async-scheduling",
     "--gpu-memory-utilization", ".5", "--kv-cache-dtype=fp8", "--kv-cache-memory-bytes", "5g"),
)  # fmt: skip


def read_by_vllm(lines: list[tuple[str, ...]]) -> list[dict[str, Any]]:
    """What vLLM's own parser makes of command lines; skips where there is no vLLM."""
    folder = lab()
    python = folder / "vllm/bin/python" if folder else Path("/nonexistent")
    if not python.exists():
        pytest.skip("GPTOSS_TUI_LAB names no lab: make one by .ci/lab/vllm.sh DIR")
    done = subprocess.run(
        [str(python), "-c", READ], input=json.dumps(lines), capture_output=True, text=True,
        check=False, timeout=250, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"model"')]


def test_flags_are_read_back_as_vllm_reads_them() -> None:
    read = read_by_vllm([(MODEL, *flags) for flags in AS_WRITTEN])
    assert len(read) == len(AS_WRITTEN)
    for flags, theirs in zip(AS_WRITTEN, read, strict=True):
        ours = asked_for(spec(arguments=flags))
        named = {name: getattr(ours, name) for name in theirs["asked"]}
        # What the flags leave open has vLLM's own default there, and none here.
        given = {name: value for name, value in named.items() if value is not None}
        assert given == {name: theirs["asked"][name] for name in given}, flags


def test_vllm_takes_every_flag_of_a_launch() -> None:
    lines = list(command_lines())
    read = read_by_vllm(lines)
    assert [one["model"] for one in read] == [line[0] for line in lines]
    assert {one["parser"] for one in read} == {"openai"}
    assert {one["drain"] for one in read} == {60}
    assert {one["context"] for one in read} == {8192, 32_768}
    assert [one["name"] is not None for one in read] == [False, True] * 3
