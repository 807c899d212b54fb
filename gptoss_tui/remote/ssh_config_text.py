"""How the text of an ssh config is read: words, quotes, comments and patterns, as OpenSSH does."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Their value is the rest of the line, whatever is in it.
WHOLE_LINE = frozenset({"proxycommand", "remotecommand", "localcommand", "knownhostscommand"})
_KEYWORD = re.compile(r'"?([^\s="]+)"?(?:[ \t\f]*=[ \t\f]*|[ \t\f]+|$)(.*)', re.DOTALL)
_BLANKS = " \t\f\r\n"
_SHELL_UNSAFE = re.compile(r"^-|[\x00-\x20\x7f'\"`;&<>|(){}$*?!#~\\]")


def shell_unsafe(value: str) -> bool:
    """Whether a shell would read more than a plain word in it, or a program an option."""
    return _SHELL_UNSAFE.search(value) is not None


def words_of(line: str) -> tuple[str, list[str]]:
    """The keyword (lower case) and its arguments; an empty keyword for blanks and comments."""
    stripped = line.strip(_BLANKS)
    if not stripped or stripped.startswith("#"):
        return "", []
    found = _KEYWORD.match(stripped)
    if found is None:
        return "", []
    keyword, rest = found[1].lower(), found[2]
    if keyword in WHOLE_LINE:
        return keyword, [rest] if rest else []
    return keyword, split(rest)


def split(text: str) -> list[str]:
    """Arguments between blanks; quotes hold them together, `#` before one ends the line.

    A quote that is never closed ends with the line: OpenSSH would refuse the whole file.
    """
    words: list[str] = []
    place = 0
    while place < len(text):
        if text[place] in _BLANKS:
            place += 1
            continue
        if text[place] == "#":
            break
        word, place = _word(text, place)
        words.append(word)
    return words


def _word(text: str, place: int) -> tuple[str, int]:
    quote, parts = "", []
    while place < len(text):
        sign = text[place]
        following = text[place + 1 : place + 2]
        if (
            sign == "\\"
            and following
            and (following in "'\"\\" or (not quote and following == " "))
        ):
            parts.append(following)
            place += 1
        elif quote:
            if sign == quote:
                quote = ""
            else:
                parts.append(sign)
        elif sign in "'\"":
            quote = sign
        elif sign in _BLANKS:
            break
        else:
            parts.append(sign)
        place += 1
    return "".join(parts), place


def matches(name: str, pattern: str) -> bool:
    """One pattern with `*` and `?`, which are all the signs that OpenSSH knows."""
    # Not a regular expression: with a dozen stars that takes longer than anybody waits.
    at = place = 0
    star, tried = -1, 0
    while at < len(name):
        if place < len(pattern) and pattern[place] == "*":
            star, tried = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", name[at]):
            at, place = at + 1, place + 1
        elif star >= 0:  # the last star takes one sign more
            tried += 1
            at, place = tried, star + 1
        else:
            return False
    return not pattern[place:].strip("*")


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """A list of patterns: one must fit, and none that begins with `!`."""
    fits = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if matches(name, pattern[1:]):
                return False
        elif matches(name, pattern):
            fits = True
    return fits
