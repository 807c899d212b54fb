"""Files stay under 400 lines and functions under 60."""

from __future__ import annotations

import ast

from tests.architecture.support import ROOT, functions, length, sources, tree, where

FILE_LINES = 400
FUNCTION_LINES = 60


def test_no_file_is_over_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("gptoss_tui", "tests", ".ci")
    }
    assert len(lengths) > 50
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_script_or_style_sheet_is_over_400_lines() -> None:
    found = [
        path
        for pattern in ("*.sh", "*.tcss")
        for folder in ("gptoss_tui", "tests", ".ci")
        for path in (ROOT / folder).rglob(pattern)
    ]
    assert len(found) > 3
    long = [path.name for path in found if len(path.read_text().splitlines()) > FILE_LINES]
    assert long == []


def test_no_function_is_over_60_lines() -> None:
    long = [
        f"{where(path, node)} {node.name}: {length(node)}"
        for path in sources("gptoss_tui", "tests", ".ci")
        for node in functions(tree(path))
        if length(node) > FUNCTION_LINES
    ]
    assert long == []


def test_the_measure_counts_decorators_and_the_last_line() -> None:
    module = ast.parse("@a\n@b\ndef f():\n    x = 1\n    return (\n        x\n    )\n")
    assert [length(node) for node in functions(module)] == [7]
