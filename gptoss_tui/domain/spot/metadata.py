"""The seam of a cloud's metadata service: what is asked, and how the answers are read.

All of them listen at the same address, which only the box itself can reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.notice import SpotNotice

_DAY_S = 86_400.0
ADDRESS = ("169.254.169.254", 80)
REACH = f"Let the user of this login reach {ADDRESS[0]} on the box."


@dataclass(frozen=True)
class Question:
    """One request; `headers` are what the service wants to see, so that no web page can ask it."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, body, and the service's own clock (UTC)."""

    status: int
    text: str
    at: datetime


@dataclass(frozen=True)
class Identity:
    """A box that may be taken back: the name its provider uses, and what is done with it then."""

    name: str = ""
    evicted: str = ""


@dataclass(frozen=True)
class Unseen:
    """The service did not say what it was asked: `why` ("answered 403"), and what to `do`."""

    why: str
    do: str = REACH


class Metadata(Protocol):
    """One cloud. `period_s` is how often its documentation wants it asked, in seconds.

    `token` is asked before anything else, and its answer sent in the header `token_header`.
    """

    cloud: Cloud
    period_s: float
    token: Question | None
    token_header: str
    identity: Question
    notices: tuple[Question, ...]

    def identified(self, reply: Reply) -> Identity | Unseen | None:
        """Whether the box is a spot box; None: it is none. Never raises."""

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | Unseen | None:
        """The notice in the answers to `notices`; None while there is none. Never raises."""


def unseen(reply: Reply, hints: Mapping[int, str]) -> Unseen:
    """Why an answer says nothing; `hints` tell by its HTTP status what a person can do."""
    what = "what cannot be read" if reply.status == 200 else str(reply.status)
    return Unseen(f"answered {what}", hints.get(reply.status, REACH))


def document(reply: Reply) -> dict[str, Any] | None:
    """A JSON object; None where the answer is none."""
    try:
        found = msgspec.json.decode(reply.text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return found if reply.status == 200 and isinstance(found, dict) else None


def until(deadline: datetime | None, at: datetime) -> float | None:
    """Seconds from `at` to `deadline`, never below 0; None without one, or for an absurd one."""
    left = None if deadline is None else max(0.0, (deadline - at).total_seconds())
    return left if left is None or left < _DAY_S else None


def utc(text: object) -> datetime | None:
    """An ISO 8601 time; None for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
