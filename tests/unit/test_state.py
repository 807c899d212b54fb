"""Our own files: where they are, private, atomic, versioned, safe with two instances."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from gptoss_tui.errors import StateError
from gptoss_tui.state import boxes, files
from gptoss_tui.state.boxes import StoredBox
from gptoss_tui.state.paths import paths, theme_dirs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "boxes.toml"


# --- where --------------------------------------------------------------------------------------


def test_one_folder_for_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path / "h"))
    found = paths()
    assert {found.config, found.data, found.state} == {
        tmp_path / "h" / name for name in ("config", "data", "state")
    }
    assert theme_dirs()[-1] == tmp_path / "h" / "config" / "themes"
    assert not (tmp_path / "h").exists(), "asking for paths creates nothing"


@pytest.mark.skipif("not __import__('sys').platform.startswith('linux')", reason="XDG is Linux's")
def test_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GPTOSS_TUI_HOME", raising=False)
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    found = paths()
    assert found.config_file == tmp_path / "CONFIG" / "gptoss-tui" / "config.toml"
    assert found.boxes_file == tmp_path / "DATA" / "gptoss-tui" / "boxes.toml"
    assert found.known_hosts.parent == found.measurements_file.parent == found.boxes_file.parent
    assert found.debug_log == tmp_path / "STATE" / "gptoss-tui" / "debug.log"
    assert found.saved_pages.parent == found.debug_log.parent
    assert found.user_themes.parent == found.config_file.parent


# --- writing ------------------------------------------------------------------------------------


def test_files_and_folders_are_private(file: Path) -> None:
    old = os.umask(0)
    try:
        boxes.remember(file, StoredBox(name="a"))
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_private(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        files.write_private(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for action in (files.write_private, lambda path, _: files.locked(path).__enter__()):
        with pytest.raises(StateError) as refusal:
            action(tmp_path / "file" / "x" / "y", "text")
        assert str(tmp_path) in refusal.value.message


# --- versions -----------------------------------------------------------------------------------


def test_a_file_of_a_newer_version_stays_untouched(file: Path) -> None:
    newer = "version = 2\n[[boxes]]\nname = 'a'\ncolour = 'red'\n"
    files.write_private(file, newer)
    for action in (
        lambda: boxes.read(file),
        lambda: boxes.remember(file, StoredBox(name="b")),
        lambda: boxes.forget(file, "a"),
    ):
        with pytest.raises(StateError, match="newer gptoss-tui") as refusal:
            action()
        assert "left untouched" in refusal.value.next_step
    assert file.read_text() == newer


@pytest.mark.parametrize(
    "content", [b"version = ", b"\xff\xfe", b"version = 1\nboxes = [{port = 22}]",
                b"version = 1\nboxes = 3", b"version = 'x'"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_said_and_kept(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(StateError, match=r"boxes\.toml"):
        boxes.remember(file, StoredBox(name="b"))
    assert file.read_bytes() == content


def test_no_file_is_no_boxes(file: Path) -> None:
    assert boxes.read(file) == ()
    assert not file.parent.exists()


# --- boxes --------------------------------------------------------------------------------------


def test_boxes_are_remembered_replaced_and_forgotten(file: Path) -> None:
    full = StoredBox(name="b", host="1.2.3.4", port=40123, user="root", identity="~/k", jump="j")
    for box in (StoredBox(name="a"), full, StoredBox(name="c")):
        boxes.remember(file, box)
    assert boxes.read(file) == (StoredBox(name="a"), full, StoredBox(name="c"))
    boxes.remember(file, StoredBox(name="a", port=23))
    assert [(box.name, box.port) for box in boxes.read(file)] == [
        ("b", 40123),
        ("c", None),
        ("a", 23),
    ]
    boxes.forget(file, "b")
    boxes.forget(file, "nobody")
    assert [box.name for box in boxes.read(file)] == ["c", "a"]
    assert file.read_text().startswith("version = 1\n")


def test_odd_names_come_back(file: Path) -> None:
    name = 'a"b\\c\n[[boxes]]\té'
    boxes.remember(file, StoredBox(name=name))
    assert boxes.read(file)[0].name == name


def _remember_many(file: Path, prefix: str, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    for number in range(20):
        boxes.remember(file, StoredBox(name=f"{prefix}{number}"))


def test_two_instances_lose_nothing(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    writers = [
        context.Process(target=_remember_many, args=(file, prefix, start)) for prefix in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert {box.name for box in boxes.read(file)} == {f"{p}{n}" for p in "ab" for n in range(20)}
