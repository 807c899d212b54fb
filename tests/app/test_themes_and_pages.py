"""Themes, copying, pages, saving, the palette, the keymap."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from textual.theme import BUILTIN_THEMES

from gptoss_tui.app import messages as said
from gptoss_tui.app.clipboard import to_tmux
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.theming import load_themes
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.domain.instance import Instance
from gptoss_tui.state.paths import paths, theme_dirs
from tests.app.fakes import FakeFleet
from tests.app.make import sample, server
from tests.app.support import assert_clean, at_app


def shipped() -> list[str]:
    themes, problems = load_themes(theme_dirs()[:2])
    assert problems == []
    return [theme.name for theme in themes]


def test_at_least_four_themes_one_of_them_light() -> None:
    themes, _ = load_themes(theme_dirs()[:2])
    assert len(themes) >= 4
    assert any(not theme.dark for theme in themes)
    assert "gptoss-256" in {theme.name for theme in themes}


async def test_every_theme_draws_the_dashboard(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].samples = (sample(),)
    fleet.boxes["alpha"].servers = (server(),)
    async with at_app(fleet, (120, 40), clock=fleet.clock) as operator:
        await operator.press("enter")
        await operator.sees("gpt-oss-20b ready")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        for name in (*shipped(), next(iter(BUILTIN_THEMES))):
            operator.app.theme = name
            await operator.settle()
            await operator.sees("sm 87 %", "Waiting for the first figures of gpt-oss-20b…")
            assert_clean(operator.lines)
            assert f'theme = "{name}"' in paths().preferences_file.read_text()


async def test_a_broken_theme_of_the_user_is_a_warning(fleet: FakeFleet) -> None:
    folder = paths().user_themes
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("name = [")
    (folder / "odd.toml").write_text('name = "odd"\nprimary = "#ffffff"\ncolour = "x"\n')
    (folder / "mine.toml").write_text('name = "mine"\nprimary = "#ff00ff"\n')
    async with at_app(fleet) as operator:
        await operator.hears("The theme bad.toml cannot be used", "'colour' is no key of a theme")
        assert "mine" in operator.app.available_themes
        assert operator.app.theme == "gptoss-dark"


@pytest.mark.parametrize("colour", ["no-colour-at-all", "#12"])
async def test_a_theme_with_a_colour_that_is_none(fleet: FakeFleet, colour: str) -> None:
    folder = paths().user_themes
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text(f'name = "bad"\nprimary = "{colour}"\n')
    async with at_app(fleet) as operator:
        await operator.hears("The theme bad.toml cannot be used")
        assert "bad" not in operator.app.available_themes


async def test_a_theme_that_is_gone_is_said(fleet: FakeFleet) -> None:
    paths().config.mkdir(parents=True)
    paths().config_file.write_text('theme = "gone[/x]"\n')
    async with at_app(fleet) as operator:
        await operator.hears("There is no theme 'gone[/x]': gptoss-dark is used.")
        assert operator.app.theme == "gptoss-dark"


async def test_keys_of_the_user_hold(fleet: FakeFleet) -> None:
    paths().config.mkdir(parents=True)
    paths().config_file.write_text('[keys]\n"boxes.add" = "n"\n')
    async with at_app(fleet) as operator:
        await operator.sees("n Add")
        await operator.press("n")
        await operator.at("AddDialog")


async def test_copying_goes_by_osc_52(fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_app(fleet) as operator:
        driver = operator.app._driver
        assert driver is not None
        written: list[str] = []
        monkeypatch.setattr(driver, "write", written.append)
        operator.app.post_message(said.CopyRequested("two words", "the text"))
        await operator.hears("Copied: the text")
        assert f"\x1b]52;c;{base64.b64encode(b'two words').decode()}\x07" in "".join(written)
        assert not any("tmux" in notice for notice in operator.told)


async def test_tmux_is_asked_only_inside_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert await to_tmux("x") is False
    monkeypatch.setenv("TMUX", "somewhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await to_tmux("x") is False  # no tmux there: no failure either
    tmux = tmp_path / "tmux"
    tmux.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\n/bin/cat > {tmp_path}/buffer\n')
    tmux.chmod(0o700)
    assert await to_tmux("two\nlines") is True
    assert (tmp_path / "words").read_text() == "load-buffer -\n"
    assert (tmp_path / "buffer").read_text() == "two\nlines"


async def test_a_page_is_copied_and_saved_for_nobody_else(fleet: FakeFleet) -> None:
    text = "docker run \\\n  " + "x" * 200
    async with at_app(fleet, clock=fleet.clock) as operator:
        operator.app.post_message(said.PageRequested("log of ../a b", text))
        await operator.at("PageScreen")
        await operator.sees("docker run \\", "x" * 60)
        assert operator.screen.count("x") >= 200  # all of it, wrapped
        await operator.press("w")
        await operator.until(lambda: operator.screen.count("x") < 100, "unwrapped")
        await operator.press("c")
        await operator.hears("Copied: log of ../a b")
        assert operator.said(said.CopyRequested)[0].text == text
        await operator.press("s")
        await operator.hears("Saved as ")
        await operator.press("q")
        await operator.at("BoxesScreen")
    (file,) = paths().saved_pages.iterdir()
    assert file.name == "20260304-120000-log-of-..-a-b.txt"
    assert file.read_text() == text + "\n"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_page_that_cannot_be_saved_is_a_sentence(fleet: FakeFleet) -> None:
    paths().state.mkdir(parents=True)
    paths().saved_pages.write_text("in the way")
    async with at_app(fleet) as operator:
        operator.app.post_message(said.SaveRequested("log", "text"))
        await operator.hears("cannot be written")


async def test_the_palette_offers_what_can_be_done(fleet: FakeFleet) -> None:
    async with at_app(fleet, (80, 40)) as operator:
        await operator.press("enter")
        await operator.sees("● connected")
        await operator.press("ctrl+p")
        await operator.sees("dashboard: alpha", "launch on: alpha", "look again: alpha")
        await operator.sees("connect: beta")
        await operator.write("connect")
        await operator.sees_no("launch on: alpha")
        await operator.sees("connect: beta")
        await operator.press("enter")
        await operator.until(lambda: fleet.connected == {"alpha", "beta"}, "beta is connected")


def test_an_instance_has_a_row_in_every_state() -> None:
    from typing import get_args, get_type_hints

    from gptoss_tui.app.dashboard_text import server_row

    for state in get_args(get_type_hints(Instance)["state"]):
        cells = server_row(BoxModel("alpha"), server(state=state))
        assert state in cells[0]


async def test_a_key_of_the_footer_can_be_clicked(fleet: FakeFleet) -> None:
    async with at_app(fleet, (80, 24), clock=fleet.clock) as operator:
        await operator.sees("a Add", "? Keys")
        await operator.pilot.click(KeysFooter, offset=(operator.lines[-1].index("a Add"), 0))
        await operator.at("AddDialog")
        await operator.press("escape")
        await operator.at("BoxesScreen")
        await operator.pilot.click(KeysFooter, offset=(operator.lines[-1].index("? Keys"), 0))
        await operator.at("KeysScreen")
