"""A launch read anew from what the box keeps of it: the helper's log, and what the server said.

Both are told in the order of their times, so that a launch which nobody watched is told as one that
somebody did, with its phases, its figures and the cause of its failure.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from gptoss_tui.domain.doctor.diagnosis import Diagnosis
from gptoss_tui.domain.doctor.read import Doctor
from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.registry import ENGINES
from gptoss_tui.domain.parse.kept_log import read_kept
from gptoss_tui.domain.timeline import LaunchLog

_EVENT = re.compile(r"@(\d+) (\S+)")
# The server has come up, or has ended: what it said in that second, it said before.
_ENDS = ("ask", "ready", "failed", "cancelled")

Mark = tuple[datetime | None, PhaseMark]


def reread(launch_id: str, lines: Iterable[str], kept: str = "") -> LaunchLog:
    """The launch as its lines tell it; `kept` is the server's log (`read_kept`), where there is one."""
    log = LaunchLog(launch_id)
    said: deque[Mark] | None = None
    for line in lines:
        event = _EVENT.match(line)
        if event and kept:
            if event[2] == "wait":  # the server runs: from here on it speaks
                said = deque(_marks(log.engine_name, kept))
            if said:
                # The helper stamps whole seconds.
                _tell(log, said, int(event[1]) + (event[2] in _ENDS))
        log.feed(line)
    if kept and log.progress.state == "failed":
        log.diagnosed(_diagnosis(kept, log.exit_code))
    return log


def _tell(log: LaunchLog, said: deque[Mark], before_s: int) -> None:
    """What the server said before this second of the box."""
    while said:
        at, mark = said[0]
        if at is not None and at.timestamp() >= before_s:
            return
        log.feed_engine(mark, at)
        said.popleft()


# The box tells the same again with every look: it is read once.
@lru_cache(maxsize=32)
def _marks(engine: str, kept: str) -> tuple[Mark, ...]:
    known = ENGINES.get(engine)
    if known is None:
        return ()
    read = known.read_log
    return tuple((at, mark) for at, text in read_kept(kept) if (mark := read(text)) is not None)


@lru_cache(maxsize=32)
def _diagnosis(kept: str, exit_code: int | None) -> Diagnosis:
    """The doctor reads all of it: the first line that sounds fatal need not be the cause."""
    doctor = Doctor()
    for _, text in read_kept(kept):
        doctor.feed(text)
    return doctor.finish(exit_code=exit_code)
