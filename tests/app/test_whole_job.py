"""The whole job against a simulated box over real SSH, by the keys that are shown on the screen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gptoss_tui.app import messages as said
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.secret import Secret
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.profile import H100, PRO6000, Profile
from tests.app.support import Operator, at_app
from tests.remote.support import WARM, Rig, cut, serving, simulated

COLD = Profile("cold", (H100,))


@asynccontextmanager
async def operating(
    folder: Path, *kinds: Profile, size: tuple[int, int] = (80, 24), **changes: Any
) -> AsyncIterator[tuple[Operator, Rig]]:
    """The app over simulated boxes, before anything was pressed."""
    async with simulated(folder, *kinds, **changes) as rig, at_app(rig.fleet, size) as operator:
        yield operator, rig


async def connect(operator: Operator) -> None:
    await operator.press("enter")
    await operator.sees("● connected")
    await operator.until(
        lambda: operator.app.models["sim-1"].report is not None, "it was looked at"
    )


async def passes_until(operator: Operator, clock: ManualClock, *texts: str) -> None:
    """Let the box's time pass until all `texts` are on the screen."""
    for text in texts:
        for _ in range(400):
            await operator.settle()
            if text in operator.screen:
                break
            await clock.advance(0.25)
        else:
            raise AssertionError(f"{text!r} is not shown\n{operator.screen}")


@pytest.fixture
def box_time() -> ManualClock:
    """The box's time: a launch stands still to be looked at."""
    return ManualClock(datetime(2026, 3, 4, tzinfo=UTC))


async def launch(operator: Operator) -> None:
    await operator.press("w")
    await operator.at("WizardScreen")
    await operator.press("ctrl+l")
    await operator.at("LaunchScreen")


async def test_the_whole_job_by_the_keys_on_the_screen(tmp_path: Path) -> None:
    async with operating(tmp_path) as (operator, rig):
        await operator.sees("sim-1", "Press enter to connect.")
        await connect(operator)
        await operator.sees("2 x H100 80GB", "w Launch")
        await operator.press("w")
        await operator.sees("✓ fits", "ctrl+l launches", "KV cache")
        await operator.press("ctrl+o")
        await operator.sees("docker run", "127.0.0.1:8000:8000")
        await operator.press("q")
        await operator.press("ctrl+l")
        await operator.sees("Launching gpt-oss-20b on sim-1")
        await operator.sees("✓ Ready.", "ssh -N -L", "OPENAI_BASE_URL")
        await operator.press("d")
        await operator.sees("Ask the model")  # ready: the chat is in front
        await operator.press("ctrl+g", "1")
        await operator.sees("GPUs · 2 on sim-1", "GPU 0 NVIDIA H100")
        await operator.press("2")
        await operator.sees("Engine · gpt-oss-20b", "running 0", "KV cache 0 %")
        await operator.press("4")
        await operator.sees("Ask the model")
        await operator.write("hello")
        await operator.press("enter")
        await operator.sees("you  hello", "A greeting. Answer briefly.")
        await operator.sees("Hello! The connection works end to end", "first token", "tokens/s ·")
        (asked,) = operator.said(said.ChatRequested)
        assert asked == said.ChatRequested("sim-1", "gpt-oss-20b", "hello", "medium")
        await operator.press("ctrl+g")
        await operator.press("s")
        await operator.sees("Stop gpt-oss-20b on sim-1 and remove its container?")
        await operator.press("y")
        await operator.press("3")
        await operator.sees("No server runs here. w launches one.")
        counters = rig.sim.boxes[0].counters
        assert (counters.connections, counters.logins) == (1, 1)
        assert counters.peak_sessions <= 6
        assert rig.sim.boxes[0].world.containers == {}


async def test_a_cold_launch_shows_its_bytes(tmp_path: Path, box_time: ManualClock) -> None:
    async with operating(tmp_path, COLD, clock=box_time) as (operator, _):
        await connect(operator)
        await launch(operator)
        await passes_until(operator, box_time, "▶ pull the image", " GiB, ", "/s, about")
        await operator.sees("It goes on by itself on the box")
        assert not re.search(r"\d d \d", operator.screen)  # the box's clock is not ours
        await passes_until(operator, box_time, "✓ pull the image", "▶ fetch the weights")
        await operator.press("x")
        await operator.sees("Cancel the launch on sim-1?")
        await operator.press("y")
        await operator.hears("cancelled")
        await operator.sees("– ")
        assert operator.said(said.CancelLaunchRequested)


