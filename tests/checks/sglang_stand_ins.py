"""Empty packages in place of those that SGLang imports and never uses where there is no GPU.

It imports nothing but the standard library: `sglang_server` copies it into SGLang's own environment.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any


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


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules for `packages` that are not installed; without any, for all but SGLang."""

    def __init__(self, *packages: str) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = name.partition(".")[0]
        if package == "sglang" or (self._packages and package not in self._packages):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
