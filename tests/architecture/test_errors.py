"""The tree of errors: distinct codes, the documented exit codes, no terminal escape in a sentence."""

from __future__ import annotations

import inspect
import re

import pytest

from gptoss_tui import errors
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.errors import EngineError, GptossError, HostKeyError

CLASSES: list[type[GptossError]] = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GptossError)
]


def _documented() -> dict[str, int]:
    """The exit codes in the module's own docstring, inherited along the drawn tree."""
    found: dict[str, int] = {}
    parent = 0
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│ ]*)[├└]── (\w+)(.*)$", line)
        if not match:
            continue
        told = re.search(r"exit (\d+)", match[3])
        if told:
            parent = int(told[1])
        found[match[2]] = int(told[1]) if told else parent
    return found


def test_codes_are_distinct() -> None:
    every: list[type[GptossError]] = [*CLASSES, PlanInputError]
    codes = [kind.code for kind in every]
    assert len(set(codes)) == len(codes) == len(CLASSES) + 1
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_exit_codes_are_the_documented_ones() -> None:
    documented = _documented()
    assert set(documented) == {kind.__name__ for kind in CLASSES} - {"GptossError"}
    assert {kind.__name__: kind.exit_code for kind in CLASSES if kind is not GptossError} == (
        documented
    )
    assert PlanInputError.exit_code == errors.UsageError.exit_code == 2


def _make(kind: type[GptossError], message: str, step: str) -> GptossError:
    if issubclass(kind, HostKeyError):
        return kind(message, step, host="h", port=22, fingerprint="SHA256:x", key="h k\n")
    return kind(message, step)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_error_carries_an_escape(kind: type[GptossError]) -> None:
    error = _make(kind, "bad\x1b]52;c;eA==\x07 word\x1b[31m", "do \u202ethis\x00")
    assert error.message == "bad word"
    assert error.next_step == "do this"
    assert str(error) == "bad word do this"
    assert error.as_dict() | {"code": kind.code, "message": "bad word"} == error.as_dict()


def test_more_is_told_where_scripts_need_it() -> None:
    assert EngineError("no", status=503).as_dict()["status"] == 503
    assert EngineError("no").as_dict()["status"] is None
    key = _make(errors.ChangedHostKeyError, "changed", "").as_dict()
    assert (key["host"], key["port"], key["fingerprint"]) == ("h", 22, "SHA256:x")
