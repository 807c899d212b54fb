"""`spot` and `status` of a box that its provider takes back, as a script runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gptoss_tui.sim.http import Response
from gptoss_tui.sim.metadata import MetadataApi
from gptoss_tui.sim.run import SimBox, SimFleet
from tests.cli.conftest import Background, Cli
from tests.remote.support import FAST, WARM

LONG_S = 60 * FAST


@pytest.fixture
def noticed(cli: Cli, boxes: Callable[..., Background]) -> Background:
    """gpt-oss-20b serves on a spot box of Azure, which is taken back in a minute of ours."""
    box = boxes(replace(WARM, cloud="azure"))
    assert cli("launch", "sim-1", "-F", box.config, "--yes", "--wait").code == 0
    box.do(lambda box: box.world.preempt(notice_s=LONG_S))
    return box


def states(box: SimBox) -> list[str]:
    return [container.state for container in box.world.containers.values()]


def test_status_tells_of_the_notice(cli: Cli, noticed: Background) -> None:
    result = cli("status", "sim-1", "-F", noticed.config, "--json")
    body = result.document["spot"]["body"]
    assert (body["kind"], body["cloud"], body["action"]) == ("spot", "azure", "stop")
    assert body["deadline"].endswith("Z")
    assert 0 < body["left_s"] <= LONG_S
    plain = cli("status", "sim-1", "-F", noticed.config)
    assert plain.out.startswith("Azure takes this box back and stops it in ")


def test_status_of_any_other_box_tells_of_none(cli: Cli, warm: Background) -> None:
    assert cli("status", "sim-1", "-F", warm.config, "--json").document["spot"] is None


def test_spot_ends_with_the_notice(cli: Cli, noticed: Background) -> None:
    result = cli("spot", "sim-1", "-F", noticed.config)
    assert result.code == 0, result.err
    assert "Azure takes this box back" in result.out
    assert noticed.do(states) == ["running"]


def test_spot_drains_where_it_was_asked_for(cli: Cli, noticed: Background) -> None:
    result = cli("spot", "sim-1", "-F", noticed.config, "--drain", "--json")
    assert result.code == 0, result.err
    assert result.documents[0]["body"]["kind"] == "spot"
    assert result.documents[-1] == {"box": "sim-1", "drained": ["gpt-oss-20b"]}
    assert result.documents[-2]["body"]["kind"] == "notice"
    assert noticed.do(states) == ["exited"]


def test_a_drain_tells_what_became_of_each_server(cli: Cli, noticed: Background) -> None:
    result = cli("spot", "sim-1", "-F", noticed.config, "--drain")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-2:] == [
        "gpt-oss-20b was drained and stopped; its container stays.",
        "Drained: gpt-oss-20b.",
    ]


def test_a_service_that_refuses_is_unknown_and_no_no(
    cli: Cli, noticed: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetadataApi, "_azure", lambda api, request: Response(403))
    result = cli("spot", "sim-1", "-F", noticed.config, "--json")
    assert (result.code, result.document["error"]["code"]) == (3, "command_failed")
    assert "answered 403" in result.document["error"]["message"]
    assert "guest proxy agent" in result.document["error"]["next_step"]


def test_a_read_only_session_does_not_drain(cli: Cli, noticed: Background) -> None:
    words = ("-F", noticed.config, "--read-only", "--json")
    result = cli("spot", "sim-1", "--drain", *words)
    assert (result.code, result.document["error"]["code"]) == (1, "read_only")
    assert noticed.do(states) == ["running"]
    assert cli("spot", "sim-1", *words).code == 0


def test_a_box_without_notices_is_said_to_have_none(cli: Cli, warm: Background) -> None:
    result = cli("spot", "sim-1", "-F", warm.config, "--json")
    assert (result.code, result.document["error"]["code"]) == (7, "not_found")
    assert "no spot box" in result.document["error"]["message"]


def test_simulated_boxes_can_be_taken_back(cli: Cli) -> None:
    with Background(lambda: SimFleet(3, preempt_after_s=0.0)) as boxes:
        clouds = []
        for number in (1, 2, 3):
            words = ("spot", f"sim-{number}", "-F", boxes.config, "--json")
            clouds.append(cli(*words).documents[0]["body"]["cloud"])
    assert clouds == ["aws", "gcp", "azure"]
