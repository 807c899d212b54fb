"""How a server is stopped without cutting answers: what each engine does on SIGTERM, and the figures.

vLLM aborts its requests, and from 0.18 lets them end for `--shutdown-timeout` seconds, answering
new ones with HTTP 500 (https://github.com/vllm-project/vllm/pull/36666); SGLang lets them end without
a limit, and answers new ones meanwhile (`tests/checks/sglang_server.py`, 0.5.23); Ollama closes its
connections at once.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.engines.flags import value_of
from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import NotFoundError

DRAIN_S = 60
NOW_GRACE_S = 3  # the engine's own clean-up, with `--now`
END_GRACE_S = 15  # from the last request to the end of the process
ABORT_GRACE_S = 30


class Draining(Body, frozen=True, kw_only=True, tag="drain"):
    """A server that is being stopped still works. `running` and `waiting` are requests.

    `left_s` is how long they still have; None for a figure that the engine does not tell.
    `refuses_new` is whether it takes new requests no more.
    """

    running: float | None = None
    waiting: float | None = None
    left_s: float
    refuses_new: bool = False

    @property
    def text(self) -> str:
        """One sentence for people."""
        if self.running is None:
            return f"How many requests still run is not known, {self.left_s:.0f} s left."
        waiting = f" and {self.waiting:.0f} wait" if self.waiting else ""
        runs = "request still runs" if self.running == 1 else "requests still run"
        return f"{self.running:.0f} {runs}{waiting}, {self.left_s:.0f} s left."


class StopPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How one server is stopped.

    First it is watched for at most `watch_s` seconds until nothing runs; then it gets the signal,
    ends what runs for `engine_s` seconds by itself (0: it cuts that), and is killed `grace_s`
    seconds after the signal. `warning` is what the operator must know before.
    """

    watch_s: int
    engine_s: int
    grace_s: int
    warning: str = ""


def check_ours(instance: Instance) -> None:
    """Raises `NotFoundError` for what cannot be stopped: a stranger's server, and one to come."""
    if not instance.managed:
        raise NotFoundError(
            f"{instance.name} was not launched by gptoss-tui, and is never stopped by it.",
            "Stop it the way it was started.",
        )
    if instance.container_id is None:
        raise NotFoundError(
            f"{instance.name} is still being launched: there is no container to stop.",
            f"Cancel the launch instead: gptoss-tui cancel BOX {instance.launch_id or ''}".strip(),
        )


def stop_plan(
    instance: Instance, drain_s: int | None = None, grace_s: int | None = None
) -> StopPlan:
    """The way to stop `instance` so that what runs has `drain_s` seconds (0: none; None: 60)."""
    drain = DRAIN_S if drain_s is None else max(0, drain_s)
    if drain == 0 or instance.has_ended:
        return StopPlan(watch_s=0, engine_s=0, grace_s=_or(grace_s, NOW_GRACE_S))
    # Nothing runs yet; SGLang, as PID 1, does not hear the signal.
    if instance.state in ("launching", "loading"):
        return StopPlan(watch_s=0, engine_s=0, grace_s=_or(grace_s, END_GRACE_S))
    own = own_drain_s(instance)
    engine = drain if own is None else min(own, drain)
    default = engine + END_GRACE_S if engine else ABORT_GRACE_S
    return StopPlan(
        watch_s=drain - engine,
        engine_s=engine,
        grace_s=_or(grace_s, default),
        warning=_warning(instance, engine),
    )


def _or(given: int | None, default: int) -> int:
    return default if given is None else max(0, given)


def own_drain_s(instance: Instance) -> int | None:
    """How long the engine lets requests end after SIGTERM, by itself; None: without a limit."""
    if instance.engine == "sglang":
        return None
    spec = instance.spec
    if instance.engine != "vllm" or spec is None:
        return 0
    try:
        known = versions.has_shutdown_timeout(versions.number(spec.engine_version, "vLLM"))
    except PlanInputError:
        known = True  # a version of its own: the flag in its arguments says that it has it
    return _shutdown_timeout(spec.arguments) if known else 0


def _shutdown_timeout(arguments: tuple[str, ...]) -> int:
    text = value_of("--shutdown-timeout", arguments) or ""
    return int(text) if text.isdecimal() else 0


def _warning(instance: Instance, engine_s: int) -> str:
    if engine_s:
        new = "get HTTP 500" if instance.engine == "vllm" else "are still answered and lengthen it"
        return (
            f"If a load balancer sends requests to {instance.name}, take it out there first: "
            f"while it drains, new requests {new}."
        )
    if instance.engine == "ollama":
        return (
            "Ollama does not tell how many requests run, and closes their connections at once: "
            f"take {instance.name} out of your load balancer, and wait, before you stop it."
        )
    return (
        f"{instance.name} takes new requests until it is stopped, and cuts what then runs: if a load "
        "balancer sends requests to it, take it out there first."
    )


def busy(snapshot: EngineSnapshot | None) -> float | None:
    """Requests that run or wait; None where the server does not tell."""
    if snapshot is None or snapshot.running is None:
        return None
    return snapshot.running + (snapshot.waiting or 0.0)


def left_alone(name: str, drain: Draining | None, *, restart: bool) -> str:
    """What becomes of a server when nobody is there any more who drains it, as last seen."""
    if drain is None:
        return f"{name} may go on serving."
    if not drain.refuses_new:
        return f"{name} is not stopped, and serves on, as far as was seen."
    if restart:
        return f"{name} ends its requests, and Docker starts it again."
    return f"{name} ends by itself, and its container stays."


def cut_words(snapshot: EngineSnapshot | None, *, asked: bool) -> str:
    """How many requests a stop without a drain cuts: before it is agreed to (`asked`), or done."""
    count = busy(snapshot)
    if count is None:
        cut = "would all be cut" if asked else "are all cut now"
        return f"How many requests run is not known: they {cut}."
    if count == 0:
        return "No request runs: none would be cut." if asked else "No request runs: none is cut."
    cut = "would be cut" if asked else "are cut now"
    if count == 1:
        return f"1 request runs and {cut.replace('are', 'is')}."
    return f"{count:.0f} requests run and {cut}."


def cut_told(instance: Instance, plan: StopPlan, cut: float | None) -> str:
    """What a stop has cut (`Drain.run`), as a sentence to follow another one.

    Nothing where a drain has ended all requests, and where a server had none, for it was not ready.
    """
    if cut is None:
        served = instance.state in ("ready", "unhealthy", "unknown")
        return " How many requests were cut is not known." if served else ""
    if cut == 0:
        return "" if plan.watch_s or plan.engine_s else " No request was cut."
    return f" {cut:.0f} {'request was' if cut == 1 else 'requests were'} cut."
