"""The notice of a spot box, from the metadata service that only the box can reach.

It is asked through a channel of the connection, as the servers are: where sshd forwards, there is no
process on the box, no session and no shell for it. Only a box whose firmware names its cloud is asked
(`domain.spot.cloud_of`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import TypeVar

import httpx

from gptoss_tui.domain.parse.http_date import http_date
from gptoss_tui.domain.spot.metadata import ADDRESS, Identity, Metadata, Question, Reply, Unseen
from gptoss_tui.domain.spot.notice import NAMES, SpotNotice, same_notice, withdrawn
from gptoss_tui.errors import CommandError, ConnectionLostError
from gptoss_tui.remote import http
from gptoss_tui.remote.pulse import Pulse
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

T = TypeVar("T")

_LIMIT = 64 * 1024
_ANSWER_S = 10.0
# The answer with a token does not come where it may not travel so far; the SDKs wait 1 or 2 s for it.
_TOKEN_S = 4.0
BLIND_S = 180.0  # Azure may take two minutes for the first answer


class Spot:
    """One box's metadata service. Close it when nobody watches any more."""

    def __init__(
        self, transport: Transport, metadata: Metadata, pulse: Pulse, now: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self._metadata = metadata
        self._pulse = pulse
        self._now = now
        self._token: str | None = None  # "": there is none to be had
        host, port = ADDRESS
        self._client = http.client(
            lambda: transport.open_tcp(host, port), base_url=f"http://{host}", timeout_s=_ANSWER_S
        )

    async def now(self) -> SpotNotice | None:
        """Asked once; None where there is no notice.

        Raises `CommandError` where that cannot be seen, `ConnectionLostError`.
        """
        identity = self._seen(await self._identity())
        return None if identity is None else self._seen(await self._notice(identity))

    async def watch(self, known: SpotNotice | None = None) -> AsyncGenerator[SpotNotice, None]:
        """The notice when it comes, changes or is withdrawn; ends at once for any other box.

        `known` is what was told of this box before: only what differs from it is told.
        Raises `CommandError` where nothing can be seen at first, or for `BLIND_S` seconds later on,
        and `ConnectionLostError`. What cannot be seen for a shorter time is asked for again.
        """
        identity = self._seen(await self._identity())
        if identity is None:
            if known is not None:
                yield withdrawn(known)
            return
        seen_at = self._pulse.seconds()
        while True:
            began = self._pulse.seconds()
            found = await self._notice(identity)
            if not isinstance(found, Unseen):
                seen_at = began
                said, known = _changed(known, found)
                if said is not None:
                    yield said
            elif began - seen_at > BLIND_S:
                raise self._cannot(found)
            took = self._pulse.seconds() - began
            await self._pulse.sleep(max(0.0, self._metadata.period_s - took))

    async def _identity(self) -> Identity | Unseen | None:
        """None for a box that is not taken back."""
        try:
            return self._metadata.identified(await self._answer(self._metadata.identity))
        except httpx.HTTPError as error:
            return self._silent(error)

    async def _notice(self, identity: Identity) -> SpotNotice | Unseen | None:
        """As it stands now."""
        try:
            replies = [await self._answer(question) for question in self._metadata.notices]
        except httpx.HTTPError as error:
            return self._silent(error)
        return self._metadata.read(replies, identity)

    def _silent(self, error: httpx.HTTPError) -> Unseen:
        """No answer came; without a connection, none could."""
        link = self._transport.link
        if not link.open:
            raise ConnectionLostError(link.reason or "The connection was lost.") from error
        return Unseen(f"does not answer ({str(error) or type(error).__name__})")

    def _seen(self, found: T | Unseen) -> T:
        if isinstance(found, Unseen):
            raise self._cannot(found)
        return found

    def _cannot(self, unseen: Unseen) -> CommandError:
        cloud = NAMES[self._metadata.cloud]
        return CommandError(
            f"Whether {cloud} takes this box back cannot be seen: its metadata service "
            f"{unseen.why}.",
            unseen.do,
        )

    async def _answer(self, question: Question) -> Reply:
        """One answer; with a new token where the old one is over (401)."""
        renewed = self._token is None
        if renewed:
            self._token = await self._new_token()
        reply = await self._ask(question)
        if reply.status == 401 and not renewed and self._metadata.token is not None:
            self._token = await self._new_token()
            reply = await self._ask(question)
        return reply

    async def _new_token(self) -> str:
        """Nothing where none is given: it may answer without one too."""
        if self._metadata.token is None:
            return ""
        self._token = ""
        try:
            reply = await self._ask(self._metadata.token, answer_s=_TOKEN_S)
        except httpx.ReadTimeout:
            return ""
        token = reply.text.strip()
        return token if reply.status == 200 and token.isascii() and token.isprintable() else ""

    async def _ask(self, question: Question, answer_s: float = _ANSWER_S) -> Reply:
        headers = dict(question.headers)
        if self._token:
            headers[self._metadata.token_header] = self._token
        timeout = httpx.Timeout(_ANSWER_S, read=answer_s)
        told = await http.read(
            self._client, question.method, question.path, headers=headers, timeout=timeout,
            limit=_LIMIT,
        )  # fmt: skip
        if told.status_code >= 500 or told.status_code == 429:
            raise httpx.ReadError(f"HTTP {told.status_code}")
        at = http_date(told.headers.get("Date")) or self._now()
        return Reply(told.status_code, decode(told.content), at)

    async def aclose(self) -> None:
        await self._client.aclose()


def _changed(
    known: SpotNotice | None, found: SpotNotice | None
) -> tuple[SpotNotice | None, SpotNotice | None]:
    """What is to be said, and what is known from now on."""
    if known is None:
        return found, found
    if found is None:
        return withdrawn(known), None
    return (None, known) if same_notice(known, found) else (found, found)
