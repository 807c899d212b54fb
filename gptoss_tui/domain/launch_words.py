"""How far a phase is, in words: the app and the commands say the same."""

from __future__ import annotations

from datetime import datetime

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.progress import LaunchProgress, Phase

# What to do where nothing comes any more, for the phases with bytes.
_STALLED = {
    "pull": "Docker goes on by itself once bytes come; else see the box's network, or cancel.",
    "weights": "The engine tries again by itself; else see the server's log and the box's network.",
}


def phase_words(phase: Phase, now: datetime | None = None) -> str:
    """Bytes, rate and time left, or what else there is to say of a running phase.

    `now` is the box's time, by which a phase is longer than it was the last time.
    """
    if phase.state != "running":
        return ""
    said = [_amount(phase)]
    if phase.stalled_s is not None:
        said.append(f"stalled for {span(phase.stalled_s)}")
    else:
        if phase.rate_bytes_per_s is not None:
            said.append(f"{_bytes(phase.rate_bytes_per_s)}/s")
        if phase.left_s is not None:
            said.append(f"about {span(phase.left_s)} left")
    if phase.retries:
        said.append("1 retry" if phase.retries == 1 else f"{phase.retries} retries")
    said.append(_last_time(phase, now))
    return ", ".join(text for text in said if text)


def cancel_words(progress: LaunchProgress) -> str:
    """What became of a launch that was told to end, and what it has left on the box."""
    launch = f"The launch of {progress.name}"
    if progress.state == "running":
        return (
            f"{launch} is being cancelled: Docker still works on what it was asked for last. "
            "`gptoss-tui status BOX` shows the end of it."
        )
    if progress.state == "ready":
        return f"{launch} was over before it could be cancelled: the server is ready."
    left = "; ".join(progress.leftovers)
    remains = f" What remains: {left}." if left else ""
    if progress.state == "failed":
        return f"{launch} failed before it could be cancelled. {progress.error}{remains}"
    return f"{launch} was cancelled.{remains or ' Nothing of it remains.'}"


def stall_advice(phase: Phase) -> str:
    """What to do about a stall; nothing where there is none."""
    return _STALLED.get(phase.name, "") if phase.stalled_s is not None else ""


def _amount(phase: Phase) -> str:
    if phase.done_bytes is not None and phase.total_bytes:
        done, total = _bytes(phase.done_bytes), _bytes(phase.total_bytes)
        return f"{done.removesuffix(total[-4:])} of {total}"
    if phase.done_bytes:
        return f"{_bytes(phase.done_bytes)} so far"
    return "" if phase.fraction is None else f"{phase.fraction:.0%}"


def _last_time(phase: Phase, now: datetime | None) -> str:
    if phase.last_s is None:
        return ""
    took = f"took {span(phase.last_s)} last time"
    if now is None or phase.started_at is None or phase.left_s is not None:
        return took
    longer = (now - phase.started_at).total_seconds() > 1.2 * phase.last_s + 2
    return f"{took}, now it takes longer" if longer else took


def _bytes(value: float) -> str:
    return f"{value / GIB:.1f} GiB" if value >= GIB else f"{value / MIB:.1f} MiB"


def span(seconds: float) -> str:
    """`12 s`, `4 min`, `3 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
