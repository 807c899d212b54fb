"""The form in which the probe script prints: sections, pairs, answers of programs."""

from __future__ import annotations

from collections import defaultdict

from gptoss_tui.domain.parse.numbers import whole

Sections = defaultdict[str, list[str]]


def sections(text: str) -> Sections:
    """Lines that are not empty, by the section that they stand in."""
    found: Sections = defaultdict(list)
    current = ""
    for line in text.splitlines():
        if line.startswith("@@"):
            current = line[2:].strip()
            found[current] = []
        elif line.strip():
            found[current].append(line)
    return found


def pairs(lines: list[str]) -> dict[str, str]:
    """`key=value` lines; the first of a key wins (the first Docker socket is the one to use)."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        found.setdefault(key.strip(), value.strip())
    return found


def answer(lines: list[str], asked: tuple[str, ...]) -> tuple[str, tuple[str, ...], int | None]:
    """What a program said, the fields it was asked for in the end, its exit status if it ended."""
    fields, status = asked, None
    said: list[str] = []
    for line in lines:
        if line.startswith("@fields "):
            fields = tuple(line.removeprefix("@fields ").strip().split(","))
        elif line.startswith("@status "):
            status = whole(line.removeprefix("@status "))
        else:
            said.append(line)
    return "\n".join(said), fields, status


def kib(text: str | None) -> int | None:
    """A number of KiB, in bytes."""
    value = whole(text)
    return None if value is None else value * 1024
