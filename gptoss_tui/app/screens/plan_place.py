"""What the places share that show a form beside the plan made of it."""

from __future__ import annotations

from typing import Any

from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import CopyRequested, PageRequested
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.plan_text import warning_line
from gptoss_tui.domain.blockers import blocking as blocking_findings
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
    found = blocking_findings(report, engine, image)
    return tuple(f"{one.what} {in_app(one.do)}" for one in found)


def unheard_lines(model: BoxModel) -> list[Content]:
    """That the box is not heard right now, and when it was: an age would have to be drawn anew."""
    link, report = model.link, model.report
    if link is None or link.phase == "up" or report is None:
        return []
    heard = max(fact.our_time for fact in (report, model.instances, model.gpus) if fact)
    seen = f"{heard.astimezone():%H:%M:%S}"
    return [warning_line(f"The box is not heard right now: what is known of it is from {seen}.")]


class PlanPlace(Screen[None]):
    """A place whose plan is `#plan`, or a part of `#body` where the screen is narrow."""

    def command(self) -> str:
        """What would be launched, as a docker run line; nothing while the form is wrong."""
        raise NotImplementedError

    def problem(self) -> str:
        """Why there is no command."""
        raise NotImplementedError

    def action_copy(self) -> None:
        if command := self._command_or_why():
            self.post_message(CopyRequested(command, "the docker run line"))

    def action_page(self) -> None:
        if command := self._command_or_why():
            self.post_message(PageRequested("docker run", command))

    def _command_or_why(self) -> str:
        app: Any = self.app
        command = self.command()
        if not command:
            app.tell(f"There is no command yet: {self.problem()}", "warning")
        return command

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
