"""The chat of the dashboard: the pane, and what is asked by it of the server that is watched."""

from __future__ import annotations

from typing import Any

from textual import on

from gptoss_tui.app.messages import ChatRequested, ChatStopRequested, CopyRequested
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.widgets.chat_pane import ChatPane
from gptoss_tui.app.widgets.pane import Pane


class ChatPanel(Pane):
    """Shows the conversation with one server of `model`, and posts what the user wants of it."""

    def __init__(self, digit: int, model: BoxModel, *, id: str) -> None:
        super().__init__(digit, "Chat", ChatPane(), id=id)
        self._model = model
        self._server: str | None = None

    @property
    def _chat(self) -> ChatPane:
        return self.query_one(ChatPane)

    def on_mount(self) -> None:
        super().on_mount()
        self._chat.restore(self._model.draft)

    def watch_server(self, name: str | None) -> None:
        """It is about this server now."""
        self._server = name
        self.detail = name or ""
        self.show_turns()

    def show_turns(self, *, restored: bool = False) -> None:
        """Draw what was said; `restored` when a question was given back to the field."""
        turns = self._model.conversations[self._server].turns if self._server else ()
        self._chat.show(turns)
        if restored:
            self._chat.restore(self._model.draft)

    @on(ChatPane.Asked)
    def _asked(self, event: ChatPane.Asked) -> None:
        app: Any = self.app
        if self._server is None:
            app.tell("No server runs here: launch one first (w).", "warning")
        elif self._model.conversations[self._server].streaming:
            app.tell("An answer is still coming: ctrl+x stops it.", "warning")
        else:
            self._chat.taken(event.prompt)
            self._model.draft = self._model.draft.removeprefix(event.prompt)
            request = ChatRequested(self._model.name, self._server, event.prompt, event.effort)
            self.post_message(request)

    @on(ChatPane.Written)
    def _written(self, event: ChatPane.Written) -> None:
        self._model.draft = event.draft

    @on(ChatPane.Stopped)
    def _stopped(self) -> None:
        if self._server is not None:
            self.post_message(ChatStopRequested(self._model.name, self._server))

    @on(ChatPane.CopyAnswer)
    def _copy(self, event: ChatPane.CopyAnswer) -> None:
        self.post_message(CopyRequested(event.text, "the answer"))

    @on(ChatPane.EffortChanged)
    def _effort(self) -> None:
        self.hint = f"effort {self._chat.effort}"
