"""One login: config, host key, keys, questions, ProxyCommand; and every failure in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.errors import GptossError, UnansweredError, UnreachableError
from gptoss_tui.remote import gates, known_hosts
from gptoss_tui.remote.gates import Gates, Place
from gptoss_tui.remote.known_hosts import KnownHosts
from gptoss_tui.remote.login import Clock, Questions, Tell
from gptoss_tui.remote.ssh_agent import AgentKeys
from gptoss_tui.remote.ssh_client import PROMPTS, Client
from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.remote.ssh_errors import explain, too_many
from gptoss_tui.remote.ssh_keys import Identities, KeyRing
from gptoss_tui.remote.ssh_options import (
    authority_algorithms,
    connect_s,
    known_for,
    known_name,
    options_of,
)
from gptoss_tui.remote.ssh_proxy import Proxy, proxy_command
from gptoss_tui.remote.ssh_tunnel import Tunnel
from gptoss_tui.remote.ssh_turn import Turn

LOGIN_TIMEOUT_S = 20.0
Hop = asyncssh.SSHClientConnection | None


@dataclass(frozen=True)
class ConnectOptions:
    """How to connect: as `ssh -F config_file -i identity`, plus our own known_hosts file."""

    own_known_hosts: Path
    config_file: Path | None = None
    identity: str | None = None
    accept_new: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


class Logins:
    """All logins of a run: they share the places at the gate and the keys that were unlocked."""

    def __init__(
        self, options: ConnectOptions, prompter: Callable[[], Prompter | None], tell: Tell
    ) -> None:
        self._options = options
        self._prompter = prompter
        self._tell = tell
        self._gates = Gates()
        self._ring = KeyRing()
        self._proxies: set[Proxy] = set()

    async def login(
        self, box: str, label: str, config: Config, hop: Hop, lost: Callable[[], None]
    ) -> asyncssh.SSHClientConnection:
        """Raises the `BoxError` family. `lost` is called at the end of a connection that was up."""
        known = await asyncio.to_thread(known_for, config, self._options.own_known_hosts)
        command = None if hop is not None else proxy_command(config)
        async with self._place(config, hop, command is not None) as place:
            attempt = _Attempt(label, config, place, Clock(connect_s(config)))
            attempt.questions = Questions(box, self._prompter(), attempt.clock, place, self._tell)
            attempt.client = self._client(attempt, known)
            attempt.prepared = options_of(config, known, self._options.extra)
            if command is not None:
                attempt.proxy = await Proxy.start(command)
                self._proxies.add(attempt.proxy)
            try:
                connection = await attempt.run(hop)
            except Exception as error:
                raise await attempt.failure(error) from error
            finally:
                attempt.agent.close()
                if attempt.proxy is not None and not attempt.succeeded:
                    self._stop(attempt.proxy)

        def ended() -> None:
            if attempt.proxy is not None:
                self._stop(attempt.proxy)
            lost()

        attempt.client.on_lost = ended  # nothing was awaited since the connection was seen to be up
        return connection

    def _place(self, config: Config, hop: Hop, by_command: bool) -> Place:
        server: Hashable = (hop, config.host, config.port)
        if not by_command:
            return Place(self._gates, server)
        # The same command for another box may log in at the same server on the way.
        return Place(self._gates, config.first("proxycommand"), gates.PROXY_SILENT_S)

    def _client(self, attempt: _Attempt, known: KnownHosts) -> Client:
        questions = attempt.questions

        async def keys() -> list[asyncssh.SSHKeyPair]:
            found = await self._ring.identities(attempt.config, questions)
            attempt.identities = found
            held = await attempt.agent.pairs(found, questions.waiting)
            there = {pair.public_data for pair in held}
            return held + [pair for pair in found.pairs() if pair.public_data not in there]

        return Client(
            attempt.label, *known_name(attempt.config), known=known, questions=questions, keys=keys,
            accept=self._keep if self._options.accept_new else None,
            authority_algorithms=authority_algorithms(attempt.config),
            prompts=_prompts(attempt.config),
        )  # fmt: skip

    def _keep(self, line: str) -> None:
        known_hosts.accept(self._options.own_known_hosts, line)

    def _stop(self, proxy: Proxy) -> None:
        proxy.stop().add_done_callback(lambda task: self._proxies.discard(proxy))

    async def aclose(self) -> None:
        """End what was started for connections, which are closed by now."""
        await asyncio.gather(*(proxy.wait_stopped() for proxy in tuple(self._proxies)))


class _Attempt:
    """The parts of one login while it lasts."""

    client: Client
    questions: Questions
    prepared: asyncssh.SSHClientConnectionOptions

    def __init__(self, label: str, config: Config, place: Place, clock: Clock) -> None:
        self.label = label
        self.config = config
        self.place = place
        self.clock = clock
        self.agent = AgentKeys(config)
        self.identities = Identities()
        self.proxy: Proxy | None = None
        self.succeeded = False
        self._turn: Turn | None = None

    async def run(self, hop: Hop) -> asyncssh.SSHClientConnection:
        self.client.on_made = self._made
        try:
            async with self.clock:
                connection, _ = await asyncssh.create_connection(
                    lambda: self.client, self.config.host, self.config.port,
                    options=self.prepared, config=None, tunnel=() if hop is None else Tunnel(hop),
                    sock=None if self.proxy is None else self.proxy.socket,
                )  # fmt: skip
        finally:
            self.client.on_made = lambda late: None  # a channel that opens after all is closed
            if self._turn is not None:
                self._turn.stop()
        if connection.is_closed():  # it ended in the moment in which it was up
            raise asyncssh.ConnectionLost("Connection lost")
        self.succeeded = True
        return connection

    def _made(self, connection: asyncssh.SSHClientConnection) -> None:
        if self.proxy is None:  # that a ProxyCommand's program runs says nothing of the server
            self.place.reached()
            self.clock.restart(LOGIN_TIMEOUT_S)
        self._turn = Turn(connection, self._answered)

    async def _answered(self) -> None:
        self.clock.restart(LOGIN_TIMEOUT_S)
        self.clock.stop()
        try:
            await self.place.answered()
        finally:
            self.clock.go_on()

    async def failure(self, error: Exception) -> GptossError:
        """What our side of the login knows of its end comes before what the library says."""
        client, questions = self.client, self.questions
        if client.refusal is not None:
            return client.refusal
        if isinstance(error, asyncssh.PermissionDenied) or too_many(error) or client.gave_up:
            return client.refused(str(error), self.identities.problems)
        if questions.unanswered:
            return UnansweredError(
                f"{self.label} hung up before it had an answer ({questions.unanswered}).",
                "Connect again, and answer sooner: how long a server waits is its LoginGraceTime.",
            )
        said = "" if self.proxy is None else await self.proxy.last_words()
        if said:
            return UnreachableError(
                f"{self.label} cannot be reached by its ProxyCommand: {said.rstrip('.')}.",
                "Try `ssh` to the same box.",
            )
        return explain(error, self.label, self.config.host, self.clock.seconds)


def _prompts(config: Config) -> int:
    value = config.first("numberofpasswordprompts") or ""
    return int(value) if value.isascii() and value.isdigit() else PROMPTS
