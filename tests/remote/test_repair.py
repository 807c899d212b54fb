"""Repairs over the seam: the real scripts on this machine, and the whole way on simulated boxes."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.repair.build import make, offers
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, RepairName, RepairResult
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import CommandError, ConnectionLostError, DockerError, ReadOnlyError
from gptoss_tui.remote import repair as repairing
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.carry_out import carry_out
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.sim.faults import Fault
from gptoss_tui.sim.profile import H100, Profile
from tests.remote.support import fleet_of, simulated, spec_on, until

DENIED = Profile("denied", (H100,), faults=frozenset({"docker_denied"}))


def scripted(script: str, **changes: Any) -> Repair:
    values: dict[str, Any] = {
        "name": "docker-start", "title": "Try", "meaning": "", "script": script, "root": False,
    }  # fmt: skip
    return Repair(**values | changes)


class Person:
    """Answers with what it was given, one after the other, then with nothing."""

    absent = False

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[PromptRequest] = []

    async def ask(self, request: PromptRequest) -> Secret | None:
        self.asked.append(request)
        return Secret(self.answers.pop(0)) if self.answers else None


# --- the scripts themselves, on this machine ------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "gptoss-tui" / "repairs" / "docker-start"


@pytest.fixture
async def here() -> AsyncIterator[LocalTransport]:
    transport = LocalTransport()
    yield transport
    await transport.aclose()


async def bodies(transport: LocalTransport, made: Repair) -> list[RepairLine | RepairEnded]:
    async with aclosing(repairing.run(transport, "here", made, None)) as found:
        return [body async for body in found]


async def test_lines_and_the_exit_status_come_and_text_is_cleaned(
    state: Path, here: LocalTransport
) -> None:
    script = "echo one; printf '\\033[31mred\\033[0m\\n' >&2; read -r x || echo no input; exit 7"
    found = await bodies(here, scripted(script))
    assert [body.text for body in found[:-1] if isinstance(body, RepairLine)] == [
        "one", "red", "no input",
    ]  # fmt: skip
    assert found[-1] == RepairEnded(repair="docker-start", status=7)
    assert (state / "log").stat().st_mode & 0o077 == 0


async def test_who_stops_listening_ends_nothing_and_asking_again_joins(
    state: Path, here: LocalTransport, tmp_path: Path
) -> None:
    gate, done = tmp_path / "gate", tmp_path / "done"
    made = scripted(
        f"echo begun; until [ -e '{gate}' ]; do sleep 0.05; done; echo x >>'{done}'; echo over"
    )
    async with aclosing(repairing.run(here, "here", made, None)) as found:
        assert await anext(found) == RepairLine(repair="docker-start", text="begun")
    pid = int((state / "pid").read_text())
    os.kill(pid, 0)  # it is still there
    async with aclosing(repairing.run(here, "here", made, None)) as again:
        assert await anext(again) == RepairLine(repair="docker-start", text="begun")
        assert int((state / "pid").read_text()) == pid
        gate.touch()
        rest = [body async for body in again]
    assert rest == [
        RepairLine(repair="docker-start", text="over"),
        RepairEnded(repair="docker-start", status=0),
    ]
    assert done.read_text() == "x\n"


async def test_one_that_was_killed_is_told_of(state: Path, here: LocalTransport) -> None:
    made = scripted("echo begun; exec sleep 600")
    async with aclosing(repairing.run(here, "here", made, None)) as found:
        await anext(found)
        os.killpg(int((state / "pid").read_text()), signal.SIGKILL)
        rest = [body async for body in found]
    assert rest == [RepairEnded(repair="docker-start", status=None)]


async def test_values_with_quotes_reach_the_script_whole(state: Path, here: LocalTransport) -> None:
    text = """it's "$HOME" `id` $(id) \\ ; & | %s"""
    made = scripted(f"cat <<'END'\n{text}\nEND\n")
    assert (await bodies(here, made))[0] == RepairLine(repair="docker-start", text=text)


class DeadDocker:
    """Docker that answered once and is gone since."""

    async def get(self, path: str, params: object = None) -> object:
        raise DockerError(f"The conversation with Docker broke off: {path}.")


async def test_docker_that_is_gone_since_does_not_hide_the_repairs(
    here: LocalTransport, tmp_path: Path
) -> None:
    (tmp_path / "models--a--b").mkdir()
    seen = await repairing.survey(here, cast("Docker", DeadDocker()), str(tmp_path))
    assert seen.running is None
    assert [each.model for each in seen.models] == ["a/b"]


# --- the whole way, on simulated boxes ------------------------------------------------------------


