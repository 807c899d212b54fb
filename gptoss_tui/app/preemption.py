"""A provider takes a spot box back: watched for, said so that nobody misses it, drained on.

A watch belongs to one connection of a box, and begins when a look has shown that the box is in a
cloud which gives notice. What was told over an earlier connection is known to it: nobody is asked
twice, and a notice that was withdrawn meanwhile is told as that.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gptoss_tui.app import messages as said
from gptoss_tui.app.screens.dialogs import Choice, CountdownDialog
from gptoss_tui.domain.facts import AnyFact, Fact
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.spot.notice import SpotNotice, drain_time, same_notice, seconds_left
from gptoss_tui.errors import ConnectionLostError, GptossError, NotFoundError
from gptoss_tui.remote.preemption import drain_all, serves
from gptoss_tui.state.debug_log import internal
from gptoss_tui.state.paths import paths

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp
    from gptoss_tui.remote.box import Box

WARNING_S = 30.0  # how long a warning without a deadline stays
AGAIN_S = 60.0  # after a watch that could see nothing


class Preemption:
    """`drains` is whether servers are drained without a question."""

    def __init__(self, app: GptossApp, *, drains: bool) -> None:
        self._app = app
        self._drains = drains
        self._watched: dict[str, Box] = {}
        self._silent: set[str] = set()
        self._standing: dict[str, Fact[SpotNotice]] = {}  # the notice that ends a box, by its name
        self._handled: dict[str, frozenset[str]] = {}  # containers: drained, or asked about
        self._asking: set[str] = set()
        self._answers: dict[str, bool] = {}  # whether to drain, as long as the notice stands
        self._draining: set[str] = set()

    @property
    def draining(self) -> frozenset[str]:
        """The boxes whose servers are being drained."""
        return frozenset(self._draining)

    def seen(self, fact: AnyFact) -> None:
        """A look begins the watch; a notice is told once, and kept for servers that come up later."""
        if isinstance(fact.body, BoxReport) and fact.body.cloud is not None:
            self._watch(fact.box)
        elif isinstance(fact.body, SpotNotice):
            self._noticed(fact)
        elif isinstance(fact.body, InstanceList) and fact.box in self._standing:
            self._came_up(fact.box)

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
        """What cannot be seen now is looked for again, after a while and with the next look."""
        while True:
            try:
                await self._follow(name, box)
                return  # it is no spot box
            except ConnectionLostError:
                self._forget_watch(name, box)
                return
            except GptossError as error:
                self._blind(name, error)
            except Exception as error:  # a fault of ours must not end all watching in silence
                self._blind(name, internal(error, paths().debug_log))
            self._forget_watch(name, box)
            await asyncio.sleep(AGAIN_S)
            if not box.link.open:
                return

    async def _follow(self, name: str, box: Box) -> None:
        known = self._app.model(name).notice(self._app.clock())
        stream = cast("Any", box.watch_spot(known.body if known is not None else None))
        async with aclosing(stream) as facts:
            async for _ in facts:
                self._silent.discard(name)  # the hub has shown it to the app already

    def _forget_watch(self, name: str, box: Box) -> None:
        """The next look begins it anew."""
        if self._watched.get(name) is box:
            del self._watched[name]

    def _blind(self, name: str, error: GptossError) -> None:
        if name not in self._silent:
            self._silent.add(name)
            self._failed(name, "watch for a notice of preemption", error)

    # --- the notice -----------------------------------------------------------------------------

    def _noticed(self, fact: Fact[SpotNotice]) -> None:
        notice, name = fact.body, fact.box
        text = f"{name}: {notice.text(notice.left_s)}"
        if not notice.ends:
            self._standing.pop(name, None)
            self._answers.pop(name, None)
            severity: Any = "information" if notice.action == "withdrawn" else "warning"
            self._app.notify(text, severity=severity, timeout=WARNING_S, markup=False)
            return
        before = self._standing.get(name)
        if before is not None and self._left(name) > 0 and same_notice(before.body, notice):
            return
        self._standing[name] = fact
        self._answers.pop(name, None)
        running = self._running(name)
        if not self._act(fact, serving=running is None or bool(running)):
            stays = max(WARNING_S, notice.left_s or 0.0)
            self._app.notify(text, severity="error", timeout=stays, markup=False)

    def _came_up(self, name: str) -> None:
        """A server that was still being launched when the notice came is ready now, say."""
        running = self._running(name) or frozenset()
        if running - self._handled.get(name, frozenset()) and self._left(name) > 0:
            self._act(self._standing[name], serving=True)

    def _act(self, fact: Fact[SpotNotice], *, serving: bool) -> bool:
        """Drain, or ask whether to; whether a question is open, which tells of the notice."""
        name = fact.box
        if name in self._draining:  # which lists them anew at its end: what came up since waits
            return False
        self._handled[name] = self._running(name) or frozenset()
        if self._app.fleet.read_only:
            return False
        if self._drains or self._answers.get(name):
            self._drain(name)
        elif serving and self._left(name) > 0 and name not in self._answers:
            if name not in self._asking:
                self._ask(fact)
            return True
        return False

    def _running(self, box: str) -> frozenset[str] | None:
        """The containers of ours that run there; None while that is not known."""
        listed = self._app.model(box).instances
        if listed is None:
            return None
        return frozenset(one.container_id or "" for one in listed.body.instances if serves(one))

    def _ask(self, fact: Fact[SpotNotice]) -> None:
        """Until it is answered, the time is over, or the notice is withdrawn."""
        name = fact.box

        def text() -> str:
            stands = self._standing.get(name, fact)
            left_s = seconds_left(stands, self._app.clock())
            return (
                f"{stands.body.text(left_s)}\n\n"
                f"Drain the servers that gptoss-tui runs on {name}? Running requests end, as "
                "far as the time allows it, and their containers stay stopped."
            )

        def decided(choice: str | None) -> None:
            self._asking.discard(name)
            if name in self._standing:
                self._answers[name] = choice == "drain"
            if self._answers.get(name):
                self._drain(name)

        choices = (Choice("drain", "d", "Drain"), Choice("keep", "k", "Serve to the end"))
        self._asking.add(name)
        self._app.push_screen(
            CountdownDialog(f"{name} is taken back", text, choices, partial(self._left, name)),
            decided,
        )

    # --- the drain ------------------------------------------------------------------------------

    def _drain(self, name: str) -> None:
        if name in self._draining:
            return
        self._draining.add(name)
        self._app.run_worker(
            self._drained(name), name=f"drain {name}", group=f"drain:{name}",
            exit_on_error=False,
        )  # fmt: skip

    async def _drained(self, name: str) -> None:
        """A yes holds until the box is gone, whatever becomes of the connection meanwhile."""
        connect = partial(self._box, name)
        try:
            await drain_all(connect, partial(self._left, name))
        except GptossError as error:
            self._failed(name, f"drain {name}", error)
        finally:
            self._draining.discard(name)
        with suppress(GptossError):  # the drain itself has been told
            await (await connect()).instances()

    async def _box(self, name: str) -> Box:
        """The box, connected anew where the link was lost. Raises `NotFoundError`, `BoxError`."""
        if self._app.fleet.box(name) is None:
            raise NotFoundError(f"{name} was disconnected: nothing more is drained there.")
        return await self._app.fleet.connect(name)

    def _left(self, name: str) -> float:
        """Seconds until the box is taken back; none for one that is not."""
        fact = self._standing.get(name)
        return 0.0 if fact is None else drain_time(fact, self._app.clock())

    def _failed(self, box: str, doing: str, error: GptossError) -> None:
        self._app.post_message(said.ActionFailed(box, doing, error))
