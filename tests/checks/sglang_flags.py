"""Our SGLang flags against SGLang's real argument parser, from the package index.

`python -m tests.checks.sglang_flags [VERSION]`: downloads the package without what it depends on
(40 MB), lets its own `ServerArgs.add_cli_args` build the parser, and reads with it the command line
of a launch of each kind. What the package imports and is not installed here (torch, CUDA's kernels)
is replaced by empty stand-ins: the parser needs none of it.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from tests.checks.sglang_stand_ins import StandIns
from tests.unit.make import request, spec

SGLANG = engine_named("sglang")


def command_lines(version: str) -> Iterator[tuple[str, ...]]:
    """What is started, with each flag that a launch can have."""
    for changes in (
        {"max_model_len": 8192},
        {"max_model_len": 32_768, "count": 2, "tensor_parallel_size": 2, "max_num_seqs": 64},
        {"max_model_len": 8192, "kv_cache_dtype": "fp8", "gpu_memory_utilization": 0.8},
        {"max_model_len": 8192, "checkpoint": "bf16"},
    ):
        made = plan(request(engine="sglang", engine_version=version, **changes))
        for folder in (None, "/data/weights"):
            yield SGLANG.container_command(
                spec(
                    engine="sglang", model=made.command[0], served_name=made.command[0],
                    arguments=made.command[1:], weights_dir=folder,
                )
            )  # fmt: skip


def parser_of(version: str, folder: Path) -> argparse.ArgumentParser:
    """The parser of that release."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, "--only-binary", ":all:", f"sglang=={version}"], check=True)
    (wheel,) = folder.glob("sglang-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / version)
    sys.path.insert(0, str(folder / version))
    sys.meta_path.append(StandIns())
    module = importlib.import_module("sglang.srt.server_args")
    parser = argparse.ArgumentParser(prog="sglang serve")
    module.ServerArgs.add_cli_args(parser)
    return parser


def check(version: str) -> None:
    """Ends with argparse's own message where a flag is not known, or takes no such value."""
    with tempfile.TemporaryDirectory() as folder:
        parser = parser_of(version, Path(folder))
    for program, serve, model, *flags in command_lines(version):
        assert (program, serve) == ("sglang", "serve")
        read = parser.parse_args(["--model-path", model, *flags, "--api-key=x"])
        assert (read.host, read.port, read.api_key) == ("0.0.0.0", SGLANG.container_port, "x")
        assert read.enable_metrics
        print(f"sglang {version}: {model} {' '.join(flags)}")


if __name__ == "__main__":
    check(*(sys.argv[1:2] or [DEFAULT_VERSIONS["sglang"]]))
