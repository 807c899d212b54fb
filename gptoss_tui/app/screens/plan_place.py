"""What the places share that show a form beside the plan made of it."""

from __future__ import annotations

from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Input

from gptoss_tui.app.in_app import in_app
from gptoss_tui.domain.blockers import findings_for
from gptoss_tui.domain.host import BoxReport


def plan_bindings(place: str) -> tuple[Binding, ...]:
    """The keys of the plan, with ids that begin with the name of the place."""
    return (
        Binding("ctrl+y", "copy", "Copy", id=f"{place}.copy"),
        Binding("ctrl+o", "page", "Page", id=f"{place}.page"),
        Binding("pageup", "scroll_plan(-1)", "Plan up", show=False, id=f"{place}.plan-up"),
        Binding("pagedown", "scroll_plan(1)", "Plan down", show=False, id=f"{place}.plan-down"),
        # Before the fields, so that what is typed right behind it goes to the next one.
        Binding("tab", "app.focus_next", "Next", id=f"{place}.next", priority=True),
        Binding(
            "ctrl+g,escape", "leave", "Back", key_display="^g", id=f"{place}.back", priority=True
        ),
    )


def blocking(report: BoxReport, engine: str, image: str | None) -> tuple[str, ...]:
    """What of the box a launch of `image` cannot get past, each with what to do."""
    found = findings_for(report, engine, image)
    return tuple(f"{one.what} {in_app(one.do)}" for one in found if one.level == "blocker")


class PlanPlace(Screen[None]):
    """A place whose plan is `#plan`, or a part of `#body` where the screen is narrow."""

    async def action_leave(self) -> None:
        """Out of the field, which keeps what it holds; from elsewhere, out of the place."""
        if isinstance(self.focused, Input):
            self.set_focus(None)
        else:
            await self.run_action("app.back")

    def action_scroll_plan(self, direction: int) -> None:
        """The plan has no focus of its own: nothing in it can be chosen."""
        scrolled = self.query_one("#body" if self.has_class("-narrow") else "#plan")
        if direction > 0:
            scrolled.scroll_page_down()
        else:
            scrolled.scroll_page_up()
