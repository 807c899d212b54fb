"""Rules that no linter of ours knows."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.support import PACKAGE, calls, sources, tree, where


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _prints(module: ast.Module) -> list[ast.Call]:
    return [call for call in calls(module) if _name(call) in ("print", "builtins.print")]


def _bare_decodes(module: ast.Module) -> list[ast.Call]:
    """`.decode()` of bytes that could raise: no error handler, and not msgspec's decoder."""
    return [
        call
        for call in calls(module)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "decode"
        and not _name(call).startswith(("msgspec.", "json."))
        and len(call.args) < 2
        and "latin-1" not in ast.unparse(call)  # which has a character for every byte
        and not any(keyword.arg == "errors" for keyword in call.keywords)
    ]


def _groupless_workers(module: ast.Module) -> list[ast.AST]:
    """`@work` or `run_worker` without a group: a second one would run beside the first."""
    found: list[ast.AST] = []
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [d for d in node.decorator_list if _is_work(d) and not _has_group(d)]
        elif isinstance(node, ast.Call) and _name(node).endswith(".run_worker"):
            found += [] if _has_group(node) else [node]
    return found


def _is_work(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called) in ("work", "textual.work")


def _has_group(node: ast.expr) -> bool:
    words = node.keywords if isinstance(node, ast.Call) else []
    group = [ast.unparse(word.value) for word in words if word.arg == "group"]
    return bool(group) and group[0] not in ("''", "'default'", "None")


def _our_own_text(path: Path, call: ast.Call) -> bool:
    """Bytes that this very program has just encoded, or that are ASCII by construction."""
    source = ast.unparse(call)
    return any(
        part in source
        for part in ("msgspec.json.encode", "export_public_key", "export_private_key", "b64encode")
    )


def test_nothing_is_printed_outside_the_commands() -> None:
    found = [
        where(path, call)
        for path in sources("gptoss_tui")
        if PACKAGE / "cli" not in path.parents
        for call in _prints(tree(path))
    ]
    assert found == []


def test_no_bytes_from_outside_are_decoded_without_an_error_handler() -> None:
    found = [
        f"{where(path, call)} {ast.unparse(call)}"
        for path in sources("gptoss_tui")
        for call in _bare_decodes(tree(path))
        if not _our_own_text(path, call)
    ]
    assert found == []


def test_every_worker_of_the_app_has_a_group() -> None:
    found = [
        where(path, node)
        for path in sources("gptoss_tui/app")
        for node in _groupless_workers(tree(path))
    ]
    assert found == []


def test_no_shell_is_started_on_this_machine() -> None:
    found = [
        where(path, call)
        for path in sources("gptoss_tui")
        for call in calls(tree(path))
        if any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in call.keywords)
        or _name(call) in ("os.system", "os.popen", "asyncio.create_subprocess_shell")
    ]
    assert found == []


def test_the_rules_can_fail() -> None:
    module = ast.parse(
        "@work\nasync def a(): print(b'x'.decode())\n@work(exclusive=True)\nasync def b(): ...\n"
        "@work(group='x')\nasync def c(): ...\n"
        "self.run_worker(a())\nself.run_worker(a(), group='x')\nb''.decode('utf-8', 'replace')\n"
    )
    assert len(_prints(module)) == 1
    assert len(_bare_decodes(module)) == 1
    assert len(_groupless_workers(module)) == 3
