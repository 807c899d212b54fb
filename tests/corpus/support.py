"""The corpus of real outputs: where it is, and its files by folder.

GPTOSS_TUI_CORPUS points at it. Without the variable these tests skip; with a wrong one they fail.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "GPTOSS_TUI_CORPUS"
ROOT = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def files(pattern: str) -> list[Path]:
    """The files of a pattern such as "a_dmon/*.txt"; none without a corpus."""
    return sorted(ROOT.glob(pattern)) if ROOT else []


def each(pattern: str, *without: str) -> pytest.MarkDecorator:
    """Parametrise `file` over the files of a pattern, but those whose names begin with `without`."""
    found = [file for file in files(pattern) if not file.name.startswith(without)]
    names = [file.name for file in found]
    # A name in place of an empty list, so that a wrong path fails and does not skip.
    return pytest.mark.parametrize("file", found or [Path(pattern)], ids=names or [pattern])


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