async def test_a_failed_launch_goes_on_saying_why(tmp_path: Path) -> None:
    dying = replace(WARM, faults=frozenset({"dies_loading"}))
    async with operating(tmp_path, dying) as (operator, rig):
        await connect(operator)
        await launch(operator)
        await operator.sees("memory ran out")
        shown = operator.app.model("sim-1").launches
        for container in list(rig.sim.boxes[0].world.containers.values()):
            rig.sim.boxes[0].world.remove(container)  # what it said is kept beside the launch
        (told,) = await (await rig.box()).launches()
        await operator.until(
            lambda: shown[told.body.launch_id].body == told.body, "the look is taken in"
        )
        await operator.sees("memory ran out")
        assert told.body.diagnosis is not None
        assert told.body.diagnosis.cause == "gpu_memory"


async def test_an_unknown_key_is_shown_and_accepted(tmp_path: Path) -> None:
    async with operating(tmp_path) as (operator, rig):
        rig.sim.known_hosts.write_text("")
        box = rig.sim.boxes[0]
        await operator.press("enter")
        await operator.sees("Unknown host", box.host_key.get_fingerprint())
        await operator.press("r")
        await operator.sees("? needs you")
        assert box.counters.logins == 0
        await operator.press("enter")
        await operator.sees("Accept (a)")
        await operator.press("a")
        await operator.sees("● connected")
        assert rig.sim.known_hosts.read_text() == ""


async def test_a_changed_key_is_refused(tmp_path: Path) -> None:
    async with operating(tmp_path) as (operator, rig):
        box = rig.sim.boxes[0]
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh")
        algorithm, blob, *_ = other.decode().split()
        rig.sim.known_hosts.write_text(f"[127.0.0.1]:{box.port} {algorithm} {blob}\n")
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.sees("has CHANGED", "ssh-keygen -R", "Do not connect (c)")
        assert "Forget the old key" not in operator.screen  # that file is the user's
        await operator.press("c")
        await operator.at("BoxesScreen")
        await operator.sees("✗ lost")
        assert box.counters.logins == 0


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (replace(WARM, faults=frozenset({"no_docker"})), "✗ There is no Docker here."),
        (
            replace(WARM, faults=frozenset({"no_gpu"})),
            "✗ nvidia-smi is installed, but",
        ),
        (replace(WARM, faults=frozenset({"docker_denied"})), "✗ root may not use Docker"),
        (Profile("pod", (PRO6000,), is_container=True), "✗ This box is itself a container"),
    ],
)
async def test_a_box_that_cannot_launch_says_why(
    tmp_path: Path, kind: Profile, sentence: str
) -> None:
    async with operating(tmp_path, kind, size=(120, 40)) as (operator, rig):
        await connect(operator)
        await operator.sees(sentence)
        await operator.press("w")
        await operator.at("WizardScreen")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: ")
        await operator.press("ctrl+g", "enter")
        await operator.at("DashboardScreen")
        if "no_gpu" in kind.faults:
            await operator.sees("This box has no GPU that a driver tells of.")
        else:
            await operator.sees(f"GPUs · {len(kind.cards)} on sim-1", " 0.0/")
        assert operator.said(said.LaunchRequested) == []
        assert rig.sim.boxes[0].world.containers == {}


async def test_gpus_of_others_are_not_preselected(tmp_path: Path) -> None:
    kind = replace(WARM, cards=(H100, H100), foreign_mib=31_240)
    async with operating(tmp_path, kind, size=(120, 40)) as (operator, _):
        await connect(operator)
        await operator.sees("▲ GPU 1", "already holds 30.5 GiB")
        await operator.press("w")
        await operator.sees("GPUs: 0 (space chooses)", "1  H100 80GB HBM3  in use")


