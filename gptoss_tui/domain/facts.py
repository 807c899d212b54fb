"""The envelope of every fact, and the one point that all facts pass.

A fact is what some box was seen to be at some moment: frozen, serialisable, stamped. A `Box` makes
its facts through a `Hub`; whoever wants to see them all (a recorder, an alert, a table of 256
boxes) taps the hub. A replay is one more caller of `Hub.admit`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from gptoss_tui.text import clean_struct

B = TypeVar("B", bound="Body")


class Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=False):
    """What a fact says. Each subclass has its own `kind` tag and lives beside its subject."""


class Fact(msgspec.Struct, Generic[B], frozen=True, kw_only=True):
    """One stamped observation.

    `seq` counts the facts of one box from 1; `box_time` is the box's own clock (UTC, None where it
    told none), `our_time` that of the machine the app runs on (UTC). `instance` names the server
    on the box that the fact is about, None for the box itself.
    """

    box: str
    instance: str | None = None
    seq: int
    box_time: datetime | None = None
    our_time: datetime
    body: B


AnyFact = Fact[Any]
Tap = Callable[[AnyFact], None]


class Hub:
    """Stamps facts, cleans their text and shows them to every tap. No I/O, no task, no history."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seq: dict[str, int] = defaultdict(int)
        self._taps: list[Tap] = []

    def now(self) -> datetime:
        """Our own time, UTC."""
        return self._clock()

    def publish(
        self, body: B, *, box: str, instance: str | None = None, box_time: datetime | None = None
    ) -> Fact[B]:
        """Stamp `body`, pass it to the taps and return the fact."""
        self._seq[box] += 1
        fact = Fact(
            box=box,
            instance=instance,
            seq=self._seq[box],
            box_time=box_time,
            our_time=self._clock(),
            body=clean_struct(body),
        )
        self.admit(fact)
        return fact

    def admit(self, fact: AnyFact) -> None:
        """Show an already stamped fact to the taps (a replay enters here)."""
        for tap in tuple(self._taps):
            tap(fact)

    def tap(self, tap: Tap) -> Callable[[], None]:
        """Call `tap` with each fact from now on; the returned function ends that."""
        self._taps.append(tap)
        return lambda: self._taps.remove(tap)
