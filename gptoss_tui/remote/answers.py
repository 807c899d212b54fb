"""Answers given beforehand, for scripts: a password and a passphrase from files."""

from __future__ import annotations

from gptoss_tui.domain.prompts import Prompter, PromptRequest
from gptoss_tui.domain.secret import Secret


class Answers:
    """A `Prompter` that gives what it was given, once a login, and asks `beyond` for all else."""

    def __init__(
        self, password: Secret | None, passphrase: Secret | None, beyond: Prompter | None
    ) -> None:
        self._password = password
        self._passphrase = passphrase
        self._beyond = beyond

    @property
    def absent(self) -> bool:
        return self._beyond is None or self._beyond.absent

    async def ask(self, request: PromptRequest) -> Secret | None:
        """What was refused once is not given again: it would lock the user out."""
        given = None if request.again else self._given(request)
        if given is not None:
            return given
        return None if self._beyond is None else await self._beyond.ask(request)

    def _given(self, request: PromptRequest) -> Secret | None:
        if request.kind == "passphrase":
            return self._passphrase
        # A second factor is asked for in the same way, and is no password.
        if request.kind == "answer" and (request.echo or "password" not in request.text.lower()):
            return None
        return self._password
