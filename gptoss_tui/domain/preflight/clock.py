"""The box's clock: certificates and package lists are refused where it is far off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen
from gptoss_tui.domain.words import plural

_OFF_S = 60.0
_FAR_OFF_S = 3600.0
_TLS = (35, 60, 77)  # curl's exit status for what is wrong with a certificate


def is_far_off(skew_s: float | None) -> bool:
    """So far that certificates and signatures are refused."""
    return skew_s is not None and abs(skew_s) >= _FAR_OFF_S


def check(seen: Seen) -> Iterator[Finding]:
    skew = seen.report.clock_skew_s
    if skew is None:
        return
    if abs(skew) < _OFF_S:
        yield Finding(code="clock", level="ok", what="Its clock agrees with ours.", topic="clock")
        return
    if _ours_is_wrong(seen):
        yield Finding(
            code="clock_here",
            level="warning",
            what=f"This machine's own clock is {_span(-skew)} the box's, which is right.",
            do="Set the clock of this machine.",
            topic="clock",
        )
        return
    broken = is_far_off(skew) and any(reach.status in _TLS for reach in seen.probe.reached)
    yield Finding(
        code="clock_off",
        level="blocker" if broken else "warning",
        what=f"The box's clock is {_span(skew)} ours"
        + (
            ": its certificate checks fail, so nothing can be fetched."
            if broken
            else ": certificates and package lists may be refused."
            if is_far_off(skew)
            else "."
        ),
        do="Set it: sudo timedatectl set-ntp true (or sudo date -s).",
        topic="clock",
    )


def _ours_is_wrong(seen: Seen) -> bool:
    """Whether the servers that answered the box agree with its clock, and so not with ours."""
    now = seen.probe.box_time
    dates = [
        reach.date if reach.date.tzinfo else reach.date.replace(tzinfo=UTC)
        for reach in seen.probe.reached
        if reach.date is not None
    ]
    return now is not None and any(abs((date - now).total_seconds()) < _OFF_S for date in dates)


def _span(skew_s: float) -> str:
    """ "2 days ahead of", "5 minutes behind"."""
    seconds = abs(skew_s)
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 0.95 * size:
            count = round(seconds / size)
            words = plural(count, name)
            break
    else:
        words = f"{seconds:.0f} seconds"
    return f"{words} {'ahead of' if skew_s > 0 else 'behind'}"
