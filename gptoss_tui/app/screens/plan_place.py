"""What the places share that show a form beside the plan made of it."""

from __future__ import annotations

from textual.binding import Binding
from textual.screen import Screen


def plan_bindings(place: str) -> tuple[Binding, ...]:
    """The keys of the plan, with ids that begin with the name of the place."""
    return (
        Binding("ctrl+y", "copy", "Copy", id=f"{place}.copy"),
        Binding("ctrl+o", "page", "Page", id=f"{place}.page"),
        Binding("pageup", "scroll_plan(-1)", "Plan up", show=False, id=f"{place}.plan-up"),
        Binding("pagedown", "scroll_plan(1)", "Plan down", show=False, id=f"{place}.plan-down"),
        # Before the fields, so that what is typed right behind it goes to the next one.
        Binding("tab", "app.focus_next", "Next", id=f"{place}.next", priority=True),
    )


class PlanPlace(Screen[None]):
    """A place whose plan is `#plan`, or a part of `#body` where the screen is narrow."""

    def action_scroll_plan(self, direction: int) -> None:
        """The plan has no focus of its own: nothing in it can be chosen."""
        scrolled = self.query_one("#body" if self.has_class("-narrow") else "#plan")
        if direction > 0:
            scrolled.scroll_page_down()
        else:
            scrolled.scroll_page_up()
