"""Text from elsewhere is shown as text: no markup, no escape, no control reaches the terminal."""

from __future__ import annotations

from pathlib import Path

from gptoss_tui.app import messages as said
from gptoss_tui.domain.chat import ChatDelta, ChatDone
from gptoss_tui.domain.host import Finding
from gptoss_tui.errors import DockerError, UnreachableError
from gptoss_tui.remote.ssh_hosts import host_names
from tests.app.fakes import FakeBox, FakeFleet
from tests.app.make import HOSTILE, SHOWN, gpu, report, sample, server
from tests.app.support import assert_clean, at_app

NAME = "[bold]box[/nope]"
SIZE = (200, 60)


def hostile_box(fleet: FakeFleet) -> FakeBox:
    box = FakeBox(NAME, fleet.hub)
    fleet.boxes = {NAME: box}
    box.report = report(
        hostname=HOSTILE,
        os=HOSTILE,
        gpus=(gpu(name=HOSTILE),),
        findings=(Finding(code="x", level="warning", what=HOSTILE, do=HOSTILE),),
    )
    box.samples = (sample(name=HOSTILE),)
    box.servers = (server("evil[bold]", model=HOSTILE),)
    box.log = (HOSTILE, "\x1b]52;c;ZXZpbA==\x07[red]log[/red]")
    box.answer = (
        ChatDelta(channel="reasoning", text=f"why {HOSTILE}"),
        ChatDelta(channel="answer", text=f"because {HOSTILE}"),
        ChatDone(finish_reason=HOSTILE, total_s=1.0),
    )
    return box


async def test_everything_a_box_says_is_text(fleet: FakeFleet) -> None:
    box = hostile_box(fleet)
    async with at_app(fleet, SIZE) as operator:
        await operator.press("enter")
        await operator.sees(NAME, "● connected", f"{SHOWN} · {SHOWN}", f"▲ {SHOWN}", "evil[bold]")
        assert_clean(operator.lines)
        await operator.press("ctrl+p")
        await operator.sees("dashboard: [bold]box[/nope]")
        assert_clean(operator.lines)
        await operator.press("escape", "enter")
        await operator.at("DashboardScreen")
        await operator.sees(f"GPU 0 {SHOWN}", f"GPUs · 1 on {NAME}", "Engine · evil[bold]")
        await operator.sees("[red]log[/red]", "evil[bold]B[/bold][/x] red")
        await operator.press("4", "f2")
        await operator.sees("you  Say hello")
        await operator.sees(f"why {SHOWN}", f"because {SHOWN}")
        await operator.until(lambda: f"{SHOWN} · first token" in operator.flat, "the end is told")
        assert_clean(operator.lines)
        await operator.press("ctrl+g")
        await operator.until(lambda: not operator.app.screen.query("Input:focus"), "it is left")
        await operator.press("p")
        await operator.at("PageScreen")
        await operator.sees("[red]log[/red]")
        assert_clean(operator.lines)
        await operator.press("q", "w")
        await operator.at("WizardScreen")
        await operator.sees(f"choose · {NAME}", "[bold]B[/bold]")
        assert_clean(operator.lines)
        await operator.press("ctrl+g")
        box.refuses["stop"] = DockerError(HOSTILE, HOSTILE)
        await operator.press("s")
        await operator.sees("Stop evil[bold] on [bold]box[/nope] and remove its container?")
        await operator.press("y")
        await operator.hears(SHOWN)
        await operator.sees("evil[bold]B[/bold][/x] red")
        assert_clean(operator.lines)


async def test_errors_and_hosts_of_the_config_are_text(fleet: FakeFleet) -> None:
    hostile_box(fleet)
    fleet.refuses["connect"] = UnreachableError(f"Nothing at {HOSTILE}", HOSTILE)
    async with at_app(fleet, SIZE) as operator:
        await operator.press("enter")
        await operator.hears(f"Nothing at {SHOWN}")
        await operator.sees(f"▲ Nothing at {SHOWN}")
        assert_clean(operator.lines)


def test_names_of_the_config_that_cannot_be_printed_are_no_hosts(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('Host good "bad\x1b[31m" "b\u202ead" "[bold]x[/nope]"\n')
    assert host_names(config) == ("good", "[bold]x[/nope]")


async def test_the_palette_finds_a_box_whatever_it_is_called(fleet: FakeFleet) -> None:
    hostile_box(fleet)
    async with at_app(fleet) as operator:
        await operator.press("ctrl+p")
        await operator.write("connect: ")
        await operator.sees("connect: [bold]box[/nope]")
        await operator.press("enter")
        await operator.until(lambda: fleet.connected == {NAME}, "it is connected")
        assert operator.said(said.ConnectRequested) == [said.ConnectRequested(NAME)]
