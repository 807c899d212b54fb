"""Opening SSH connections through jump hosts, which are shared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import asyncssh

from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.errors import BoxError, UsageError
from gptoss_tui.remote.hops import HopPool, Lease
from gptoss_tui.remote.link import LinkWatch, watch
from gptoss_tui.remote.login import Tell
from gptoss_tui.remote.ssh_agent import agent_path
from gptoss_tui.remote.ssh_config import Config, resolve
from gptoss_tui.remote.ssh_login import ConnectOptions, Hop, Logins
from gptoss_tui.remote.ssh_options import known_name
from gptoss_tui.remote.target import Target, parse_jumps

__all__ = ["ConnectOptions", "Dialer", "Opened"]

_HOPS = 16  # a chain that is longer goes in a circle


@dataclass(frozen=True)
class Opened:
    """A connection, the config that led to it, and its hops, the nearest first."""

    connection: asyncssh.SSHClientConnection
    config: Config
    hops: tuple[str, ...]
    hop_configs: tuple[Config, ...] = ()


@dataclass(frozen=True)
class _Way:
    """What a connection goes through: a lease of the last hop, and what names the whole chain."""

    lease: Lease | None = None
    key: tuple[Hashable, ...] = ()
    hops: tuple[str, ...] = ()
    configs: tuple[Config, ...] = ()

    @property
    def hop(self) -> Hop:
        return None if self.lease is None else self.lease.connection

    def release(self) -> None:
        if self.lease is not None:
            self.lease.release()


def _nobody() -> Prompter | None:
    return None


class Dialer:
    """Opens all connections of a run. Its hops, unlocked keys and places at the gate are shared.

    `prompter` is asked for at each login, `tell` shows what a person has to do meanwhile.
    """

    def __init__(
        self,
        options: ConnectOptions,
        prompter: Callable[[], Prompter | None] = _nobody,
        tell: Tell = lambda box, what: None,
    ) -> None:
        self.options = options
        self.hops = HopPool()
        self.opened: dict[str, Opened] = {}
        self._logins = Logins(options, prompter, tell)
        self._watches: set[asyncio.Task[None]] = set()

    async def connect(self, box: str, target: Target) -> Opened:
        """One authenticated connection, through its jump hosts, each with its host key checked.

        Raises the `BoxError` family, each with what happened and what to do next.
        """
        config = await self._resolve(target, self.options.identity)
        way = await self._way(box, config, 0)
        try:
            connection = await self._logins.login(box, str(target), config, way.hop, way.release)
        except BaseException:
            way.release()
            raise
        self.opened[box] = Opened(connection, config, way.hops, way.configs)
        return self.opened[box]

    async def aclose(self) -> None:
        await self.hops.aclose()
        await self._logins.aclose()
        await asyncio.gather(*self._watches)

    async def _resolve(self, target: Target, identity: str | None) -> Config:
        # In a thread: a `Match exec` may take its time.
        return await asyncio.to_thread(resolve, target, self.options.config_file, identity)

    # --- jump hosts -----------------------------------------------------------------------------

    async def _way(self, box: str, config: Config, depth: int) -> _Way:
        """The hops of a config's ProxyJump, connected; each has a config of its own."""
        jumps = config.first("proxyjump")
        if not jumps:
            return _Way()
        if depth > _HOPS:
            raise BoxError(
                f"The jump hosts of {config.name} go in a circle.", "Mend ProxyJump in the config."
            )
        try:
            targets = parse_jumps(config.expand(jumps))
        except UsageError as error:
            raise BoxError(f"ProxyJump of {config.name}: {error.message}") from error
        way = _Way()
        for number, target in enumerate(targets):
            try:
                # A jump host takes its key from the config, not from the target's -i (as ssh -J).
                hop = await self._resolve(target, None)
            except BaseException:
                way.release()
                raise
            if not number:  # the nearest may have a jump host of its own; the others have this one
                way = await self._way(box, hop, depth + 1)
            way = await self._hop(box, str(target), hop, way)
        return way

    async def _hop(self, box: str, label: str, config: Config, way: _Way) -> _Way:
        """One hop behind `way`, whose lease passes to it, also when it fails."""
        taken = False

        async def opening(lost: Callable[[], None]) -> asyncssh.SSHClientConnection:
            nonlocal taken
            taken = True

            def ended() -> None:
                lost()
                way.release()

            try:
                connection = await self._logins.login(box, label, config, way.hop, ended)
            except BaseException:
                way.release()
                raise
            self._keep_watch(label, connection)
            return connection

        try:
            key = (*way.key, _identity(config))
            lease = await self.hops.lease(key, opening)
        finally:
            if not taken:
                way.release()  # a hop that was open already has a lease of its own on `way`
        return _Way(lease, key, (*way.hops, label), (*way.configs, config))

    def _keep_watch(self, label: str, connection: asyncssh.SSHClientConnection) -> None:
        """A silent hop is given up as soon as a silent box, also after a sleep.

        Otherwise a box that comes back would be dialled through the old connection for as long.
        """
        link = LinkWatch(label, connection.abort)
        task = asyncio.create_task(watch(connection, link), name=f"link of the hop {label}")
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)


def _identity(config: Config) -> Hashable:
    """What makes two jump hosts the same: where they are, and who logs in by which keys."""
    keys = (*config.all("identityfile"), *config.all("certificatefile"), agent_path(config))
    return (config.host, config.port, config.user, config.first("proxycommand"),
            known_name(config), keys)  # fmt: skip
