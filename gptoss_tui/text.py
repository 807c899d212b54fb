"""The one place that decides what foreign text may reach a terminal.

Everything that comes from a box, a file of the user's or a model passes `clean` before it becomes
part of a fact or an error. What is left is printable text, newlines and tabs: no escape sequence,
no other control character, no bidirectional override. Markup is no concern here: the screens draw
foreign text without markup.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any, TypeVar

import msgspec

# Whole sequences go first, so that their parameters do not stay behind as litter:
# CSI, then OSC/DCS/SOS/PM/APC up to their terminator, then two-byte escapes. The string sequences
# are bounded (and may not cross a line), so that an unterminated one cannot swallow a log. Each one
# ends at latest where the next begins, and gives nothing back, so that no sign is read twice.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])"
    r"[^\x07\x1b\x9c\n\x9d\x90\x98\x9e\x9f]{0,4096}+(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*+[0-~]"
)
# C0 but newline and tab, DEL, C1, line/paragraph separators, bidirectional controls,
# and lone surrogates (which cannot be encoded to UTF-8 at all).
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufff9-\ufffb]"
)


def clean(text: str) -> str:
    """`text` without terminal escapes and control characters (newline and tab stay)."""
    if text.isprintable():
        return text
    return _FORBIDDEN.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def clean_line(text: str, limit: int = 500) -> str:
    """`clean` for text that must stay on one line (names, titles): at most `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def decode(data: bytes) -> str:
    """Bytes from outside as clean text; what is no UTF-8 becomes U+FFFD, and never raises."""
    return clean(data.decode("utf-8", errors="replace"))


_T = TypeVar("_T")


def clean_struct(value: _T) -> _T:
    """`value` (a frozen Struct, tuple, dict or string) with every string in it cleaned.

    The same object comes back when nothing had to change, which is nearly always.
    """
    cleaned: Any = _clean_any(value)
    return cleaned  # type: ignore[no-any-return]


def _clean_any(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, msgspec.Struct):
        return _clean_fields(value)
    if isinstance(value, tuple):
        items = tuple(_clean_any(item) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        return {_clean_any(key): _clean_any(item) for key, item in value.items()}
    return value


def _clean_fields(value: msgspec.Struct) -> msgspec.Struct:
    changed: dict[str, Any] = {}
    for name in _text_fields(type(value)):
        old = getattr(value, name)
        new = _clean_any(old)
        if new is not old:
            changed[name] = new
    return msgspec.structs.replace(value, **changed) if changed else value


_FIGURES = frozenset({"int", "float", "bool", "None", "datetime", "tuple"})


@cache
def _text_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of `kind` that can hold text at some depth (figures need no look).

    By the words of their annotations: to evaluate those takes a millisecond per class, and each
    class comes first in the moment in which somebody waits for it.
    """
    words: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        words |= {name: str(hint) for name, hint in inspect.get_annotations(parent).items()}
    return tuple(name for name in kind.__struct_fields__ if not _is_figure(words.get(name, "")))


def _is_figure(hint: str) -> bool:
    return bool(hint) and _FIGURES.issuperset(re.findall(r"\w+", hint))
