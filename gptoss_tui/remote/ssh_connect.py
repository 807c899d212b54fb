"""Opening SSH connections: config, shared jump hosts, host keys, logins that may ask a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.errors import BoxError, GptossError, UsageError
from gptoss_tui.remote import known_hosts
from gptoss_tui.remote.hops import HopPool, Lease
from gptoss_tui.remote.login import Clock, Gate, Place, Questions, Tell
from gptoss_tui.remote.ssh_agent import AgentKeys, agent_path
from gptoss_tui.remote.ssh_client import PROMPTS, Client
from gptoss_tui.remote.ssh_config import Config, resolve
from gptoss_tui.remote.ssh_errors import explain, too_many
from gptoss_tui.remote.ssh_keys import Identities, KeyRing
from gptoss_tui.remote.ssh_options import connect_s, known_for, known_name, options_of
from gptoss_tui.remote.target import Target, parse_jumps

LOGIN_TIMEOUT_S = 20.0
_HOPS = 16  # a chain that is longer goes in a circle


@dataclass(frozen=True)
class ConnectOptions:
    """How to connect: as `ssh -F config_file -i identity`, plus our own known_hosts file."""

    own_known_hosts: Path
    config_file: Path | None = None
    identity: str | None = None
    accept_new: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """A connection, the config that led to it, and its hops, the nearest first."""

    connection: asyncssh.SSHClientConnection
    config: Config
    hops: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """What a connection goes through: a lease of the last hop, and what names the whole chain."""

    lease: Lease | None = None
    key: tuple[Hashable, ...] = ()
    hops: tuple[str, ...] = ()

    @property
    def tunnel(self) -> asyncssh.SSHClientConnection | None:
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
        self._prompter = prompter
        self._tell = tell
        self._gate = Gate()
        self._keys = KeyRing()

    async def connect(self, box: str, target: Target) -> Opened:
        """One authenticated connection, through its jump hosts, each with its host key checked.

        Raises the `BoxError` family, each with what happened and what to do next.
        """
        config = await self._resolve(target, self.options.identity)
        way = await self._way(box, config, 0)
        try:
            connection = await self._login(box, str(target), config, way.tunnel, way.release)
        except BaseException:
            way.release()
            raise
        self.opened[box] = Opened(connection, config, way.hops)
        return self.opened[box]

    async def aclose(self) -> None:
        await self.hops.aclose()

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
            # A jump host takes its key from the config, not from the target's -i, as with ssh -J.
            hop = await self._resolve(target, None)
            if not number:  # the nearest may have a jump host of its own; the others have this one
                way = await self._way(box, hop, depth + 1)
            way = await self._hop(box, str(target), hop, way)
        return way

    async def _hop(self, box: str, label: str, config: Config, way: _Way) -> _Way:
        """One hop behind `way`, whose lease passes to it."""
        key = (*way.key, _identity(config))
        taken = False

        async def opening(lost: Callable[[], None]) -> asyncssh.SSHClientConnection:
            nonlocal taken
            taken = True

            def ended() -> None:
                lost()
                way.release()

            try:
                return await self._login(box, label, config, way.tunnel, ended)
            except BaseException:
                way.release()
                raise

        try:
            lease = await self.hops.lease(key, opening)
        finally:
            if not taken:
                way.release()  # a hop that was open already has a lease of its own on `way`
        return _Way(lease, key, (*way.hops, label))

    # --- one login ------------------------------------------------------------------------------

    async def _login(
        self,
        box: str,
        label: str,
        config: Config,
        tunnel: asyncssh.SSHClientConnection | None,
        lost: Callable[[], None],
    ) -> asyncssh.SSHClientConnection:
        """Raises the `BoxError` family. `lost` is called at the end of a connection that was up."""
        known = await asyncio.to_thread(known_for, config, self.options.own_known_hosts)
        prepared = options_of(config, known, self.options.extra)
        waited = connect_s(config)
        agent, identities = AgentKeys(config), Identities()
        async with Place(self._gate) as place:
            clock = Clock(waited)
            questions = Questions(box, self._prompter(), clock, place, self._tell)

            async def keys() -> list[asyncssh.SSHKeyPair]:
                nonlocal identities
                identities = await self._keys.identities(config, box, questions.ask)
                held = await agent.pairs(identities, questions.waiting)
                there = {pair.public_data for pair in held}
                return held + [p for p in identities.pairs() if p.public_data not in there]

            client = Client(
                label, *known_name(config), known=known, questions=questions, keys=keys,
                accept=self._keep if self.options.accept_new else None, prompts=_prompts(config),
            )  # fmt: skip
            client.on_made = lambda: clock.restart(LOGIN_TIMEOUT_S)
            try:
                async with clock:
                    connection, _ = await asyncssh.create_connection(
                        lambda: client, config.host, config.port,
                        options=prepared, config=None, tunnel=tunnel or (),
                    )  # fmt: skip
            except Exception as error:
                problem = _refusal(error, client, identities.problems)
                raise problem or explain(error, label, config.host, clock.seconds) from error
            finally:
                agent.close()
        client.on_lost = lost
        if connection.is_closed():  # between the two lines above nothing can happen; before, it can
            lost()
        return connection

    def _keep(self, line: str) -> None:
        known_hosts.accept(self.options.own_known_hosts, line)


def _refusal(error: Exception, client: Client, problems: list[str]) -> GptossError | None:
    """What our side of the login knows of its end; None where it is none of its doing."""
    if client.refusal is not None:
        return client.refusal
    if isinstance(error, asyncssh.PermissionDenied) or too_many(error) or client.gave_up:
        return client.refused(str(error), problems)
    return None


def _prompts(config: Config) -> int:
    value = config.first("numberofpasswordprompts") or ""
    return int(value) if value.isascii() and value.isdigit() else PROMPTS


def _identity(config: Config) -> Hashable:
    """What makes two jump hosts the same: where they are, and who logs in by which keys."""
    keys = (*config.all("identityfile"), *config.all("certificatefile"), agent_path(config))
    return (config.host, config.port, config.user, config.first("proxycommand"),
            known_name(config), keys)  # fmt: skip
