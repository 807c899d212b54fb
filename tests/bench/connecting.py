"""From the wish to connect until every pane is live, against `ssh BOX true` to the same box."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Figure, compared
from tests.bench.lab import EIGHT_GPUS, Lab
from tests.bench.terminal import WIDE

PARTS = ("gpus", "servers", "engine", "log")


def panes(lab: Lab, runs: int) -> tuple[Figure, Figure]:
    """Ours: a settled app, per run one that was not yet connected.

    Once with the dashboard open before (the box and its figures alone), and for information once
    from the first place on, where the dashboard must also be built and drawn.
    """
    opened, built, base = [], [], []
    for _ in range(runs):
        base.append(_ssh_true(lab))
        opened.append(_in_a_process(lab, "opened")["all"])
        built.append(_in_a_process(lab, "built")["all"])
    return (
        compared("connect to all panes live", "ssh BOX true", opened, base, 2.0),
        compared("... and build the dashboard", "ssh BOX true", built, base, None),
    )


def _ssh_true(lab: Lab) -> float:
    argv = ["ssh", "-F", str(lab.config), "-o", "BatchMode=yes", EIGHT_GPUS, "true"]
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - began


def _in_a_process(lab: Lab, dashboard: str) -> dict[str, float]:
    here = [sys.executable, "-m", "tests.bench.connecting"]
    argv = [*here, str(lab.config), EIGHT_GPUS, dashboard]
    done = subprocess.run(argv, check=True, capture_output=True, env=lab.env)
    times: dict[str, float] = json.loads(done.stdout)
    return times


async def connect_in_app(config: Path, box: str, *, opened: bool) -> dict[str, float]:
    """Seconds from the request until each pane shows its first figures, and until all do."""
    from gptoss_tui.app.app import GptossApp
    from gptoss_tui.app.messages import ConnectRequested, DashboardRequested
    from gptoss_tui.domain.facts import Hub
    from gptoss_tui.remote.fleet import Fleet, FleetOptions
    from gptoss_tui.state.paths import paths

    hub = Hub(lambda: datetime.now(UTC))
    async with Fleet(hub, paths(), FleetOptions(config_file=config)) as fleet:
        app = GptossApp(fleet)
        async with app.run_test(size=WIDE) as pilot:
            await pilot.pause(1.0)
            if opened:
                app.post_message(DashboardRequested(box))
                await pilot.pause(1.0)
            began = time.perf_counter()
            app.post_message(ConnectRequested(box))
            if not opened:
                app.post_message(DashboardRequested(box))
            seen: dict[str, float] = {}
            while len(seen) < len(PARTS):
                for part in live_panes(app) - set(seen):
                    seen[part] = time.perf_counter() - began
                if time.perf_counter() - began > 30:
                    raise TimeoutError(f"only {sorted(seen)} came to life")
                await asyncio.sleep(0.004)
            return {**seen, "all": max(seen.values())}


def live_panes(app: object) -> set[str]:
    """The parts of the dashboard that show figures of the box."""
    from gptoss_tui.app.app import GptossApp
    from gptoss_tui.app.screens.dashboard import DashboardScreen
    from gptoss_tui.app.widgets.engine_pane import EnginePane
    from gptoss_tui.app.widgets.gpu_pane import GpuPane
    from gptoss_tui.app.widgets.log_view import LogView
    from gptoss_tui.app.widgets.server_list import ServerList

    assert isinstance(app, GptossApp)
    screen = app.screen
    if not isinstance(screen, DashboardScreen) or not screen.query(EnginePane):
        return set()  # not yet built
    snapshot = screen.query_one(EnginePane).view.snapshot
    live = {
        "gpus": bool(screen.query_one(GpuPane).view.cards),
        "servers": bool(screen.query_one(ServerList).rows),
        "engine": snapshot is not None and snapshot.running is not None,
        "log": screen.query_one(LogView).count > 0,
    }
    return {part for part, is_live in live.items() if is_live}


if __name__ == "__main__":
    measured = connect_in_app(Path(sys.argv[1]), sys.argv[2], opened=sys.argv[3] == "opened")
    print(json.dumps(asyncio.run(measured)))
