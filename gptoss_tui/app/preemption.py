"""A provider takes a spot box back: watched for, said so that nobody misses it, drained on.

A watch belongs to one connection of a box, and begins when a look has shown that the box is in a
cloud which gives notice.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gptoss_tui.app import messages as said
from gptoss_tui.app.screens.dialogs import Choice, CountdownDialog
from gptoss_tui.domain.facts import AnyFact, Fact
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.spot import SpotNotice, drain_time, seconds_left
from gptoss_tui.errors import ConnectionLostError, GptossError
from gptoss_tui.remote.preemption import drain_all, serves

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp
    from gptoss_tui.remote.box import Box

WARNING_S = 30.0  # how long a warning without a deadline stays


class Preemption:
    """`drains` is whether servers are drained without a question."""

    def __init__(self, app: GptossApp, *, drains: bool) -> None:
        self._app = app
        self._drains = drains
        self._watched: dict[str, Box] = {}
        self._silent: set[str] = set()
        self._told: set[tuple[str, object, object]] = set()
        self._draining: set[str] = set()

    def seen(self, fact: AnyFact) -> None:
        """A look begins the watch; a notice is told once."""
        if isinstance(fact.body, BoxReport) and fact.body.cloud is not None:
            self._watch(fact.box)
        elif isinstance(fact.body, SpotNotice):
            self._noticed(fact)

    # --- the watch ------------------------------------------------------------------------------

    def _watch(self, name: str) -> None:
        box = self._app.fleet.box(name)
        if box is None or self._watched.get(name) is box:
            return
        self._watched[name] = box
        self._app.run_worker(
            self._until_lost(name, box), name=f"spot {name}", group=f"spot:{name}",
            exclusive=True, exit_on_error=False,
        )  # fmt: skip

    async def _until_lost(self, name: str, box: Box) -> None:
        try:
            stream = cast("Any", box.watch_spot())
            async with aclosing(stream) as facts:
                async for _ in facts:
                    pass  # the hub has shown it to the app already
        except GptossError as error:
            self._watched.pop(name, None)  # the next look begins it anew
            if not isinstance(error, ConnectionLostError) and name not in self._silent:
                self._silent.add(name)
                self._failed(name, "watch for a notice of preemption", error)

    # --- the notice -----------------------------------------------------------------------------

    def _noticed(self, fact: Fact[SpotNotice]) -> None:
        notice = fact.body
        text = f"{fact.box}: {notice.text(notice.left_s)}"
        if not notice.ends:
            severity: Any = "information" if notice.action == "withdrawn" else "warning"
            self._app.notify(text, severity=severity, timeout=WARNING_S, markup=False)
            self._told = {told for told in self._told if told[0] != fact.box}
            return
        key = (fact.box, notice.action, notice.deadline)
        again, self._told = key in self._told, self._told | {key}
        if self._drains and not self._app.fleet.read_only:
            self._drain(fact)
        if again:
            return
        if self._drains or self._app.fleet.read_only or not self._serves(fact.box):
            stays = max(WARNING_S, notice.left_s or 0.0)
            self._app.notify(text, severity="error", timeout=stays, markup=False)
        else:
            self._ask(fact)

    def _serves(self, name: str) -> bool:
        """Whether a server of ours runs there, as far as is known."""
        listed = self._app.model(name).instances
        return listed is None or any(map(serves, listed.body.instances))

    def _ask(self, fact: Fact[SpotNotice]) -> None:
        def text() -> str:
            left_s = seconds_left(fact, self._app.clock())
            return (
                f"{fact.body.text(left_s)}\n\n"
                f"Drain the servers that gptoss-tui runs on {fact.box}? Running requests end, as "
                "far as the time allows it, and their containers stay stopped."
            )

        def decided(choice: str | None) -> None:
            if choice == "drain":
                self._drain(fact)

        choices = (Choice("drain", "d", "Drain"), Choice("keep", "k", "Serve to the end"))
        self._app.push_screen(
            CountdownDialog(f"{fact.box} is taken back", text, choices, partial(self._left, fact)),
            decided,
        )

    def _drain(self, fact: Fact[SpotNotice]) -> None:
        if fact.box in self._draining:
            return
        self._draining.add(fact.box)
        self._app.run_worker(
            self._drained(fact), name=f"drain {fact.box}", group=f"drain:{fact.box}",
            exit_on_error=False,
        )  # fmt: skip

    async def _drained(self, fact: Fact[SpotNotice]) -> None:
        try:
            box = await self._app.fleet.connect(fact.box)
            await drain_all(box, partial(self._left, fact))
            await box.instances()
        except GptossError as error:
            self._failed(fact.box, f"drain {fact.box}", error)
        finally:
            self._draining.discard(fact.box)

    def _left(self, fact: Fact[SpotNotice]) -> float:
        return drain_time(fact, self._app.clock())

    def _failed(self, box: str, doing: str, error: GptossError) -> None:
        self._app.post_message(said.ActionFailed(box, doing, error))
