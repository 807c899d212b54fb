"""Our SGLang flags against SGLang's real argument parser, from the package index.

`python -m tests.checks.sglang_flags [VERSION]`: downloads the package without what it depends on
(40 MB), lets its own `ServerArgs.add_cli_args` build the parser, and reads with it the command line
of a launch of each kind. What the package imports and is not installed here (torch, CUDA's kernels)
is replaced by empty stand-ins: the parser needs none of it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.machinery
import subprocess
import sys
import tempfile
import zipfile
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gptoss_tui.domain.engines import engine_named
from gptoss_tui.domain.plan import DEFAULT_VERSIONS, plan
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


class _Kind(ABCMeta):
    """A class that has every attribute, can be a base, a decorator, a number or a type argument."""

    def __getattr__(cls, name: str) -> object:
        if name.endswith("_validators__"):
            return []
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)

    def __call__(cls, *args: object, **named: object) -> object:
        if "_stands_in" not in cls.__dict__:
            return super().__call__(*args, **named)
        return args[0] if len(args) == 1 and callable(args[0]) and not named else cls

    def __getitem__(cls, key: object) -> object:
        return cls

    def __iter__(cls) -> Iterator[object]:
        return iter(())

    def __or__(cls, other: object) -> Any:
        return cls

    def __ror__(cls, other: object) -> Any:
        return cls

    def __int__(cls) -> int:
        return 0

    def __lt__(cls, other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


def _stand_in(name: str) -> _Kind:
    return _Kind(name, (), {"_stands_in": True})


class _Module(ModuleType):
    """A package in which everything is a stand-in."""

    __version__ = "99.0"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules for all that is not here, besides SGLang itself."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] == "sglang":
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def parser_of(version: str, folder: Path) -> argparse.ArgumentParser:
    """The parser of that release."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, "--only-binary", ":all:", f"sglang=={version}"], check=True)
    (wheel,) = folder.glob("sglang-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / version)
    sys.path.insert(0, str(folder / version))
    sys.meta_path.append(_StandIns())
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
