"""Servers on a box: those we launched and those we found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.launch import LaunchSpec

InstanceState = Literal["launching", "loading", "ready", "unhealthy", "exited", "failed", "unknown"]


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One server. `managed` is True only where our label is on its container: nothing else is stopped.

    `host` and `port` are where it listens as seen from the box (None: not published); `gpu_ids` as
    Docker or the process tells them; `state` is what was last seen of it, `detail` why.
    `replaced_by` is the launch under way that puts another version in its place.
    """

    name: str
    engine: str | None = None
    model: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    managed: bool = False
    state: InstanceState = "unknown"
    detail: str = ""
    container_id: str | None = None
    image: str | None = None
    pid: int | None = None
    gpu_ids: tuple[str, ...] = ()
    started_at: datetime | None = None
    exit_code: int | None = None
    launch_id: str | None = None
    replaced_by: str | None = None
    spec: LaunchSpec | None = None
    needs_api_key: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether its container is there, and runs no more."""
        return self.state in ("exited", "failed")

    @property
    def being_launched(self) -> bool:
        """Whether a launch of its own is under way, which a stop cancels.

        Not one that takes another server's place: that one would be started again.
        """
        launching = self.managed and self.state == "launching"
        return launching and self.launch_id is not None and self.replaced_by is None


class InstanceList(Body, frozen=True, kw_only=True, tag="instances"):
    """All servers of a box, ours first."""

    instances: tuple[Instance, ...]


class LogLine(Body, frozen=True, kw_only=True, tag="log"):
    """One line of a server's log, without its end. Docker's time stamp is the fact's `box_time`.

    `ours` is a line that no server wrote: it marks where another run begins.
    """

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"
    ours: bool = False


class Endpoint(Body, frozen=True, kw_only=True, tag="endpoint"):
    """A server's endpoint was opened on our own machine, at `base_url`; None: it was closed."""

    base_url: str | None = None


class Notice(Body, frozen=True, kw_only=True, tag="notice"):
    """Something done or found worth a sentence: the result of stop, cancel, forward."""

    text: str
    ok: bool = True
