"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The beginning of a next step: "Did you mean status? ", or nothing where no word is near."""
    import difflib  # only for what went wrong: it takes a while to load

    words = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), words, n=1)
    return f"Did you mean {words[near[0]]}? " if near and words[near[0]] != word else ""