async def test_a_server_of_somebody_else_is_watched(tmp_path: Path) -> None:
    async with operating(tmp_path) as (operator, rig):
        box = await rig.box()
        await serving(box)
        for container in rig.sim.boxes[0].world.containers.values():
            container.body["Labels"] = {}
            container.name = "theirs"
        await connect(operator)
        await operator.sees("not ours: watched only")
        await operator.press("enter", "3")
        await operator.sees("theirs", "not ours  :8000", "INFO")
        await operator.press("2")
        await operator.sees("Engine · theirs", "running 0")
        await operator.press("s")
        await operator.hears("theirs is not ours: it is watched, never stopped.")
        await operator.press("4", "f2")
        await operator.sees("Hello! The connection works end to end")
        assert len(rig.sim.boxes[0].world.containers) == 1


async def test_a_lost_connection_is_seen_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptoss_tui.remote.reconnect.PAUSES_S", (0.3,))
    async with operating(tmp_path) as (operator, rig):
        await connect(operator)
        await operator.press("enter")
        await operator.sees("sm 0 %")
        port = rig.sim.boxes[0].port
        config = rig.sim.ssh_config.read_text()
        rig.sim.ssh_config.write_text(config.replace(f"Port {port}", "Port 1"))
        cut(await rig.box())
        await operator.sees("connection ")
        await operator.sees(" s old", seconds=12)
        model = operator.app.models["sim-1"]
        assert model.gpu_history[0]["sm"].latest is None  # a gap, not the last figure again
        rig.sim.ssh_config.write_text(config)
        await operator.sees_no(" s old")
        assert rig.sim.boxes[0].counters.connections >= 2


async def test_a_wanted_key_is_asked_for(tmp_path: Path) -> None:
    async with operating(tmp_path) as (operator, rig):
        await serving(await rig.box(), Secrets(api_key=Secret("sesame-4711")), api_key=True)
        await connect(operator)
        await operator.press("enter", "4")
        await operator.sees("Chat · gpt-oss-20b")
        await operator.write("hi")
        await operator.press("enter")
        await operator.sees("gpt-oss-20b wants an API key")
        await operator.write("wrong")
        assert "wrong" not in operator.screen
        await operator.press("enter")
        await operator.at("SecretDialog")
        await operator.until(lambda: "wrong" not in str(operator.app.focused), "it is asked anew")
        await operator.write("sesame-4711")
        await operator.press("enter")
        await operator.sees("Hello! The connection works end to end")
        assert "sesame" not in operator.screen


async def test_leaving_while_a_launch_is_under_way(tmp_path: Path, box_time: ManualClock) -> None:
    async with operating(tmp_path, COLD, clock=box_time) as (operator, rig):
        world = rig.sim.boxes[0].world
        await connect(operator)
        await launch(operator)
        await passes_until(operator, box_time, "▶ pull the image")
        await operator.press("ctrl+q")
        await operator.sees("gpt-oss-20b is being launched.", "Quit, let it go on (c)")
        await operator.press("ctrl+q")  # a second time asks no second question
        await operator.settle()
        await operator.press("s")
        await operator.at("LaunchScreen")
        assert operator.app.is_running
        await operator.press("ctrl+q")
        await operator.sees("Cancel it and quit (x)")
        await operator.press("x")
        await operator.until(lambda: operator.app._exit, "the app ends, once it is cancelled")
        (launched,) = world.launches.values()
        assert not launched.alive
        assert world.containers == {}


async def test_what_goes_on_goes_on_on_the_box(tmp_path: Path, box_time: ManualClock) -> None:
    async with operating(tmp_path, COLD, clock=box_time) as (operator, rig):
        await connect(operator)
        await launch(operator)
        await passes_until(operator, box_time, "▶ pull the image")
        await operator.press("ctrl+q")
        await operator.sees("Quit, let it go on (c)")
        await operator.press("c")
        await operator.until(lambda: operator.app._exit, "the app ends")
        (launched,) = rig.sim.boxes[0].world.launches.values()
        assert operator.said(said.CancelLaunchRequested) == []
    assert launched is not None
