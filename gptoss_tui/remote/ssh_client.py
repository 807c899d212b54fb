"""Our side of one login: judges the host key, answers what only a person can answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import asyncssh
from asyncssh.public_key import SSHOpenSSHCertificate

from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.errors import AuthError, ChangedHostKeyError, GptossError
from gptoss_tui.remote import known_hosts
from gptoss_tui.remote.known_hosts import KnownHosts
from gptoss_tui.remote.login import Questions
from gptoss_tui.remote.ssh_host_certs import Verdict, judge_certificates
from gptoss_tui.text import clean

PROMPTS = 3  # NumberOfPasswordPrompts of OpenSSH
_ROUNDS = 10  # a server that never stops asking is none
_SAID = 400  # of what it says before its question, which has to be seen as well


class Client(asyncssh.SSHClient):
    """Remembers why a login was refused, in words. `host` and `port` are as known_hosts has them.

    `accept` keeps the key of a host never seen before; without it such a key is refused.
    """

    def __init__(
        self,
        label: str,
        host: str,
        port: int,
        *,
        known: KnownHosts,
        questions: Questions,
        accept: Callable[[str], None] | None,
        keys: Callable[[], Awaitable[list[asyncssh.SSHKeyPair]]],
        authority_algorithms: Sequence[str],
        prompts: int = PROMPTS,
    ) -> None:
        self.label = label
        self.host, self.port = host, port
        self.known = known
        self.refusal: GptossError | None = None
        self._questions = questions
        self._accept = accept
        self._keys: Callable[[], Awaitable[list[asyncssh.SSHKeyPair]]] | None = keys
        self._authority_algorithms = authority_algorithms
        self._prompts = prompts
        self._passwords = self._challenges = 0
        self.on_lost: Callable[[], None] = lambda: None
        self.on_made: Callable[[asyncssh.SSHClientConnection], None] = lambda conn: None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        judge_certificates(conn, self._judged)
        self.on_made(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost()

    # --- the host key ---------------------------------------------------------------------------

    def _judged(self, certificate: SSHOpenSSHCertificate, signed_by: str) -> Verdict:
        _, _, revoked = self.known.trusted(self.host, self.port)
        if certificate.key in revoked:
            self.refusal = known_hosts.error_for(
                self.host, self.port, certificate.key, "revoked", self.known
            )
            return "refuse"
        if certificate.signing_key in revoked:
            self.refusal = self._authority(certificate.signing_key, "is marked as revoked")
            return "refuse"
        if signed_by not in self._authority_algorithms:
            return "plain"
        standing = self.known.standing(self.host, self.port, certificate.key)
        return "plain" if standing == "known" else "certificate"

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        standing = self.known.standing(self.host, self.port, key)
        if standing == "known":
            return True
        if standing == "unknown" and self._accept is not None:
            self._accept(known_hosts.entry(self.host, self.port, key))
            return True
        self.refusal = known_hosts.error_for(self.host, self.port, key, standing, self.known)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        if key in self.known.trusted(self.host, self.port)[1]:
            return True
        self.refusal = self._authority(key, "is not on file")
        return False

    def _authority(self, key: asyncssh.SSHKey, said: str) -> ChangedHostKeyError:
        return ChangedHostKeyError(
            f"The host key of {self.host} is certified by an authority that {said}: "
            f"{key.get_fingerprint()}.",
            "Do not connect, or have its @cert-authority line mended in your known_hosts.",
            host=self.host,
            port=self.port,
            fingerprint=key.get_fingerprint(),
            key=known_hosts.entry(self.host, self.port, key),
        )

    # --- keys -----------------------------------------------------------------------------------

    async def public_key_auth_requested(self) -> list[asyncssh.SSHKeyPair]:
        """All keys at once, when the server first asks for one; none the second time."""
        keys, self._keys = self._keys, None
        return [] if keys is None else await keys()

    # --- questions ------------------------------------------------------------------------------

    async def password_auth_requested(self) -> str | None:
        again, self._passwords = self._passwords > 0, self._passwords + 1
        if self._passwords > self._prompts:
            return None
        return await self._ask("password", "password", f"Password of {self.label}:", again=again)

    def kbdint_auth_requested(self) -> str | None:
        self._challenges += 1
        return "" if self._challenges <= self._prompts and not self._questions.cancelled else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        said = _few_lines(f"{name}\n{instructions}", 8)[:_SAID]
        answers: list[str] = []
        if len(prompts) > _ROUNDS:
            return None
        for number, (prompt, echo) in enumerate(prompts):
            text = _few_lines(prompt, 2)
            text = f"{said}\n{text}" if said and not number else text
            title = "answer" if echo else "password or second factor"
            again = self._challenges > 1 and not number
            answer = await self._ask(
                "answer", title, f"{self.label} asks: {text}", echo=echo, again=again
            )
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def _ask(
        self, kind: str, title: str, text: str, *, echo: bool = False, again: bool = False
    ) -> str | None:
        request = PromptRequest(
            self._questions.box,
            "password" if kind == "password" else "answer",
            f"{self.label}: {title}",
            text,
            echo=echo,
            again=again,
        )
        answer = await self._questions.ask(request)
        return None if answer is None else answer.reveal()

    @property
    def gave_up(self) -> bool:
        """Whether it ended because a question had no answer."""
        return self._questions.cancelled

    def refused(self, error: str, problems: list[str]) -> AuthError:
        """The refusal of the login, with what could not be tried."""
        if self._questions.cancelled:
            return AuthError(
                f"The login to {self.label} was cancelled.", "Connect again when you want to."
            )
        asked = self._passwords + self._challenges > 0 and not self._questions.unasked
        hints = [f"{problem}." for problem in problems]
        if self._questions.unasked:
            hints.append(
                "It asks for a password, a passphrase or a second factor: connect on a terminal, "
                "or give --password-file FILE (for a key: ssh-add)."
            )
        elif not asked:
            hints.append("Check the user name and the key (ssh-add -l, IdentityFile, -i KEY).")
        else:
            hints.append("Check the user name and what you typed.")
        return AuthError(f"{self.label} refused the login: {error.rstrip('.')}.", " ".join(hints))


def _few_lines(text: str, most: int) -> str:
    """The first lines that have something in them: many empty ones would push the question away."""
    return "\n".join([line for line in clean(text).splitlines() if line.strip()][:most])
