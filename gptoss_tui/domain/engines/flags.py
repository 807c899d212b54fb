"""The flags of a command line, read as the engines' argparse reads them: the one place that does.

`--flag value` and `--flag=value`, vLLM's short forms, `_` for `-`, `--no-flag`; of a repeated flag the
last one counts. Which words follow a flag as its values, only the engine knows: all up to the next
flag are taken for them. vLLM's parser: `vllm/utils/argparse_utils.py` and `vllm/engine/arg_utils.py`,
https://docs.vllm.ai/en/latest/configuration/engine_args.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

_SHORT = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-q": "--quantization",
}
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")  # argparse takes these for values
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """A flag in its long form, `off` where it was written as `--no-…`; without a name: mere words.

    `values` are the words behind it, `words` all of it as it was written.
    """

    name: str = ""
    values: tuple[str, ...] = ()
    off: bool = False
    words: tuple[str, ...] = ()

    @property
    def value(self) -> str | None:
        """Its first value; None for a switch."""
        return self.values[0] if self.values else None

    def __str__(self) -> str:
        name = f"--no-{self.name.removeprefix('--')}" if self.off else self.name
        return " ".join((name, *self.values))


def parts_of(command: tuple[str, ...]) -> Iterator[Flag]:
    """The whole command line in its order, words that belong to no flag among it."""
    words = list(command)
    while words:
        written = [words.pop(0)]
        if written == ["--"]:  # what follows are words, whatever they begin with
            yield Flag(words=("--", *words))
            return
        if not _begins_flag(written[0]):
            yield Flag(words=tuple(written))
            continue
        name, values = _named(written[0])
        while values is None and words and words[0] != "--" and not _begins_flag(words[0]):
            written.append(words.pop(0))
        yield _flag(name, tuple(written[1:]) if values is None else values, tuple(written))


def flags_of(command: tuple[str, ...]) -> dict[str, Flag]:
    """The flags by their names; of a repeated one the last."""
    return {flag.name: flag for flag in parts_of(command) if flag.name}


def value_of(name: str, command: tuple[str, ...]) -> str | None:
    """The value of a flag, by its long form; None where it is not there or has none."""
    flag = flags_of(command).get(name)
    return (flag.value or None) if flag else None


def without(command: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    """The command line as it was written, but for these flags with their values."""
    gone = flags_of(tuple(names))
    kept = (part.words for part in parts_of(command) if part.name not in gone)
    return tuple(word for words in kept for word in words)


def changes(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """What differs between two command lines, a line for each flag."""
    old, new = flags_of(before), flags_of(after)
    return tuple(
        _change(old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if str(old.get(name)) != str(new.get(name))
    )


def _change(old: Flag | None, new: Flag | None) -> str:
    if new is None:
        return f"without {old}"
    if old is None:
        return f"with {new}"
    if not old.values or not new.values:
        return f"{old} → {new}"
    return f"{old.name} {' '.join(old.values)} → {' '.join(new.values)}"


def _begins_flag(word: str) -> bool:
    name = word.partition("=")[0]
    return name[:1] == "-" and name.strip("-") != "" and " " not in word and not _NUMBER.match(name)


def _named(word: str) -> tuple[str, tuple[str, ...] | None]:
    """The long form, and the value that the word itself has."""
    name, equals, value = word.partition("=")
    given = (value,) if equals else None
    if name.startswith("--"):
        return name.replace("_", "-"), given
    if name in _SHORT:
        return _SHORT[name], given
    if name[:2] in _SHORT:  # "-qNAME"
        return _SHORT[name[:2]], (word[2:],)
    return name, given


def _flag(name: str, values: tuple[str, ...], words: tuple[str, ...]) -> Flag:
    off = name.startswith("--no-") and name.strip("-") != "no" and not values
    named = f"--{name.removeprefix('--no-')}" if off else name
    return Flag(name=named, values=values, off=off, words=words)


# --- values ---------------------------------------------------------------------------------------


def human_int(text: str) -> int:
    """A whole number as vLLM takes it for tokens and bytes: 1k is 1,000, 1K 1,024, 25.6k 25,600.

    k, m, g, t by 1,000 and K, M, G, T by 1,024, which take no decimals:
    https://docs.vllm.ai/en/latest/cli/ (human-readable integer arguments). Raises `ValueError`.
    """
    match = _HUMAN.fullmatch(text.strip())
    if match is None:
        return int(text)
    number, letter = match.groups()
    power = "kmgt".index(letter.lower()) + 1
    if letter.isupper():
        return int(number) << 10 * power
    return int(float(number) * 10.0 ** (3 * power))


def human_int_or_auto(text: str) -> int:
    """The same for `--max-model-len`, where "auto" is -1: the longest that fits."""
    return -1 if text.strip().lower() in ("-1", "auto") else human_int(text)
