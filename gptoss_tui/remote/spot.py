"""The notice of a spot box, from the metadata service that only the box can reach.

It is asked through a channel of the connection, as the servers are: where sshd forwards, there is no
process on the box, no session and no shell for it. Only a box whose firmware names its cloud is asked
(`domain.spot.cloud_of`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import datetime

import httpx

from gptoss_tui.domain.parse.http_date import http_date
from gptoss_tui.domain.spot import Identity, Metadata, Question, Reply, SpotNotice
from gptoss_tui.domain.spot.metadata import ADDRESS
from gptoss_tui.domain.spot.notice import NAMES
from gptoss_tui.errors import CommandError, ConnectionLostError
from gptoss_tui.remote import http
from gptoss_tui.remote.pulse import Pulse
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

_LIMIT = 64 * 1024
_ANSWER_S = 10.0


class Spot:
    """One box's metadata service. Close it when nobody watches any more."""

    def __init__(
        self, transport: Transport, metadata: Metadata, pulse: Pulse, now: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self._metadata = metadata
        self._pulse = pulse
        self._now = now
        self._token = ""
        host, port = ADDRESS
        self._client = http.client(
            lambda: transport.open_tcp(host, port), base_url=f"http://{host}", timeout_s=_ANSWER_S
        )

    async def identity(self) -> Identity | None:
        """None for a box that is not taken back. Raises `CommandError`, `ConnectionLostError`."""
        try:
            return self._metadata.identified(await self._answer(self._metadata.identity))
        except httpx.HTTPError as error:
            self._check_link(error)
            cloud = NAMES[self._metadata.cloud]
            raise CommandError(
                f"Whether {cloud} takes this box back cannot be seen: its metadata service does "
                f"not answer ({str(error) or type(error).__name__}).",
                "Let the user of this login reach 169.254.169.254 on the box.",
            ) from error

    async def notice(self, identity: Identity) -> SpotNotice | None:
        """The notice as it stands now. Raises `httpx.HTTPError`."""
        replies = [await self._answer(question) for question in self._metadata.notices]
        return self._metadata.read(replies, identity)

    async def now(self) -> SpotNotice | None:
        """Asked once; None where there is no notice, and where nothing can be seen of one."""
        try:
            identity = await self.identity()
            return await self.notice(identity) if identity is not None else None
        except (CommandError, httpx.HTTPError):
            return None

    async def watch(self) -> AsyncGenerator[SpotNotice, None]:
        """The notice when it comes, changes or is withdrawn; ends at once for any other box.

        Raises `CommandError` where nothing answers at first, `ConnectionLostError` later. An answer
        that does not come in between is asked for again.
        """
        identity = await self.identity()
        known: SpotNotice | None = None
        while identity is not None:
            began = self._pulse.seconds()
            try:
                found = await self.notice(identity)
            except httpx.HTTPError as error:
                self._check_link(error)
            else:
                said, known = _changed(known, found)
                if said is not None:
                    yield said
            took = self._pulse.seconds() - began
            await self._pulse.sleep(max(0.0, self._metadata.period_s - took))

    async def _answer(self, question: Question) -> Reply:
        """One answer; with a new token where the old one is over (401)."""
        for fresh in (False, True):
            if self._metadata.token is not None and (fresh or not self._token):
                token = await self._ask(self._metadata.token)
                self._token = token.text.strip() if token.status == 200 else ""
            reply = await self._ask(question)
            if reply.status != 401 or self._metadata.token is None:
                break
        return reply

    async def _ask(self, question: Question) -> Reply:
        headers = dict(question.headers)
        if self._token and question is not self._metadata.token:
            headers[self._metadata.token_header] = self._token
        told = await http.read(
            self._client, question.method, question.path, headers=headers, limit=_LIMIT
        )
        if told.status_code >= 500 or told.status_code == 429:
            raise httpx.ReadError(f"it answered {told.status_code}")
        at = http_date(told.headers.get("Date")) or self._now()
        return Reply(told.status_code, decode(told.content), at)

    def _check_link(self, error: httpx.HTTPError) -> None:
        link = self._transport.link
        if not link.open:
            raise ConnectionLostError(link.reason or "The connection was lost.") from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _changed(
    known: SpotNotice | None, found: SpotNotice | None
) -> tuple[SpotNotice | None, SpotNotice | None]:
    """What is to be said, and what is known from now on."""
    if known is None:
        return found, found
    if found is None:
        return SpotNotice(cloud=known.cloud, action="withdrawn"), None
    # Google tells no time, and Azure none once it has begun: what was known holds.
    timeless = found.cloud == "gcp" or found.deadline is None
    same = found.action == known.action and (timeless or found.deadline == known.deadline)
    return (None, known) if same else (found, found)
