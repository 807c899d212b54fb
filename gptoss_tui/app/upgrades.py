"""Which launches of a box put another version in a server's place, and which are still at it."""

from __future__ import annotations

from collections.abc import Iterable

from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import set_aside
from gptoss_tui.domain.progress import LaunchProgress


class Upgrades:
    """Told by what this session asked for, and by the old containers that a box keeps meanwhile."""

    def __init__(self) -> None:
        self._replaces: dict[str, str] = {}  # a server's name, by the launch
        self._under_way: set[str] = set()
        self._aside: set[str] = set()  # launches whose old server was set aside, as listed last

    def asked(self, launch_id: str, server: str) -> None:
        """This session launches in the place of `server`."""
        self._replaces[launch_id] = server

    def progressed(self, launch: LaunchProgress) -> None:
        """How a launch stands."""
        if launch.state != "running":
            self._under_way.discard(launch.launch_id)
        elif launch.launch_id in self._replaces:
            self._under_way.add(launch.launch_id)

    def listed(self, servers: Iterable[Instance]) -> None:
        """What is on the box: an upgrade of anybody else shows by the container it would go back to."""
        named = {one.name: one for one in servers}
        aside = {
            one.launch_id: one.name
            for one in named.values()
            if one.launch_id is not None and set_aside(one.name, one.launch_id) in named
        }
        self._replaces |= aside
        self._under_way = (self._under_way - (self._aside - aside.keys())) | aside.keys()
        self._aside = set(aside)

    def replaced_by(self, launch_id: str) -> str | None:
        """The server whose place a launch takes, or took."""
        return self._replaces.get(launch_id)

    def of(self, server: str) -> str | None:
        """The launch that is putting another version in the place of `server`."""
        return next((one for one in self._under_way if self._replaces[one] == server), None)
