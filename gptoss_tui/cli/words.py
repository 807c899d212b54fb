"""How words are read, and what is said of those that are off. Imports nothing heavy."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn


class WordsError(Exception):
    """The words of a command are off: `message`, and where to look. Light: errors.py is not."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


_LACKING = "arguments are required: "
_NO_NUMBER = re.compile(r"argument (\S+): invalid (int|float) value: (.*)")


def _number_words(found: re.Match[str]) -> str:
    kind = "a whole number" if found[2] == "int" else "a number"
    return f"{found[1]} takes {kind}, which {found[3]} is not"


class Words(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of a page of usage. Flags are written out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        head, lacking, names = message.partition(_LACKING)
        if lacking:  # among these are words that may be left out, where they stand between flags
            free = [str(one.metavar) for one in self._actions if one.nargs in ("?", "*")]
            message = head + lacking + ", ".join(n for n in names.split(", ") if n not in free)
        message = _NO_NUMBER.sub(_number_words, message)
        raise WordsError(f"{message[:1].upper()}{message[1:]}.", f"See `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """A word that is none of those there are: which was meant, and all of them."""
        if action.choices is None or value in action.choices:
            return
        from gptoss_tui.domain.near import did_you_mean

        known = [str(one) for one in action.choices]
        there = f"There are: {', '.join(known)}." if action.option_strings else ""
        raise WordsError(
            f"There is no {'/'.join(action.option_strings) or 'command'} {value!r}.",
            f"{did_you_mean(str(value), known)}{there or f'See `{self.prog} --help`.'}",
        )


class Command(Words):
    """Takes flags between BOX and NAME, which argparse before 3.13 does not for an optional NAME."""

    _mixing = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            known, rest = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False
        if rest:
            raise self._unknown(rest)
        return known, rest

    def _unknown(self, rest: list[str]) -> WordsError:
        """Said here, where the flags are known that may have been meant."""
        from gptoss_tui.domain.near import did_you_mean

        flag = next((word.partition("=")[0] for word in rest if word.startswith("--")), "")
        known = [word for action in self._actions for word in action.option_strings]
        meant = did_you_mean(flag, known) if flag else ""
        return WordsError(
            f"Unrecognized arguments: {' '.join(rest)}.", f"{meant}See `{self.prog} --help`."
        )


# --- values ---------------------------------------------------------------------------------------


def tokens(text: str) -> int:
    """A number of tokens; `k` is 1,024, `auto` or -1 the most that fit. Raises `WordsError`."""
    plain = text.strip().lower().replace(",", "").replace("_", "")
    if plain in ("auto", "-1"):
        return -1
    try:
        return int(plain.removesuffix("k")) * (1024 if plain.endswith("k") else 1)
    except ValueError:
        raise WordsError(
            f"{text!r} is no number of tokens.", "Write it as 32768, 32k or auto."
        ) from None


def above_zero(text: str) -> float:
    """A finite number above 0. Raises `WordsError`."""
    value = zero_or_more(text)
    if not value:
        raise WordsError(f"{text!r} is not above 0.", "Write it as 0.5 or 10.")
    return value


def zero_or_more(text: str) -> float:
    """A finite number that is not negative. Raises `WordsError`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise WordsError(f"{text!r} is no number of 0 or more.", "Write it as 0.5 or 10.")
    return value


def seconds(text: str) -> int:
    """Whole seconds, 0 or more. Raises `WordsError`."""
    if not text.isdecimal():
        raise WordsError(f"{text!r} is no number of seconds.", "Write it as 60, or 0 for none.")
    return int(text)


def local_port(text: str) -> int:
    """A port of this machine, 0 for any free one. Raises `WordsError`."""
    if not (text.isdecimal() and int(text) < 65536):
        raise WordsError(f"{text!r} is no port.", "Ports go from 1 to 65535; 0 is any free one.")
    return int(text)


def line_count(text: str) -> int:
    """How many lines, 0 for all. Raises `WordsError`."""
    if not text.isdecimal():
        raise WordsError(f"{text!r} is no number of lines.", "Write it as 200, or 0 for all.")
    return int(text)


def byte_count(text: str) -> int:
    """Bytes as vLLM reads them (`human_int`). Raises `WordsError`."""
    from gptoss_tui.domain.engines.flags import human_int  # only where the flag is given

    try:
        return human_int(text)
    except ValueError:
        raise WordsError(
            f"{text!r} is no number of bytes.", "Write it as 5368709120 or 5G."
        ) from None
