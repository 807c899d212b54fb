"""What a box needs of a person before it can be entered: secrets, and a word on its host key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import HostKeyAsked, PromptAsked
from gptoss_tui.app.screens.dialogs import AskDialog, Choice, SecretDialog
from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import ChangedHostKeyError, GptossError, HostKeyError

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Asking:
    """The app's `Prompter`. One dialog at a time; one question for all boxes that wait for it."""

    absent = False

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        self._one = asyncio.Lock()
        self._waiting: dict[str, list[str]] = {}

    async def ask(self, request: PromptRequest) -> Secret | None:
        """Show the dialog; None when it was closed. It goes away with whoever asked."""
        async with self._one:
            answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            # By message: whoever logs in is no part of the app, and may not push screens on it.
            self._app.post_message(PromptAsked(request, answer))
            text = await answer
        return None if text is None else Secret(text)

    def show(self, message: PromptAsked) -> None:
        if message.answer.done():
            return
        request = message.request
        again = "That was not accepted. Once more:\n\n" if request.again else ""
        dialog = SecretDialog(request.title, f"{again}{request.text}", echo=request.echo)

        def given(text: str | None) -> None:
            if not message.answer.done():
                message.answer.set_result(text)

        def gone(answer: asyncio.Future[str | None]) -> None:
            if answer.cancelled() and dialog in self._app.screen_stack:
                dialog.post_message(SecretDialog.Withdrawn())

        message.answer.add_done_callback(gone)
        self._app.push_screen(dialog, given)

    # --- host keys ------------------------------------------------------------------------------

    def unknown_key(self, message: HostKeyAsked) -> None:
        """Ask about a key never seen before."""
        error = message.error
        choices = (Choice("accept", "a", "Accept"), Choice("refuse", "r", "Refuse"))

        def accept() -> None:
            self._app.fleet.accept_host_key(error)

        text = f"{error.message}\n\n{error.next_step}"
        self._key_question(message.box, AskDialog("Unknown host", text, choices),
                           error, "accept", accept)  # fmt: skip

    def changed_key(self, box: str, error: ChangedHostKeyError) -> None:
        """Tell of a changed key; one in our own file can be forgotten on the spot."""
        forget = (Choice("forget", "f", "Forget the old key"),) if error.ours else ()
        choices = (*forget, Choice("close", "c", "Do not connect"))
        # A key that is in other files too is not gone by this answer alone.
        step = in_app(error.next_step) if error.ours else error.next_step

        def forgotten() -> None:
            self._app.fleet.forget_host_key(error)

        text = f"{error.message}\n\n{step}"
        self._key_question(box, AskDialog("Changed host key", text, choices),
                           error, "forget", forgotten)  # fmt: skip

    def _key_question(
        self, box: str, dialog: AskDialog, error: HostKeyError, yes: str, act: Callable[[], None]
    ) -> None:
        """Ask once for all boxes behind the same host; on yes, connect them."""
        waiting = self._waiting.get(error.key)
        if waiting is not None:
            waiting.append(box)
            return
        self._waiting[error.key] = [box]

        def decided(choice: str | None) -> None:
            boxes = self._waiting.pop(error.key)
            if choice != yes:
                return
            try:
                act()
            except GptossError as failure:
                self._app.show_error(failure, f"{yes} the key")
                return
            for name in dict.fromkeys(boxes):
                self._app.feeds.connect(name)

        self._app.push_screen(dialog, decided)
