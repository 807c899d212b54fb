"""Every fact is frozen, tagged, and comes back from its JSON form as it was."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gptoss_tui.domain
from gptoss_tui.domain.facts import Body, Fact
from tests.architecture.strategies import values_of


def _everything() -> list[type]:
    """Every struct class of the domain."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(gptoss_tui.domain.__path__, "gptoss_tui.domain."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, msgspec.Struct) and kind.__module__.startswith("gptoss_tui"):
                found[f"{kind.__module__}.{kind.__name__}"] = kind
    return list(found.values())


STRUCTS = _everything()
BODIES = [kind for kind in STRUCTS if issubclass(kind, Body) and kind is not Body]
KINDS = {
    "box", "link", "gpus", "engine", "instances", "log", "notice", "launch", "endpoint", "drain",
    "spot",
}  # fmt: skip


def _config(kind: type) -> Any:
    return kind.__struct_config__  # type: ignore[attr-defined]


def test_all_bodies_are_known_and_have_their_own_tag() -> None:
    tags = [_config(kind).tag for kind in BODIES]
    assert len(tags) == len(set(tags))
    repairs = {"survey", "repair", "repair_line", "repair_end"}
    assert set(tags) == KINDS | {"chat_delta", "chat_done"} | repairs
    assert all(_config(kind).tag_field == "kind" for kind in BODIES)


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_every_struct_of_the_domain_is_frozen(kind: type) -> None:
    assert _config(kind).frozen


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_fact_comes_back_from_json(kind: type, data: st.DataObject) -> None:
    body = data.draw(values_of(kind))
    fact = Fact(
        box="b", instance=data.draw(st.none() | st.text(max_size=5)), seq=1,
        box_time=None, our_time=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC), body=body,
    )  # fmt: skip
    text = msgspec.json.encode(fact)
    assert msgspec.json.decode(text, type=Fact[kind]) == fact  # type: ignore[valid-type]
    assert msgspec.json.encode(msgspec.json.decode(text)) == text
    assert msgspec.json.decode(text)["body"]["kind"] == _config(kind).tag


def test_one_decoder_reads_every_kind() -> None:
    union: Any = BODIES[0]
    for kind in BODIES[1:]:
        union = union | kind
    decoder = msgspec.json.Decoder(Fact[union])
    for kind in BODIES:
        body = _smallest(kind)
        fact = Fact(box="b", seq=1, our_time=datetime(2026, 1, 1, tzinfo=UTC), body=body)
        assert decoder.decode(msgspec.json.encode(fact)) == fact


def _smallest(kind: type) -> Any:
    required = {
        "hostname": "h", "phase": "up", "gpus": (), "source": "dmon", "instances": (), "text": "t",
        "launch_id": "i", "name": "n", "state": "ready", "phases": (), "channel": "answer",
        "total_s": 1.0, "left_s": 1.0, "repair": "toolkit", "status": 0, "fixed": True,
        "cloud": "aws", "action": "stop",
    }  # fmt: skip
    names = [field.name for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{name: required[name] for name in names})
