"""What the doctor says."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["known", "unknown", "nothing_wrong"]
ChangeKind = Literal["flags", "image", "port", "name", "toolkit"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a program can do about it: flags of `gptoss-tui launch` to set and to leave out.

    `port` and `name` want a free one, which a launch chooses when the flag is left out; `toolkit`
    is the installation of the NVIDIA Container Toolkit, and has no flags.
    """

    kind: ChangeKind
    flags: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A cause (stable identifier), the lines that show it, what it means and what to do.

    `cause` is None where nothing is wrong and where the failure is not known: `verdict` tells
    which. `evidence` holds the log's own lines, cleaned, and `lines` their numbers from 1 (0: no
    line of a log, but what Docker said of the container).
    """

    verdict: Verdict
    cause: str | None = None
    evidence: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    explanation: str = ""
    fix: str = ""
    change: Change | None = None
