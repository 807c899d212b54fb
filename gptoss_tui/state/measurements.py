"""What boxes have shown of the planner's estimates: GiB of KV cache more or less than planned.

One number for each box and key (`domain/plan/predict.py`: the release, the cards, and the flags that
memory depends on); the newest one counts.
"""

from __future__ import annotations

from pathlib import Path

from gptoss_tui.errors import StateError
from gptoss_tui.state import files

VERSION = 1


def corrections(path: Path, box: str) -> tuple[tuple[str, float], ...]:
    """The differences of a box by key, in GiB. Raises `StateError`."""
    mine = _tables(path).get(box, {})
    return tuple((key, value) for key, value in mine.items())


def remember(path: Path, box: str, key: str, difference_gib: float) -> None:
    """Keep the newest difference. Raises `StateError`."""
    with files.locked(path):
        tables = _tables(path)
        tables.setdefault(box, {})[key] = round(difference_gib, 3)
        files.write_versioned(path, VERSION, {"kv_cache_gib": tables})


def _tables(path: Path) -> dict[str, dict[str, float]]:
    table = files.read_versioned(path, VERSION).get("kv_cache_gib", {})
    try:
        return {
            str(box): {str(key): float(value) for key, value in differences.items()}
            for box, differences in table.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise StateError(f"{path}: {error}.", "Mend or remove the file.") from error
