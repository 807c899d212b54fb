"""The list of servers by itself: cursor, choice, mark; and content that grows without a layout."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.geometry import Size
from textual.screen import Screen

from gptoss_tui.app.widgets.log_view import LogView
from gptoss_tui.app.widgets.server_list import Cells, ServerList

Rows = dict[str, Cells]


def rows(*names: str) -> Rows:
    return {name: ("● ready", name, ":8000  1 GPU", "openai/gpt-oss-20b") for name in names}


class CountingScreen(Screen[None]):
    """Counts how often all of it is laid out."""

    layouts = 0

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        self.layouts += 1
        super()._refresh_layout(size, scroll)


class Shown(App[None]):
    CSS = "LogView { height: 10; }"

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[str] = []

    def get_default_screen(self) -> CountingScreen:
        return CountingScreen()

    def compose(self) -> ComposeResult:
        yield ServerList(id="servers")
        yield LogView(id="log")

    def on_server_list_chosen(self, event: ServerList.Chosen) -> None:
        self.chosen.append(event.name)

    @property
    def servers(self) -> ServerList:
        return self.query_one(ServerList)

    def lines(self) -> list[str]:
        return [self.servers.render_line(y).text.rstrip() for y in range(self.servers.size.height)]


async def test_the_keys_choose_a_server() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        app.servers.focus()
        await pilot.pause()
        app.servers.show(rows("a", "b", "c"))
        await pilot.press("down", "enter", "j", "j", "enter", "k", "up", "up", "enter")
        await pilot.pause()
        assert app.chosen == ["b", "c", "a"]


async def test_a_click_chooses_a_server_and_none_below_the_last() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        app.servers.show(rows("a", "b"))
        await pilot.pause()
        await pilot.click(ServerList, offset=(5, 1))
        app.servers.show(rows("a"))
        await pilot.pause()
        app.servers.styles.height = 2
        await pilot.pause()
        await pilot.click(ServerList, offset=(5, 1))
        await pilot.pause()
        assert app.chosen == ["b"]


async def test_the_cursor_stays_on_its_server_while_that_is_there() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        app.servers.focus()
        await pilot.pause()
        app.servers.show(rows("a", "b", "c"))
        await pilot.press("down", "down")
        app.servers.show(rows("0", "a", "c"))
        await pilot.press("enter")
        app.servers.show(rows("0", "a"))  # it has gone: the one that is now in its place
        await pilot.press("enter")
        app.servers.show({})
        await pilot.press("enter", "down")
        app.servers.show(rows("z"))
        await pilot.press("enter")
        await pilot.pause()
        assert app.chosen == ["c", "a", "z"]


async def test_the_watched_server_is_marked_and_a_fifth_is_scrolled_to() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        app.servers.focus()
        await pilot.pause()
        app.servers.show(rows("a", "b", "c", "d", "e"))
        app.servers.watched = "a"
        await pilot.pause()
        assert [line[:2] for line in app.lines()] == ["▸ ", "  ", "  ", "  "]
        await pilot.press("down", "down", "down", "down")
        assert [line.split()[2] for line in app.lines()] == ["b", "c", "d", "e"]
        await pilot.press("enter")
        await pilot.pause()
        assert app.chosen == ["e"]


async def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        app.servers.show(rows("a-name-that-is-much-too-long-for-it"))
        await pilot.pause()
        assert "a-name-that-is-mu… :8000" in app.lines()[0]


async def test_a_first_server_and_lines_of_a_log_lay_nothing_out_anew() -> None:
    app = Shown()
    async with app.run_test() as pilot:
        await pilot.pause()
        screen, log = app.screen, app.query_one(LogView)
        assert isinstance(screen, CountingScreen)
        before = screen.layouts
        app.servers.show(rows("a"))
        log.add(["one", "two"])
        log.flush()
        await pilot.pause()
        assert screen.layouts == before
        log.add([str(number) for number in range(30)])  # now there is a scroll bar
        log.flush()
        await pilot.pause()
        assert screen.layouts > before
        assert (log.max_scroll_y, log.scroll_offset.y) == (22, 22)
        seen = screen.layouts
        log.add(["last"])
        log.flush()
        await pilot.pause()
        assert screen.layouts == seen
        assert log.scroll_offset.y == log.max_scroll_y == 23
        assert log.vertical_scrollbar.window_virtual_size == 33
