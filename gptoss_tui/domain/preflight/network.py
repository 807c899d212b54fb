"""Whether the box reaches what a launch fetches from: the registry and the model hub."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.parse.probe_host import Reach
from gptoss_tui.domain.preflight.clock import is_far_off
from gptoss_tui.domain.preflight.fetching import HUB, REGISTRY, images_there, models_there
from gptoss_tui.domain.preflight.seen import Seen

_NAMES = {"registry": "Docker Hub", "hub": "Hugging Face", "hub_by_proxy": "Hugging Face"}
_DNS, _PROXY, _REFUSED, _LATE, _TLS, _CERTIFICATE = (6,), (5, 56, 97), (7,), (28,), (35,), (60, 77)
_FURTHER = {
    "registry": "Or bring the image from here: gptoss-tui load-image BOX FILE.",
    "hub": "Or copy the weights to a folder of the box, and launch with --weights-dir.",
}


def check(seen: Seen) -> Iterator[Finding]:
    reached = {reach.target: reach for reach in seen.probe.reached}
    told = [reach for reach in reached.values() if reach.status is not None]
    troubles = [*_registry(seen, reached), *_hub(seen, reached)]
    yield from troubles
    direct = [reach for reach in told if reach.target != "hub_by_proxy"]
    if direct and not troubles:
        slowest = max(reach.seconds or 0 for reach in direct)
        names = " and ".join(_NAMES[reach.target] for reach in direct if reach.answered)
        if names:
            what = f"{names} {'answers' if ' and ' not in names else 'answer'} ({slowest:.1f} s)."
            yield Finding(code="network", level="ok", what=what, topic="network")


def _registry(seen: Seen, reached: dict[str, Reach]) -> Iterator[Finding]:
    reach = reached.get("registry")
    if reach is None or reach.status is None or reach.answered:
        return
    mirrors = seen.docker.mirrors if seen.docker else ()
    if mirrors:
        yield Finding(
            code="registry_mirror",
            level="ok",
            what=f"Docker pulls through {', '.join(mirrors)}; the box does not reach Docker Hub "
            "itself.",
            topic="network",
        )
        return
    there = images_there(seen.docker)
    yield _unreached(seen, reach, REGISTRY, f"No image can be pulled, {_left(there, 'there')}")


def _hub(seen: Seen, reached: dict[str, Reach]) -> Iterator[Finding]:
    reach, around = reached.get("hub"), reached.get("hub_by_proxy")
    if reach is None or reach.status is None or reach.answered:
        return
    if around is not None and around.answered:
        yield Finding(
            code="hub_by_proxy",
            level="warning",
            what=f"The box reaches Hugging Face by the proxy {around.proxy} alone, and containers "
            "are not told of it: a server could not fetch its model.",
            do='Name it for all containers in ~/.docker/config.json ("proxies"), or fetch the '
            "model on the box first: hf download.",
            topic="network",
        )
        return
    there = models_there(seen.report)
    left = _left(there, "in the Hugging Face cache")
    yield _unreached(seen, reach, HUB, f"No model can be fetched, {left}")


def _left(there: tuple[str, ...], where: str) -> str:
    if not there:
        return f"and none is {where}"
    return f"those that are there can be used: {', '.join(there)}"


def _unreached(seen: Seen, reach: Reach, code: str, so: str) -> Finding:
    name = _NAMES[reach.target]
    why, do = _why(seen, reach)
    by = f" by the proxy {reach.proxy}" if reach.proxy else ""
    return Finding(
        code=code,
        level="warning",
        what=f"The box does not reach {name}{by}: {why}. {so}.",
        do=f"{do} {_FURTHER[reach.target]}",
        topic="network",
    )


def _why(seen: Seen, reach: Reach) -> tuple[str, str]:
    status = reach.status or 0
    if status in _DNS:
        return "its name is not found (DNS)", "Check /etc/resolv.conf and the box's network."
    if status in _PROXY:
        return f"the proxy refuses ({reach.said or status})", "Check the proxy and its password."
    if status in _REFUSED:
        return "there is no route, or the connection is refused", "Check its network and firewall."
    if status in _LATE or status == 137:
        return "no answer in time", "A firewall may drop what leaves the box; check its network."
    if status in (*_CERTIFICATE, *_TLS):
        if is_far_off(seen.report.clock_skew_s):
            return (
                "the certificate is refused, for the box's clock is wrong",
                "Set the clock first.",
            )
        return (
            f"the connection is not trusted ({reach.said or 'TLS'})",
            "Install ca-certificates; a proxy may be in between, whose certificate is missing.",
        )
    return reach.said or f"error {status}", "Check the box's network."
