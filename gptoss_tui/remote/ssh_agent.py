"""The user's agent: its keys, in the order in which OpenSSH would offer them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

import asyncssh

from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.remote.ssh_keys import Identities

Waiting = Callable[[str, float], AbstractContextManager[None]]
# An agent that asks nobody has answered by then; one that takes longer waits for a person.
ASKS_S = 1.0


def agent_path(config: Config) -> str | None:
    """The agent's socket as the config or the environment names it; None for none."""
    named = config.first("identityagent")
    if named is None or named == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if named.lower() == "none":
        return None
    if named.startswith("$") and not named.startswith("${"):
        return os.environ.get(named[1:]) or None
    return str(config.path(named))


class AgentKeys:
    """The keys of one agent, which has to stay open while one of them is tried."""

    def __init__(self, config: Config) -> None:
        self._path = agent_path(config)
        self._only = config.says("identitiesonly")
        self._agent: asyncssh.SSHAgentClient | None = None

    async def pairs(self, named: Identities, waiting: Waiting) -> list[asyncssh.SSHKeyPair]:
        """Keys that the config names or certifies come first, others only without IdentitiesOnly.

        An agent may ask a person before it tells its keys (a locked 1Password, for one).
        """
        if self._path is None:
            return []
        try:
            with waiting("waiting for the agent", ASKS_S):
                self._agent = await asyncssh.connect_agent(self._path)
                held = list(await self._agent.get_keys())
        except (OSError, ValueError, asyncssh.Error):
            return []  # as with OpenSSH: an agent that does not answer has no keys
        order = {data: number for number, data in enumerate(named.public)}
        first = sorted(
            (pair for pair in held if pair.public_data in order),
            key=lambda pair: order[pair.public_data],
        )
        others = [] if self._only else [pair for pair in held if pair.public_data not in order]
        mine = [one for pair in first for one in named.certified(pair)]
        rest = [one for pair in others for one in named.certified(pair)]
        rest.sort(key=lambda pair: pair.public_data in {other.public_data for other in others})
        return [_patient(pair, waiting) for pair in (*mine, *rest)]

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None


def _patient(pair: asyncssh.SSHKeyPair, waiting: Waiting) -> asyncssh.SSHKeyPair:
    """Any agent may ask a person before it signs, which takes as long as it takes.

    A security key waits for a finger, always: that is said at once.
    """
    sign = pair.sign_async  # type: ignore[attr-defined]
    what, after_s = ("waiting for the agent", ASKS_S)
    if pair.algorithm.startswith(b"sk-"):
        what, after_s = ("touch the security key", 0.0)

    async def sign_async(data: bytes) -> bytes:
        with waiting(what, after_s):
            signature: bytes = await sign(data)
            return signature

    pair.sign_async = sign_async  # type: ignore[attr-defined]
    return pair
