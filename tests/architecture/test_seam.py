"""Every call of the seam says whether it observes or changes, in every implementation alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import pytest

from gptoss_tui.errors import ReadOnlyError
from gptoss_tui.remote.box import Box, effect_of
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.readonly import read_only

CHANGES = {
    "launch", "cancel", "stop", "drain", "restart", "chat", "forward", "repair", "load_image",
}  # fmt: skip
UNMARKED = {"aclose"}  # closing our own side is neither


def _public(kind: type) -> dict[str, Callable[..., Any]]:
    return {
        name: member
        for name, member in vars(kind).items()
        if not name.startswith("_") and inspect.isfunction(member)
    }


def test_every_call_of_the_seam_is_marked() -> None:
    marks = {name: effect_of(call) for name, call in _public(Box).items()}
    assert {name for name, mark in marks.items() if mark is None} == UNMARKED
    assert {name for name, mark in marks.items() if mark == "changes"} == CHANGES
    assert {name for name, mark in marks.items() if mark == "observes"} >= {"look", "gpus", "logs"}


@pytest.mark.parametrize("implementation", [HostBox])
def test_an_implementation_carries_the_marks_and_signatures_of_the_seam(
    implementation: type,
) -> None:
    own = _public(implementation)
    for name, call in _public(Box).items():
        assert effect_of(own[name]) == effect_of(call), name
        wanted = list(inspect.signature(call).parameters.values())
        there = list(inspect.signature(own[name]).parameters.values())
        assert [(p.name, p.kind, p.default) for p in there] == [
            (p.name, p.kind, p.default) for p in wanted
        ], name
    assert set(own) <= set(_public(Box)), "a public call that is not part of the seam"


class _Spy:
    """Stands for a box: notes which calls reach it."""

    name = "spy"

    def __init__(self) -> None:
        self.reached: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: self.reached.append(name)


def test_read_only_refuses_exactly_the_changes() -> None:
    spy = _Spy()
    box = read_only(cast("Box", spy))
    for name in CHANGES:
        with pytest.raises(ReadOnlyError, match=name) as refusal:
            getattr(box, name)
        assert "--read-only" in refusal.value.next_step
    for name in set(_public(Box)) - CHANGES:
        getattr(box, name)()
    assert set(spy.reached) == set(_public(Box)) - CHANGES
    assert box.name == "spy"
