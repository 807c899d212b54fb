"""What the app knows of each box: the last fact of each kind, and bounded histories of them.

Owned by the app, changed in one place (`BoxModel.apply`), read by the screens.
"""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gptoss_tui.app.conversation import Conversation
from gptoss_tui.app.widgets.stale import stale_age, stale_words
from gptoss_tui.domain.chat import ChatDelta, ChatDone
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact, Fact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.history import Series
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import Endpoint, Instance, InstanceList, LogLine
from gptoss_tui.domain.launch import is_set_aside
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.domain.words import plural

LOG_LINES = 5000
HISTORY = 600
# A look at the box takes about as long: no sign of clocks that differ.
SAME_TIME = timedelta(seconds=3)
NOTICE_AGE_S = 60.0  # a box that is there so long after was given back to us
DRAIN_AGE = timedelta(seconds=5)  # a drain that is not told of for so long is over


class BoxModel:
    """One box. Facts are applied in the order in which they arrive.

    `ssh_target` is what `ssh` takes to get there; None for this machine, or while unknown.
    `corrections` and `speeds` are what earlier launches on it have shown (`PlanRequest`). `draft` is
    what stands in its chat field.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ssh_target: str | None = None
        self.corrections: tuple[tuple[str, float], ...] = ()
        self.speeds: tuple[tuple[str, float, float], ...] = ()
        self.link: LinkState | None = None
        self._away_since: datetime | None = None
        self.report: Fact[BoxReport] | None = None
        self.gpus: Fact[GpuSnapshot] | None = None
        self.instances: Fact[InstanceList] | None = None
        self.engines: dict[str, Fact[EngineSnapshot]] = {}
        self.launches: dict[str, Fact[LaunchProgress]] = {}
        self.drains: dict[str, Fact[Draining]] = {}
        self.endpoints: dict[str, str] = {}
        self.watch_errors: dict[tuple[str, str], str] = {}  # by server and part of it
        self.spot: Fact[SpotNotice] | None = None
        self.logs: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LOG_LINES))
        self.conversations: dict[str, Conversation] = defaultdict(Conversation)
        self.draft = ""
        self.gpu_history: dict[int, dict[str, Series]] = defaultdict(_gpu_series)
        self.engine_history: dict[str, dict[str, Series]] = defaultdict(_engine_series)

    def apply(self, fact: AnyFact) -> None:
        """Take one fact in."""
        body: Any = fact.body
        if isinstance(body, LinkState):
            self._link(body, fact.our_time)
        elif isinstance(body, BoxReport):
            self.report = fact
            self.spot = self.notice(fact.our_time)
        elif isinstance(body, GpuSnapshot):
            self.gpus = _when_measured(fact)
            self._remember_gpus(body, self.gpus.our_time)
        elif isinstance(body, InstanceList):
            self.instances = fact
            still, there = fact.our_time - DRAIN_AGE, {one.name for one in body.instances}
            self.drains = {
                name: f for name, f in self.drains.items() if f.our_time > still and name in there
            }
        elif isinstance(body, LaunchProgress):
            self._launch(fact, body)
        elif isinstance(body, SpotNotice):
            self.spot = fact if body.action != "withdrawn" else None
        elif fact.instance:
            self._of_server(fact.instance, fact, body)

    def _launch(self, fact: AnyFact, body: LaunchProgress) -> None:
        """What the box keeps of an old launch may be less than what was seen of it."""
        seen = self.launches.get(body.launch_id)
        before = seen.body if seen is not None else None
        if before is None or before.state != body.state or not before.knows_more_than(body):
            self.launches[body.launch_id] = fact

    def _of_server(self, name: str, fact: AnyFact, body: Any) -> None:
        if isinstance(body, EngineSnapshot):
            self.engines[name] = fact
            self.watch_errors.pop((name, "engine"), None)
            self._remember_engine(name, body, fact.our_time)
        elif isinstance(body, Draining):
            self.drains[name] = fact
        elif isinstance(body, Endpoint):
            self.endpoints.pop(name, None)
            if body.base_url is not None:
                self.endpoints[name] = body.base_url
        elif isinstance(body, LogLine):
            self.logs[name].append(body.text)
            self.watch_errors.pop((name, "log"), None)
        elif isinstance(body, ChatDelta | ChatDone):
            self.conversations[name].take(body)

    def box_now(self, now: datetime) -> datetime:
        """What the box's own clock shows `now`: phases carry its times, and clocks differ."""
        seen = self.report
        if seen is None or seen.box_time is None:
            return now
        ahead = seen.box_time - seen.our_time
        return now + ahead if abs(ahead) > SAME_TIME else now

    def instance(self, name: str | None) -> Instance | None:
        listed = self.instances.body.instances if self.instances else ()
        return next((instance for instance in listed if instance.name == name), None)

    def drain(self, instance: str) -> Draining | None:
        """How far the drain of a server is, while it goes on."""
        fact = self.drains.get(instance)
        return fact.body if fact else None

    def state_of(self, instance: Instance) -> str:
        """What a server does: its state, or what is being done to it."""
        if instance.name in self.drains:
            return "draining"
        if self.replaced_by(instance) is not None:
            return "upgrading"
        return "set aside" if is_set_aside(instance.name) else instance.state

    def replaced_by(self, instance: Instance) -> str | None:
        """The launch that is putting another version in its place: a launch tells it before a list."""
        known = self.launches.get(instance.replaced_by or "")
        under_way = (
            fact.body.launch_id
            for fact in self.launches.values()
            if fact.body.replaces == instance.name and fact.body.state == "running"
        )
        return next(under_way, None if known else instance.replaced_by)

    def notice(self, now: datetime) -> Fact[SpotNotice] | None:
        """What the provider has in mind with the box, while that is news."""
        fact = self.spot
        if fact is None or fact.body.left_s is None:
            return fact
        over = (now - fact.our_time).total_seconds() - fact.body.left_s
        return fact if over < NOTICE_AGE_S else None

    def busy_words(self, instance: str, now: datetime) -> str:
        """How many requests a server works on, as last seen: with its age where that is old."""
        fact = self.engines.get(instance)
        running = fact.body.running if fact else None
        waiting = fact.body.waiting if fact else None
        if running is None:
            return "How many requests it works on is not known."
        waits = "1 waits" if waiting == 1 else f"{waiting or 0:.0f} wait"
        words = f"It works on {plural(round(running), 'request')}, and {waits}"
        old_s = stale_age(fact.our_time, now) if fact else None
        return f"{words}." if old_s is None else f"{words} ({stale_words(old_s)})."

    def _link(self, link: LinkState, at: datetime) -> None:
        if self.link and self.link.phase == "up" and link.phase != "up":
            self._gap(at, 1)
            self._away_since = at
        elif link.phase == "up" and self._away_since is not None:
            # As wide as it was long: samples come about every second.
            missed = int((at - self._away_since).total_seconds())
            self._gap(at, min(HISTORY, missed) - 1)
            self._away_since = None
        self.link = link

    def _gap(self, at: datetime, width: int) -> None:
        """So that nothing is drawn as if it had been seen."""
        for series in (*self.gpu_history.values(), *self.engine_history.values()):
            for one in series.values():
                for _ in range(width):
                    one.append(at, None)

    def _remember_gpus(self, snapshot: GpuSnapshot, at: datetime) -> None:
        for gpu in snapshot.gpus:
            series = self.gpu_history[gpu.index]
            series["sm"].append(at, gpu.sm_pct)
            series["power"].append(at, gpu.power_w)

    def _remember_engine(self, name: str, snapshot: EngineSnapshot, at: datetime) -> None:
        series, rates = self.engine_history[name], snapshot.rates
        ttft = rates.ttft if rates else None
        values = {
            "running": snapshot.running,
            "waiting": snapshot.waiting,
            "kv_cache_usage": snapshot.kv_cache_usage,
            "generation": rates.generation_tokens_per_s if rates else None,
            "prompt": rates.prompt_tokens_per_s if rates else None,
            "ttft": ttft.p50_s if ttft else None,
        }
        for key, value in values.items():
            series[key].append(at, value)


def _when_measured(fact: Fact[GpuSnapshot]) -> Fact[GpuSnapshot]:
    """The fact at the time that its figures are of: what a slow link brings late is old."""
    behind = timedelta(seconds=fact.body.behind_s or 0.0)
    return msgspec.structs.replace(fact, our_time=fact.our_time - behind)


def _gpu_series() -> dict[str, Series]:
    return {name: Series(HISTORY) for name in ("sm", "power")}


def _engine_series() -> dict[str, Series]:
    names = ("running", "waiting", "kv_cache_usage", "generation", "prompt", "ttft")
    return {name: Series(HISTORY) for name in names}