async def prepared(box: Box, name: str) -> Repair:
    return make(name, (await box.look()).body, (await box.survey()).body)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("docker_down", "docker-start"),
        ("docker_denied", "docker-group"),
        ("no_toolkit", "toolkit"),
        ("no_runtime", "runtime"),
        ("disk_full", "hf-cache"),
    ],
)
async def test_what_a_look_finds_is_gone_after_its_repair(
    tmp_path: Path, fault: Fault, name: RepairName
) -> None:
    broken = Profile("broken", (H100,), faults=frozenset({fault}))
    async with simulated(tmp_path, broken) as rig:
        box = await rig.box()
        report, survey = (await box.look()).body, (await box.survey()).body
        assert name in [offer.name for offer in offers(report, survey) if offer.needed]
        made = make(name, report, survey)
        async with aclosing(carry_out(rig.fleet, "sim-1", made, Person("secret"))) as facts:
            found = [fact.body async for fact in facts]
        assert isinstance(found[-1], RepairResult)
        assert found[-1].fixed, found[-1]


async def test_sudo_asks_and_only_a_new_connection_shows_the_group(tmp_path: Path) -> None:
    async with simulated(tmp_path, DENIED) as rig:
        box = await rig.box()
        made = await prepared(box, "docker-group")
        person = Person("", "secret")
        async with aclosing(carry_out(rig.fleet, "sim-1", made, person)) as facts:
            found = [fact.body async for fact in facts]
        result = found[-1]
        assert isinstance(result, RepairResult)
        assert result.fixed, result
        assert [request.again for request in person.asked] == [False, True]
        assert person.asked[0].kind == "password"
        assert await rig.box() is not box
        assert rig.sim.boxes[0].counters.connections == 2


async def test_without_a_password_nothing_is_changed(tmp_path: Path) -> None:
    async with simulated(tmp_path, DENIED) as rig:
        made = await prepared(await rig.box(), "docker-group")
        for person in (None, Person(), Person("", "", "")):
            with pytest.raises(CommandError):
                async with aclosing(carry_out(rig.fleet, "sim-1", made, person)) as facts:
                    _ = [fact async for fact in facts]
        assert rig.sim.boxes[0].world.repairs == {}


async def test_a_restart_names_and_stops_what_runs(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        spec = await spec_on(box)
        container = world.create(spec.name, {"Image": spec.image, "Labels": {}})
        world.start(container)
        made = await prepared(box, "runtime")
        assert spec.name in made.warnings[0]
        async with aclosing(carry_out(rig.fleet, "sim-1", made)) as facts:
            lines = [fact.body.text async for fact in facts if isinstance(fact.body, RepairLine)]
        assert any(spec.name in line for line in lines)
        assert container.state == "exited"


async def test_what_we_left_stopped_is_removed_and_nothing_else(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        for name, labels in (("ours", {"io.gptoss-tui.spec": "{}"}), ("theirs", {})):
            container = world.create(name, {"Image": "x", "Labels": labels})
            container.end(world.clock.now(), 1)
        made = await prepared(box, "stale-containers")
        assert [line.split()[0] for line in made.preview] == ["ours"]
        async with aclosing(carry_out(rig.fleet, "sim-1", made)) as facts:
            found = [fact.body async for fact in facts]
        assert isinstance(found[-1], RepairResult)
        assert found[-1].fixed
        assert [each.name for each in world.containers.values()] == ["theirs"]


async def test_a_lost_connection_is_told_and_the_repair_goes_on(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=1.0) as rig:
        made = await prepared(await rig.box(), "toolkit")
        sim = rig.sim.boxes[0]

        async def listening() -> None:
            async with aclosing(carry_out(rig.fleet, "sim-1", made)) as facts:
                async for _ in facts:
                    await sim.counters.hang_up()

        with pytest.raises(ConnectionLostError):
            await listening()
        assert sim.world.repairs["toolkit"].alive
        mark = sim.world.repairs["toolkit"].mark
        async with aclosing(carry_out(rig.fleet, "sim-1", made)) as facts:
            found = [fact.body async for fact in facts]
        assert isinstance(found[-1], RepairResult)
        assert found[-1].fixed
        assert sim.world.repairs["toolkit"].mark == mark  # joined, not begun again
        await until(lambda: not sim.world.repairs["toolkit"].alive, "it has ended")


async def test_a_read_only_session_repairs_nothing(tmp_path: Path) -> None:
    async with (
        simulated(tmp_path) as rig,
        fleet_of(rig.sim, tmp_path / "other", read_only=True) as fleet,
    ):
        box = await fleet.connect("sim-1")
        made = await prepared(box, "toolkit")
        with pytest.raises(ReadOnlyError):
            box.repair(made)
