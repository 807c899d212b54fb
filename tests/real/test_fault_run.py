"""What the fault run (`make faults`) calls wrong: a box that is gone and shown as if it were there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import InstanceList
from tests.real.as_app import SHOWN_S, Seen


async def test_what_is_shown_of_a_box_that_is_gone_is_seen() -> None:
    now = datetime.now(UTC)
    seen = Seen()
    seen.take(Fact(box="a", seq=1, our_time=now, body=LinkState(phase="up")))
    figures = Fact(box="a", seq=2, our_time=now, body=InstanceList(instances=()))
    clock = asyncio.get_running_loop().time
    seen.take(figures)
    seen.look()
    assert (seen.wrong, len(seen.remarks)) == ([], 1)
    seen.gone_since = clock() - SHOWN_S - 1
    seen.take(figures)
    seen.look()
    assert seen.wrong == [
        "up: a list of servers that are [] ( for 9.0 s)",
        "up: no word of it ( for 9.0 s)",
    ]
    seen.take(Fact(box="a", seq=3, our_time=now, body=LinkState(phase="degraded")))
    seen.take(figures)
    seen.look()
    assert (len(seen.wrong), len(seen.remarks)) == (2, 2)
