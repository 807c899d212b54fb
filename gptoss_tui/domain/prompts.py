"""What only a person can answer on the way into a box: passphrases, passwords, second factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gptoss_tui.domain.secret import Secret
from gptoss_tui.text import clean, clean_line

Kind = Literal["passphrase", "password", "answer"]
_TEXT = 600


@dataclass(frozen=True)
class PromptRequest:
    """One question. `title` is ours, `text` may be a server's own words: both are cleaned here.

    `echo` says whether the answer may be seen while it is typed; `again` that the last one was
    wrong.
    """

    box: str
    kind: Kind
    title: str
    text: str
    echo: bool = False
    again: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", clean_line(self.title, 120))
        object.__setattr__(self, "text", clean(self.text).strip()[:_TEXT])


class Prompter(Protocol):
    """Whoever can ask a person."""

    @property
    def absent(self) -> bool:
        """Whether nobody is there, so that no answer is no refusal."""

    async def ask(self, request: PromptRequest) -> Secret | None:
        """The answer; None when there is none: cancelled, or nobody is there."""
