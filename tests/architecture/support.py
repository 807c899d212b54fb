"""The tree as the checks see it: paths, sources, syntax trees, and a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gptoss_tui"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Every Python file under these folders of the repository."""
    return tuple(sorted(path for name in folders for path in (ROOT / name).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def functions(module: ast.Module) -> Iterator[Function]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: Function) -> int:
    """Lines from the first decorator to the end."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return (node.end_lineno or node.lineno) - first + 1


def calls(module: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module) if isinstance(node, ast.Call))


def modules_after(code: str) -> set[str]:
    """The top-level names in `sys.modules` once a fresh interpreter has run `code`."""
    return {name.partition(".")[0] for name in loaded_after(code)}


def loaded_after(code: str) -> set[str]:
    """All names in `sys.modules` once a fresh interpreter has run `code`."""
    tail = "\nimport sys as _s; print('@@' + ' '.join(n for n, m in _s.modules.items() if m))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("@@")[2].split())
