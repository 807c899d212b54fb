"""What a repair is, what has to be known of a box to make one, and what one tells while it runs."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.host import Finding

RepairName = Literal[
    "docker-start", "docker-group", "toolkit", "runtime", "stale-containers", "hf-cache"
]
# In the order in which they are worth doing.
NAMES: tuple[RepairName, ...] = get_args(RepairName)


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """One repair of one box.

    `script` is POSIX sh and all that runs; it may be run again at any time. `warnings` say what it
    does to others, `preview` what it would delete, with sizes. `root`: it runs as root, by sudo
    where the user is somebody else. `reconnects`: only a new connection shows what it did.
    """

    name: RepairName
    title: str
    meaning: str
    script: str
    warnings: tuple[str, ...] = ()
    preview: tuple[str, ...] = ()
    root: bool = True
    reconnects: bool = False


class RunningContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container that runs, ours or not. `mounts` are folders of the box; `model` what it serves."""

    id: str
    name: str
    managed: bool = False
    model: str | None = None
    mounts: tuple[str, ...] = ()


class StoppedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container of ours that does not run; `status` in Docker's words ("Exited (1) 2 days ago")."""

    id: str
    name: str
    status: str = ""


class CacheFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the cache that nothing refers to.

    "incomplete": a download that broke off; "unreferenced": of a revision that is gone.
    """

    kind: Literal["incomplete", "unreferenced"]
    path: str
    bytes: int


class CacheModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the cache, as "openai/gpt-oss-20b", with the size of its folder."""

    model: str
    path: str
    bytes: int


class Survey(Body, frozen=True, kw_only=True, tag="survey"):
    """What repairs need to know of a box besides the look at it.

    `running` is None where Docker could not be asked. `keeps_containers`: a restart of Docker
    leaves them running (live-restore).
    """

    running: tuple[RunningContainer, ...] | None = None
    keeps_containers: bool = False
    stopped: tuple[StoppedContainer, ...] = ()
    cache_dir: str | None = None
    files: tuple[CacheFile, ...] = ()
    models: tuple[CacheModel, ...] = ()


class RepairLine(Body, frozen=True, kw_only=True, tag="repair_line"):
    """A line that a repair's script wrote."""

    repair: str
    text: str


class RepairEnded(Body, frozen=True, kw_only=True, tag="repair_end"):
    """The script has ended with this exit status; None: it was ended itself, and said nothing."""

    repair: str
    status: int | None


class RepairResult(Body, frozen=True, kw_only=True, tag="repair"):
    """What a look at the box says after a repair.

    `fixed`: the script went well and no finding asks for this repair any more; `remaining` are
    those that still do; `text` says it in a sentence.
    """

    repair: str
    status: int | None
    fixed: bool
    text: str
    remaining: tuple[Finding, ...] = ()
