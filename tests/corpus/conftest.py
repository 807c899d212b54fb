"""Without a corpus there is nothing to run over."""

from __future__ import annotations

import pytest

from tests.corpus.support import ROOT, VARIABLE
from tests.require_real import REQUIRED


def pytest_ignore_collect() -> bool | None:
    # Where nothing may be skipped, a corpus that nobody named is no test that was skipped.
    return True if REQUIRED and ROOT is None else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ROOT is not None:
        return
    reason = f"set {VARIABLE} to the folder of real outputs to run over them"
    for item in items:
        if "tests/corpus/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=reason))
