"""Reading the project's Markdown: named shell blocks, tables, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]))

_BLOCK = re.compile(r"(?:<!-- block: (?P<name>[\w-]+) -->\n)?```sh\n(?P<text>.*?)```", re.DOTALL)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def shell_blocks(text: str) -> dict[str, str]:
    """The ```sh blocks by the name in the comment above them; a nameless one is named ""."""
    return {found["name"] or "": found["text"] for found in _BLOCK.finditer(text)}


def commands(block: str) -> tuple[str, ...]:
    """A block's commands, one a line, without comments; continued lines are joined."""
    joined = block.replace("\\\n", " ")
    lines = (" ".join(line.split()) for line in joined.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def table(text: str, heading: str) -> tuple[tuple[str, ...], ...]:
    """The rows of the first table whose head row begins with `heading`, without the head."""
    rows = _rows_after(text.splitlines(), heading)
    return tuple(tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows)


def _rows_after(lines: list[str], heading: str) -> Iterator[str]:
    starts = [n for n, line in enumerate(lines) if line.startswith(f"| {heading} |")]
    assert starts, f"there is no table headed {heading!r}"
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            return
        yield line.strip()


def prose(text: str) -> str:
    """`text` without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def ticked(text: str) -> tuple[str, ...]:
    """What stands between backticks, outside of blocks."""
    return tuple(re.findall(r"`([^`\n]+)`", prose(text)))


def links(text: str) -> tuple[str, ...]:
    """The targets of all links and pictures, outside of code."""
    return tuple(_LINK.findall(prose(text)))


def anchors(text: str) -> frozenset[str]:
    """The anchors that a document's headings make."""
    headings = _HEADING.findall(prose(text))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(word.strip().replace(" ", "-") for word in words)
