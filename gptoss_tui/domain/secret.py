"""The one type that secrets live in: tokens, API keys, passphrases, passwords."""

from __future__ import annotations


class Secret:
    """A secret text. Prints as stars; `reveal` is for the one place that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, text: str | None) -> Secret | None:
        """The secret, or None where nothing was given."""
        return cls(text) if text else None

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("secrets are not serialised")
