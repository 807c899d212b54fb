"""What the tests of the remote layer, the simulator and the commands share."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncssh
import msgspec
import pytest

from gptoss_tui.domain import choose
from gptoss_tui.domain.facts import Fact, Hub
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS, Plan, PlanRequest
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.ssh_transport import SshTransport
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.run import SimFleet
from gptoss_tui.sim.server import BoxServer
from gptoss_tui.state.paths import Paths

# Simulated seconds per second: a launch that takes half a minute is over in a blink.
FAST = 400.0
# A box that has the image and the weights already: its launches only load.
WARM = Profile("warm", (H100, H100), image_cached=True, weights_cached=True)

T = TypeVar("T")
_numbers = itertools.count(1)


def paths_in(folder: Path) -> Paths:
    """Our own files, all below `folder`."""
    return Paths(config=folder / "config", data=folder / "data", state=folder / "state")


@asynccontextmanager
async def fleet_of(
    sim: SimFleet, folder: Path, *, read_only: bool = False, accept_new: bool = False
) -> AsyncIterator[Fleet]:
    """A client of the simulated boxes, as the app and the commands make one."""
    options = FleetOptions(
        config_file=sim.ssh_config, read_only=read_only, accept_new=accept_new, with_local=False
    )
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths_in(folder), options) as fleet:
        yield fleet


@asynccontextmanager
async def simulated(folder: Path, *kinds: Profile, **changes: Any) -> AsyncIterator[Rig]:
    """Simulated boxes of these kinds (default: a warm one), and a client of them."""
    settings: dict[str, Any] = {"speed": FAST, "kinds": kinds or (WARM,), **changes}
    async with SimFleet(**settings) as sim, fleet_of(sim, folder) as fleet:
        yield Rig(sim, fleet)


class Rig:
    """Simulated boxes and a client of them."""

    def __init__(self, sim: SimFleet, fleet: Fleet) -> None:
        self.sim = sim
        self.fleet = fleet

    async def box(self, number: int = 1) -> Box:
        return await self.fleet.connect(f"sim-{number}")


def opened(stream: AsyncIterator[T]) -> AbstractAsyncContextManager[AsyncIterator[T]]:
    """A stream of the seam, closed at the end of the block."""
    return cast("AbstractAsyncContextManager[AsyncIterator[T]]", aclosing(cast("Any", stream)))


def alive(pid: int) -> bool:
    """Whether a process is there and more than a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def until(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Give the loop time until `holds`; fails with `what` after the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not holds():
        assert loop.time() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.002)


async def taken(stream: AsyncIterator[T], count: int) -> list[T]:
    """The first `count` items; the stream is closed after them."""
    items: list[T] = []
    async with opened(stream) as source:
        async for item in source:
            items.append(item)
            if len(items) == count:
                break
    return items


async def spec_on(
    box: Box,
    *,
    gpus: tuple[str, ...] = (),
    model: str = "20b",
    api_key: bool = False,
    engine: str = "vllm",
    **given: Any,
) -> LaunchSpec:
    """A spec as the wizard and the command build it; `given` goes to `build_spec`."""
    report = (await box.look()).body
    others = (await box.instances()).body.instances
    request = PlanRequest(
        model=model, gpus=(), max_model_len=32_768, engine=engine,
        engine_version=DEFAULT_VERSIONS[engine],
    )  # fmt: skip
    held = frozenset(gpu for instance in others for gpu in instance.gpu_ids)
    chosen, plan = choose.choose(report, request, gpus, held)
    return spec_of_plan(plan, report, chosen, others=others, needs_api_key=api_key, **given)


def spec_of_plan(
    plan: Plan, report: BoxReport, chosen: tuple[Gpu, ...], **given: Any
) -> LaunchSpec:
    """The spec of a plan, under a launch id of its own; `given` goes to `build_spec`."""
    return build_spec(
        plan=plan,
        report=report,
        gpus=chosen,
        launch_id=f"20260101-000000-{next(_numbers):06x}",
        created_by="tester@laptop",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        **given,
    )


def replaced(spec: LaunchSpec, **changes: Any) -> LaunchSpec:
    """`spec` under a launch id of its own, with `changes`."""
    return msgspec.structs.replace(
        spec, launch_id=f"20260101-000000-{next(_numbers):06x}", **changes
    )


async def watched(box: Box, launch_id: str) -> list[LaunchProgress]:
    """Everything that a launch was seen to be, to its end."""
    async with opened(box.watch_launch(launch_id)) as facts:
        return [fact.body async for fact in facts]


async def serving(box: Box, secrets: Secrets | None = None, **given: Any) -> LaunchSpec:
    """Launch on the box and wait until it serves."""
    spec = await spec_on(box, **given)
    await box.launch(spec, secrets or Secrets())
    steps = await watched(box, spec.launch_id)
    assert steps[-1].state == "ready", steps[-1]
    return spec


async def bodies(stream: AsyncIterator[Fact[Any]]) -> list[Any]:
    """The bodies of a stream that ends by itself."""
    async with opened(stream) as facts:
        return [fact.body async for fact in facts]


def transport_of(box: Box) -> SshTransport:
    """What is below the seam, for tests that break it."""
    assert isinstance(box, HostBox)
    assert isinstance(box._transport, SshTransport)
    return box._transport


def cut(box: Box) -> None:
    """What a closed laptop does: the connection ends without a goodbye."""
    transport_of(box)._connection.abort()


def server_sides(monkeypatch: pytest.MonkeyPatch) -> list[asyncssh.SSHServerConnection]:
    """The boxes' ends of all connections from now on: abort one, and that box is switched off."""
    sides: list[asyncssh.SSHServerConnection] = []
    made = BoxServer.connection_made

    def remember(server: BoxServer, conn: asyncssh.SSHServerConnection) -> None:
        sides.append(conn)
        made(server, conn)

    monkeypatch.setattr(BoxServer, "connection_made", remember)
    return sides


@asynccontextmanager
async def passing(clock: ManualClock) -> AsyncIterator[None]:
    """Let the box's time pass while the block runs, as quickly as everybody can follow."""

    async def pass_on() -> None:
        while True:
            await clock.advance(0.25)
            await asyncio.sleep(0.002)

    task = asyncio.create_task(pass_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
