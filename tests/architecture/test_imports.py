"""What is pure stays pure, and what must be quick imports nothing heavy."""

from __future__ import annotations

import pytest

from tests.architecture.support import PACKAGE, ROOT, loaded_after, modules_after, sources

HEAVY = {"textual", "asyncssh", "httpx", "httpcore", "prometheus_client", "pynvml", "rich"}
IO = {"textual", "asyncssh", "httpx", "httpcore", "pynvml", "rich"}


def _dotted(folder: str) -> list[str]:
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources(f"gptoss_tui/{folder}")
    ]


def test_the_pure_layers_pull_in_no_io_library() -> None:
    names = [
        *_dotted("domain"),
        *_dotted("state"),
        "gptoss_tui.text",
        "gptoss_tui.errors",
    ]
    assert len(names) > 35
    loaded = modules_after(f"import {', '.join(names)}")
    assert "msgspec" in loaded
    assert loaded & IO == set()


def test_the_domain_pulls_in_no_event_loop() -> None:
    loaded = modules_after(f"import {', '.join([*_dotted('domain'), 'gptoss_tui.text'])}")
    assert "asyncio" not in loaded


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_import_nothing_heavy(flag: str) -> None:
    loaded = modules_after(
        "import sys, runpy\n"
        f"sys.argv = ['gptoss-tui', '{flag}']\n"
        "try:\n    runpy.run_module('gptoss_tui', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "else:\n    raise AssertionError('it did not exit')\n"
    )
    assert "gptoss_tui" in loaded
    assert loaded & (HEAVY | {"asyncio", "msgspec"}) == set()


def test_the_check_sees_an_import() -> None:
    assert "textual" in modules_after("import gptoss_tui.app.theming")


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        if path.read_text(encoding="utf-8").lstrip()[:3] not in ('"""', "")
    ]
    assert silent == []


def test_the_first_picture_waits_for_no_connection_and_no_plan() -> None:
    """`remote.dial` is where SSH, HTTP and the parsers are loaded, behind the first picture."""
    loaded = loaded_after("import gptoss_tui.cli.app_command, gptoss_tui.app.app")
    late = {"asyncssh", "httpx", "httpcore", "prometheus_client", "pynvml"} | {
        f"gptoss_tui.domain.{name}"
        for name in ("doctor.table", "engines.registry", "plan.planner", "repair.build")
    }
    assert "textual" in loaded
    assert loaded & late == set()


def test_the_http_client_comes_without_its_command_line() -> None:
    loaded = modules_after("import gptoss_tui.remote.dial")
    assert "httpx" in loaded
    assert loaded & {"click", "pygments"} == set()
