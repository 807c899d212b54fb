"""The Host names of an ssh config."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptoss_tui.remote.ssh_hosts import host_names


def _names(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "config").write_text(text, encoding="utf-8")
    return host_names(folder / "config")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Host\tbox", ("box",)),
        ("host = box", ("box",)),
        ("HOST=box", ("box",)),
        ('  Host "box" # mine', ("box",)),
        ("Host a b a\nHost c", ("a", "b", "c")),
        ("Host *\nHost a-* !a-1 a?\nHost real", ("real",)),
        ("Host a\r\n  HostName 1.2.3.4\r\n", ("a",)),
        ("# Host a\nHostName b\nMatch host c\n\n", ()),
        ('Host "open', ("open",)),
        ("# a comment\u2028Host evil\r# one more\x0bHost evil\n", ()),
        ("", ()),
    ],
)
def test_names(text: str, names: tuple[str, ...], tmp_path: Path) -> None:
    assert _names(tmp_path, text) == names


def test_what_is_included_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative names are relative to ~/.ssh, also in a file of another folder: `ssh -F` has it so."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "1").write_text("Host one\n")
    (folder / "2").write_text(f"Host two\nInclude {tmp_path}/config\n")
    text = f"Include conf.d/* {tmp_path}/none ~nobody-is-called-so/x\nHost last"
    assert _names(tmp_path, text) == ("one", "two", "last")


def test_a_config_that_is_not_there_names_nobody(tmp_path: Path) -> None:
    assert host_names(tmp_path / "none") == ()
    assert host_names(tmp_path) == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_odd_lines_never_raise(tmp_path: Path, text: str) -> None:
    assert "box" in _names(tmp_path, f"{text}\nHost box\n")
