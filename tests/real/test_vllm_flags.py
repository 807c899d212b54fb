"""Our vLLM flags against vLLM's real argument parser."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptoss_tui.domain.engines import engine_named
from gptoss_tui.domain.plan import recommend
from tests.real.parts import lab
from tests.unit.make import plan_gpu, request, spec

VLLM = engine_named("vllm")
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


def test_vllm_takes_every_flag_of_a_launch() -> None:
    folder = lab()
    python = folder / "vllm/bin/python" if folder else Path("/nonexistent")
    if not python.exists():
        pytest.skip("GPTOSS_TUI_LAB names no lab: make one by .ci/lab/vllm.sh DIR")
    lines = list(command_lines())
    done = subprocess.run(
        [str(python), "-c", READ], input=json.dumps(lines), capture_output=True, text=True,
        check=False, timeout=250, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    read = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"model"')]
    assert [one["model"] for one in read] == [line[0] for line in lines]
    assert {one["parser"] for one in read} == {"openai"}
    assert {one["drain"] for one in read} == {60}
    assert {one["context"] for one in read} == {8192, 32_768}
    assert [one["name"] is not None for one in read] == [False, True] * 3
