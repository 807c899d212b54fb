"""What boxes have shown: GiB of KV cache more or less than planned, how fast they generate and start.

For each box and key (`domain/plan/predict.py`: the release, the cards, and the flags that memory
depends on) the newest difference counts, and the highest speed. For each box and `start_key` (the
release, the model and the cards) what the phases of its last start took counts, and for each box
how fast it unpacked its last image.

A name may get another machine behind it. Its GPUs (UUIDs) tell: what was kept of others is forgotten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.errors import StateError
from gptoss_tui.state import files

VERSION = 1
_KV, _SPEED, _START = "kv_cache_gib", "tokens_per_s", "start_s"
_IMAGES, _UNPACK = "images", "unpack_bytes_per_s"
_MACHINES, _GPUS = "machines", "gpus"


def corrections(path: Path, box: str) -> tuple[tuple[str, float], ...]:
    """The differences of a box by key, in GiB. Raises `StateError`."""
    mine = _tables(path)[_KV].get(box, {})
    with _readable(path):
        return tuple((str(key), float(value)) for key, value in mine.items())


def speeds(path: Path, box: str) -> tuple[tuple[str, float, float], ...]:
    """By key, the most tokens/s of a server of a box, and the requests that ran then.

    Raises `StateError`.
    """
    mine = _tables(path)[_SPEED].get(box, {})
    with _readable(path):
        return tuple((str(key), float(rate), float(ran)) for key, (rate, ran) in mine.items())


def remember(path: Path, box: str, key: str, difference_gib: float) -> None:
    """Keep the newest difference. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        tables[_KV].setdefault(box, {})[key] = round(difference_gib, 3)
        files.write_versioned(path, VERSION, tables)


def remember_speed(path: Path, box: str, key: str, tokens_per_s: float, requests: float) -> None:
    """Keep the highest speed. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        mine = tables[_SPEED].setdefault(box, {})
        with _readable(path):
            if tokens_per_s <= float(mine.get(key, (0.0,))[0]):
                return
        mine[key] = [round(tokens_per_s, 1), round(requests, 1)]
        files.write_versioned(path, VERSION, tables)


def remember_start(path: Path, box: str, key: str, phases_s: dict[str, float]) -> None:
    """Keep what the phases of this start took, in seconds. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        tables[_START].setdefault(box, {})[key] = phases_s
        files.write_versioned(path, VERSION, tables)


def remember_unpacking(path: Path, box: str, bytes_per_s: float) -> None:
    """Keep how fast the newest image was unpacked. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        tables[_IMAGES].setdefault(box, {})[_UNPACK] = round(bytes_per_s)
        files.write_versioned(path, VERSION, tables)


def remember_machine(path: Path, box: str, gpus: frozenset[str]) -> None:
    """Keep on which GPUs that was measured. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        if _gpus(tables, box) != gpus:
            tables[_MACHINES][box] = {_GPUS: sorted(gpus)}
            files.write_versioned(path, VERSION, tables)


def forget_others(path: Path, box: str, gpus: frozenset[str]) -> None:
    """Forget what the box has shown, where it had none of these GPUs then. Raises `StateError`."""
    known = _gpus(_tables(path), box)
    if not known or known & gpus:
        return
    with files.locked(path):
        tables = _tables(path)
        for mine in tables.values():
            mine.pop(box, None)
        files.write_versioned(path, VERSION, tables)


def _gpus(tables: dict[str, dict[str, dict[str, Any]]], box: str) -> frozenset[str]:
    return frozenset(map(str, tables[_MACHINES].get(box, {}).get(_GPUS, ())))


def recalled(path: Path, box: str, spec: LaunchSpec) -> LaunchSpec:
    """`spec` with what this box needed for an image and such a start the last time.

    Raises `StateError`.
    """
    if spec.planned is None:
        return spec
    tables = _tables(path)
    mine = tables[_START].get(box, {}).get(spec.planned.start_key, {})
    unpacked = tables[_IMAGES].get(box, {}).get(_UNPACK)
    with _readable(path):
        planned = msgspec.structs.replace(
            spec.planned,
            phases_s=tuple((str(name), float(took)) for name, took in mine.items()),
            unpack_bytes_per_s=None if unpacked is None else float(unpacked),
        )
    return msgspec.structs.replace(spec, planned=planned)


def _tables(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """All tables: what is measured, by box and key."""
    table = files.read_versioned(path, VERSION)
    with _readable(path):
        return {
            name: {str(box): dict(mine) for box, mine in table.get(name, {}).items()}
            for name in (_KV, _SPEED, _START, _IMAGES, _MACHINES)
        }


class _readable:
    """Turns what a hand-made file can hold into a sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None and issubclass(kind, (AttributeError, TypeError, ValueError)):
            raise StateError(f"{self._path}: {error}.", "Mend or remove the file.") from None
