"""Asking servers: the conversation of the model, the API keys of this session, the feed.

Keys live in memory only: from a launch of this session, or asked for when a server wants one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import ChatFailed, ChatRequested
from gptoss_tui.app.screens.dialogs import SecretDialog
from gptoss_tui.domain.secret import Secret

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Chats:
    """One for the app. A conversation belongs to one server of one box."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        self._keys: dict[tuple[str, str], Secret] = {}

    def keep_key(self, box: str, instance: str, key: Secret | None) -> None:
        if key:
            self._keys[box, instance] = key

    def key(self, box: str, instance: str) -> Secret | None:
        """The key of this session, where one is known."""
        return self._keys.get((box, instance))

    def ask(self, asked: ChatRequested) -> None:
        """Begin an answer, or ask for the key that the server wants first."""
        model = self._app.model(asked.box)
        talk = model.conversations[asked.instance]
        if talk.streaming:
            return
        instance, key = model.instance(asked.instance), self._keys.get((asked.box, asked.instance))
        if instance is not None and instance.needs_api_key and key is None:
            self._ask_for_key(asked)
            return
        request = talk.ask(asked.prompt, asked.effort)
        self._app.show_chat(model, asked.instance)
        self._app.feeds.chat(asked.box, asked.instance, request, key)

    def stop(self, box: str, instance: str) -> None:
        self._app.feeds.stop_chat(box, instance)
        self._end(box, instance, "stopped")

    def failed(self, failure: ChatFailed) -> None:
        """Say it in the conversation; a refused key is forgotten, so that it is asked for anew."""
        if failure.status in (401, 403):
            self._keys.pop((failure.box, failure.instance), None)
            model = self._app.model(failure.box)
            talk = model.conversations[failure.instance]
            again = ChatRequested(failure.box, failure.instance, talk.turns[-1].prompt, talk.effort)
            self._ask_for_key(again)
        self._end(failure.box, failure.instance, in_app(str(failure.error)))

    def _end(self, box: str, instance: str, words: str) -> None:
        model = self._app.model(box)
        model.conversations[instance].fail(words)
        self._app.show_chat(model, instance)

    def _ask_for_key(self, asked: ChatRequested) -> None:
        def given(key: str | None) -> None:
            if key:
                self.keep_key(asked.box, asked.instance, Secret(key))
                self.ask(asked)
            else:  # the question goes back to where it was written
                model = self._app.model(asked.box)
                model.draft = model.draft or asked.prompt
                self._app.show_chat(model, asked.instance)

        title = f"{asked.instance} wants an API key"
        self._app.push_screen(SecretDialog(title, "It is kept until the app ends."), given)
