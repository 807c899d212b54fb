"""A real sshd behind a link that stalls: each figure says how old it is when it arrives.

The box's `nvidia-smi` writes the second into the figure itself, so that nothing has to be believed.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gptoss_tui.domain.facts import Hub
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from tests.real.faults import eventually
from tests.real.light_box import age_of, config_of, light_box
from tests.remote.support import paths_in

HELD_S = 4.0
# Whole seconds on both sides, and a machine that may be busy.
ABOUT_S = 2.5


@pytest.mark.usefixtures("_parts")
async def test_figures_behind_a_stall_say_their_age(tmp_path: Path) -> None:
    found: list[tuple[float, float]] = []
    with light_box(delays=True) as light:
        relay = light.relay
        assert relay is not None
        options = FleetOptions(config_file=config_of({"box": light}, tmp_path), with_local=False)
        async with Fleet(Hub(lambda: datetime.now(UTC)), paths_in(tmp_path), options) as fleet:
            box = await fleet.connect("box")
            async with aclosing(cast("Any", box.watch_gpus(Cadence()))) as facts:
                for _ in range(3):
                    await anext(facts)
                relay.hold_after(0)
                held = time.monotonic()
                await eventually("the stall", lambda: time.monotonic() - held > HELD_S, 30)
                relay.release()
                while len(found) < 20:
                    body = (await anext(facts)).body
                    assert body.behind_s is not None
                    found.append((age_of(body), body.behind_s))
                    if len(found) > 3 and body.behind_s < ABOUT_S:
                        break
    assert max(age for age, _ in found) > HELD_S - 1
    assert [pair for pair in found if abs(pair[0] - pair[1]) > ABOUT_S] == []
    assert found[-1][0] < ABOUT_S + 1
