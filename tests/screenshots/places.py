"""The tour: from the list of boxes to a chat answer, with a picture at every place."""

from __future__ import annotations

from textual.widgets import Input

from gptoss_tui.app.screens.dashboard import PANES
from gptoss_tui.app.screens.launch import LaunchScreen
from gptoss_tui.app.screens.wizard import WizardScreen
from gptoss_tui.domain.chat import ChatDone
from gptoss_tui.domain.facts import AnyFact
from tests.screenshots.stage import Stage

WIDE, SMALL, TINY = "160x48", "80x24", "40x12"
LIGHT = "gptoss-light"
BOX = "sim-1"


async def tour(stage: Stage) -> dict[str, str]:
    """All pictures by their names."""
    await boxes(stage)
    await launch(stage)
    await dashboard(stage)
    await chat(stage)
    await questions(stage)
    return stage.pictures


async def boxes(stage: Stage) -> None:
    for number, box in enumerate(("sim-1", "sim-2")):
        if number:
            await stage.press("down")
        await stage.press("enter")
        model = stage.app.model(box)
        await stage.until(
            lambda m=model: m.report is not None and m.instances is not None,  # type: ignore[misc]
            f"{box} is looked at",
        )
    await stage.press("up")
    await stage.draw("boxes", WIDE, SMALL)
    await stage.draw("boxes", WIDE, theme=LIGHT)


async def launch(stage: Stage) -> None:
    await stage.press("w")
    screen = stage.app.screen
    assert isinstance(screen, WizardScreen)
    screen.query_one("#model-120b").value = True  # type: ignore[attr-defined]
    await stage.settle()
    await stage.draw("wizard", WIDE, SMALL, TINY)
    await stage.draw("wizard", WIDE, theme=LIGHT)
    await stage.press("ctrl+l")
    assert isinstance(stage.app.screen, LaunchScreen)
    model = stage.app.model(BOX)
    await stage.until(lambda: bool(model.launches), "the launch begins")
    # Longer pauses than a poll of the launch takes, so that none of its steps is missed.
    await stage.pass_time(6.0, tick=0.5, quiet=0.4)
    await stage.draw("launch-pulling", WIDE, SMALL)
    await stage.until(
        lambda: any(fact.body.state == "ready" for fact in model.launches.values()),
        "the launch is ready",
        tick=1.0,
    )
    await stage.draw("launch-ready", WIDE, SMALL)


async def dashboard(stage: Stage) -> None:
    await stage.press("d")
    await stage.press("ctrl+g")  # out of the chat's line, which would take the digits below
    model = stage.app.model(BOX)
    await stage.until(lambda: bool(model.engines), "the engine is watched")
    await stage.pass_time(75.0, tick=1.0)
    await stage.draw("dashboard", WIDE)
    await stage.draw("dashboard", WIDE, theme=LIGHT)
    await stage.draw("dashboard", WIDE, theme="gptoss-256")
    for key, pane in (("1", "gpus"), ("2", "engine"), ("3", "log")):
        await stage.press(key)
        assert stage.app.screen.query_one(f"#{PANES[int(key) - 1]}").has_class("-shown")
        await stage.draw(pane, SMALL)
    await stage.press("1")
    await stage.draw("gpus", TINY)


async def chat(stage: Stage) -> None:
    done: list[AnyFact] = []
    untap = stage.app.fleet.hub.tap(
        lambda fact: done.append(fact) if isinstance(fact.body, ChatDone) else None
    )
    await stage.press("4")
    line = stage.app.screen.query_one("ChatPane Input", Input)
    line.value = "Explain MXFP4 quantization in one paragraph."
    await stage.press("enter")
    await stage.pass_time(0.5, tick=0.05)
    await stage.until(lambda: bool(done), "the answer has ended", tick=0.25)
    untap()
    await stage.draw("chat", WIDE, SMALL)
    await stage.press("ctrl+g")


async def questions(stage: Stage) -> None:
    await stage.press("1")
    await stage.press("question_mark")
    await stage.draw("help", WIDE, SMALL)
    await stage.press("question_mark")
    await stage.press("s")
    await stage.draw("dialog", WIDE, SMALL)
    await stage.press("n")
    await stage.press("v")
    version = stage.app.screen.query_one("#version", Input)
    version.value = "0.31.0"
    await stage.settle()
    await stage.draw("upgrade", WIDE, SMALL)
