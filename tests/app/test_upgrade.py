"""Another version in a server's place, from the dashboard: shown, asked, followed, rolled back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.app import messages as said
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.progress import LaunchProgress, Phase
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.sim.container import Container
from tests.app.fakes import FakeFleet
from tests.app.make import report, server, spec
from tests.app.support import Operator, at_app
from tests.remote.support import Rig, serving, simulated

OLD, NEW = "0.31.0", "0.32.0"


def old_server(**changes: Any) -> Any:
    old = spec(engine_version=OLD, image=f"vllm/vllm-openai:v{OLD}", gpu_ids=("GPU-0",))
    return server(spec=old, **changes)


@asynccontextmanager
async def dashboard(fleet: FakeFleet, size: tuple[int, int] = (120, 50)) -> AsyncIterator[Operator]:
    async with at_app(fleet, size, clock=fleet.clock) as operator:
        await operator.press("enter")
        await operator.until(lambda: operator.app.model("alpha").report is not None, "looked at")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("3")
        await operator.sees("gpt-oss-20b")
        yield operator


@pytest.fixture
def serves(fleet: FakeFleet) -> FakeFleet:
    """alpha serves gpt-oss-20b by an older version, with three requests at work."""
    fleet.boxes["alpha"].report = report(driver_version="580.65")
    fleet.boxes["alpha"].servers = (old_server(),)
    fleet.boxes["alpha"].scrape = EngineSnapshot(healthy=True, running=3.0, waiting=1.0)
    return fleet


async def test_what_changes_the_plan_and_the_requests_are_shown(serves: FakeFleet) -> None:
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.sees("Upgrade gpt-oss-20b on alpha", f"vLLM version or tag (now {OLD})")
        await operator.sees(f"version: {OLD} → {NEW}", "✓ fits", "KV cache")
        await operator.sees(f"image: vllm/vllm-openai:v{OLD} → vllm/vllm-openai:v{NEW}")
        await operator.sees("It works on 3 requests, and 1 waits.")
        await operator.until(lambda: "serves until the image is there." in operator.flat, "how")
        await operator.press("end", "ctrl+u")
        await operator.write("0.9.0")
        await operator.sees("✗ vLLM 0.9.0 cannot serve GPT-OSS.")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is upgraded: vLLM 0.9.0 cannot serve GPT-OSS.")
        await operator.press("ctrl+g", "ctrl+g")  # out of the field, and out of the place
        await operator.at("DashboardScreen")
    assert serves.boxes["alpha"].calls == []


@pytest.mark.parametrize(
    ("engine", "version"), [("vllm", "0.99.0"), ("sglang", "0.31.0"), ("ollama", "0.30.0")]
)
async def test_a_version_beyond_all_known_ones_is_warned_of(
    serves: FakeFleet, engine: Any, version: str
) -> None:
    now = engine_named(engine).default_version
    old = spec(engine=engine, engine_version=now, image=f"x:{now}", gpu_ids=("GPU-0",))
    serves.boxes["alpha"].servers = (server(spec=old, engine=engine),)
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        assert "is newer than any version" not in operator.flat
        await operator.press("end", "ctrl+u")
        await operator.write(version)
        title = engine_named(engine).title
        await operator.sees(f"▲ {title} {version} is newer than any version this tool knows (")
        assert "✗" not in operator.screen
        await operator.press("ctrl+l")
        await operator.at("AskDialog")


async def test_it_is_asked_about_and_takes_the_place(serves: FakeFleet) -> None:
    async with dashboard(serves, (80, 24)) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.press("ctrl+l")
        await operator.until(
            lambda: (
                f"Put vLLM {NEW} in the place of gpt-oss-20b ({OLD}) on alpha?" in operator.flat
            ),
            "the question",
        )
        await operator.press("n")
        await operator.at("UpgradeScreen")
        assert serves.boxes["alpha"].calls == []
        await operator.press("ctrl+l", "y")
        await operator.at("LaunchScreen")
        (asked,) = operator.said(said.LaunchRequested)
        assert (asked.upgrades, asked.replaces) == ("gpt-oss-20b", None)
        assert (asked.spec.name, asked.spec.engine_version) == ("gpt-oss-20b", NEW)
        (call,) = serves.boxes["alpha"].calls
        assert (call[0], call[1], call[3]) == ("launch", asked.spec, "gpt-oss-20b")
        running = LaunchProgress(
            launch_id=asked.spec.launch_id, name="gpt-oss-20b", state="running",
            phases=(Phase(name="pull", state="running"),), spec=asked.spec, replaces="gpt-oss-20b",
        )  # fmt: skip
        serves.hub.publish(running, box="alpha")
        await operator.sees("Upgrading gpt-oss-20b on alpha")
        await operator.until(lambda: "serves until the image is there." in operator.flat, "how")
        await operator.press("x")
        await operator.sees("Cancel the upgrade of gpt-oss-20b on alpha?", "gpt-oss-20b stays, or")
        await operator.press("n", "ctrl+q")
        await operator.sees("gpt-oss-20b is being upgraded.")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (
            "the server gpt-oss-20b as it was before, started again",
            "Rolled back: gpt-oss-20b was started again as it was before.",
        ),
        ("the layers", "gpt-oss-20b was not touched: it serves as before."),
    ],
)
async def test_what_became_of_the_old_server_is_told(
    serves: FakeFleet, left: str, words: str
) -> None:
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.press("ctrl+l", "y")
        await operator.at("LaunchScreen")
        new = operator.said(said.LaunchRequested)[0].spec
        failed = LaunchProgress(
            launch_id=new.launch_id, name=new.name, state="failed", phases=(), error="It died.",
            leftovers=(left, "the image"), spec=new, replaces=new.name,
        )  # fmt: skip
        serves.hub.publish(failed, box="alpha")
        await operator.sees("✗ It died.", words, "What remains: the image.")
        assert operator.screen.count("as it was before") <= 1  # it is said once


async def test_the_same_version_is_not_put_in_its_own_place(serves: FakeFleet) -> None:
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.press("ctrl+l", "y")
        await operator.at("LaunchScreen")
        (asked,) = operator.said(said.LaunchRequested)
    serves.boxes["alpha"].servers = (server(spec=asked.spec),)
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.sees(f"version: {NEW}, as it is", "Its flags stay as they are.")
        await operator.sees(f"vLLM version or tag (now {NEW}, the same)")
        await operator.sees(f"gpt-oss-20b runs {NEW} with these flags already. Write another one")
        assert "✗" not in operator.screen  # nobody has asked for anything yet
        assert "✓" not in operator.screen
        await operator.press("ctrl+l")
        await operator.hears("Nothing is upgraded: gpt-oss-20b runs", "restart it (s)")
        assert operator.said(said.LaunchRequested) == []


async def test_what_blocks_a_launch_blocks_an_upgrade(serves: FakeFleet) -> None:
    full = Finding(code="disk_docker", level="blocker", what="The disk is full.", do="Free some.")
    serves.boxes["alpha"].report = report(driver_version="550.54", findings=(full,))
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        await operator.sees("✗ The disk is full. Free some.", f"v{NEW}-cu129")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is upgraded: The disk is full. Free some.")
        serves.hub.publish(report(driver_version="550.54"), box="alpha")  # it was freed
        await operator.until(lambda: "The disk is full." not in operator.screen, "seen anew")
        await operator.press("end", "ctrl+u")
        await operator.write(f":v{NEW}")
        words = f"The driver 550.54 is too old for vllm/vllm-openai:v{NEW}"
        await operator.sees(f"✗ {words}")
        await operator.press("ctrl+l")
        await operator.hears(f"Nothing is upgraded: {words}")
        assert operator.said(said.LaunchRequested) == []


@pytest.mark.parametrize("asked", [False, True])
async def test_a_server_that_somebody_else_replaced_is_left_alone(
    serves: FakeFleet, asked: bool
) -> None:
    """Before the question, and between the question and the yes."""
    theirs = spec(created_by="bob@desk", launch_id="20260304-120000-00beef", gpu_ids=("GPU-0",))
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.at("UpgradeScreen")
        if asked:
            await operator.press("ctrl+l")
            await operator.at("AskDialog")
        taken = server(spec=theirs, launch_id=theirs.launch_id)
        serves.hub.publish(InstanceList(instances=(taken,)), box="alpha")
        await operator.settle()
        await operator.press("y" if asked else "ctrl+l")
        await operator.hears("Nothing is upgraded: gpt-oss-20b was replaced meanwhile by bob@desk")
        await operator.sees("✗ gpt-oss-20b was replaced meanwhile by bob@desk")
        assert operator.said(said.LaunchRequested) == []
    assert serves.boxes["alpha"].calls == []


async def test_the_palette_has_it_too(serves: FakeFleet) -> None:
    async with dashboard(serves) as operator:
        await operator.press("ctrl+p")
        await operator.write("Upgrade")
        await operator.sees("key: v")
        await operator.press("down", "enter")
        await operator.at("UpgradeScreen")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"managed": False}, "is not ours: it is never replaced."),
        ({"state": "exited"}, "does not run: launch it anew (w)."),
        ({"state": "launching"}, "does not run: launch it anew (w)."),
    ],
)
async def test_what_is_not_upgraded(serves: FakeFleet, changes: dict[str, Any], words: str) -> None:
    serves.boxes["alpha"].servers = (old_server(**changes),)
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.hears(words)
        await operator.at("DashboardScreen")
    assert operator.said(said.UpgradeRequested) == []


async def test_a_read_only_session_upgrades_nothing(serves: FakeFleet) -> None:
    serves.read_only = True
    async with dashboard(serves) as operator:
        await operator.press("v")
        await operator.hears("This is a read-only session: nothing can be upgraded.")
        await operator.at("DashboardScreen")


# --- on a simulated box, over real SSH ------------------------------------------------------------


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Operator, Rig, Container]]:
    """gpt-oss-20b by an older version, and the app at the place of its upgrade."""
    async with simulated(folder) as rig, at_app(rig.fleet, (100, 40)) as operator:
        world = rig.sim.boxes[0].world
        world.images |= {f"vllm/vllm-openai:v{version}" for version in (OLD, NEW)}
        await serving(await rig.box(), image=f"vllm/vllm-openai:v{OLD}")
        (container,) = world.containers.values()
        await operator.press("enter")
        await operator.until(lambda: operator.app.model("sim-1").report is not None, "looked at")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.until(
            lambda: operator.app.model("sim-1").instance("gpt-oss-20b") is not None, "listed"
        )
        await operator.press("v")
        await operator.at("UpgradeScreen")
        yield operator, rig, container


async def test_the_new_one_takes_the_place_on_the_box(tmp_path: Path) -> None:
    async with served(tmp_path) as (operator, rig, old):
        await operator.press("ctrl+l", "y")
        await operator.sees("✓ Ready.")
        (new,) = rig.sim.boxes[0].world.containers.values()
        assert new.id != old.id
        assert new.body["Image"] == f"vllm/vllm-openai:v{NEW}"


async def test_one_that_dies_is_rolled_back_on_the_box(tmp_path: Path) -> None:
    async with served(tmp_path) as (operator, rig, old):
        world = rig.sim.boxes[0].world
        world.profile = replace(world.profile, faults=frozenset({"dies_loading"}))
        await operator.press("ctrl+l", "y")
        await operator.sees("✗ The GPU's memory ran out.", "Rolled back: gpt-oss-20b was started")
        assert old.name == "gpt-oss-20b"
        # A look from anywhere tells the same cause.
        told = (await (await rig.box()).launches())[0].body
        assert told.error == "The GPU's memory ran out."
        assert told.diagnosis is not None
        assert told.diagnosis.cause == "gpu_memory"
