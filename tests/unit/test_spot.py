"""The notices of the clouds in their own words, and a drain that fits into what they leave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.spot.clouds import METADATA, cloud_of
from gptoss_tui.domain.spot.drain import END_S, MARGIN_S, drain_plan
from gptoss_tui.domain.spot.metadata import Identity, Reply, Unseen
from gptoss_tui.domain.spot.notice import SpotNotice, drain_time, seconds_left
from tests.unit.make import spec

AT = datetime(2026, 5, 1, 8, 20, 0, tzinfo=UTC)
NONE = Reply(404, "<html>404 - Not Found</html>", AT)


def said(text: str, status: int = 200) -> Reply:
    return Reply(status, text, AT)


# --- which cloud --------------------------------------------------------------------------------

FIRMWARE: tuple[tuple[Cloud | None, str], ...] = (
    ("aws", "sys_vendor=Amazon EC2\nproduct_name=g6.xlarge\nbios_version=1.0"),
    ("aws", "sys_vendor=Xen\nproduct_name=HVM domU\nbios_version=4.11.amazon"),
    ("aws", "sys_vendor=Xen\nhypervisor_uuid=ec2e1916-9099-7caf-fd21-012345abcdef"),
    ("gcp", "sys_vendor=Google\nproduct_name=Google Compute Engine"),
    ("azure", "sys_vendor=Microsoft Corporation\nproduct_name=Virtual Machine\n"
              "chassis_asset_tag=7783-7084-3265-9085-8269-3286-77"),
    (None, "sys_vendor=Microsoft Corporation\nproduct_name=Virtual Machine\nchassis_asset_tag=None"),
    (None, "sys_vendor=Supermicro\nproduct_name=SYS-821GE-TNHR"),
    (None, "sys_vendor=QEMU\nproduct_name=Standard PC (Q35 + ICH9, 2009)"),
    (None, ""),
)  # fmt: skip


@pytest.mark.parametrize(("cloud", "lines"), FIRMWARE)
def test_the_firmware_tells_the_cloud(cloud: Cloud | None, lines: str) -> None:
    probe = parse_probe(f"@@dmi\n{lines}\n@@end\n")
    assert probe.report.cloud == cloud


def test_a_box_that_tells_nothing_is_in_no_cloud() -> None:
    assert cloud_of({}) is None
    assert parse_probe("@@end\n").report.cloud is None


# --- who is a spot box --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cloud", "spot", "other"),
    [
        ("aws", "spot", "on-demand"),
        ("gcp", "TRUE\n", "FALSE"),
        ("azure", '{"name": "vm", "priority": "Spot"}', '{"name": "vm", "priority": ""}'),
    ],
)
def test_only_spot_boxes_are_watched(cloud: Cloud, spot: str, other: str) -> None:
    metadata = METADATA[cloud]
    assert isinstance(metadata.identified(said(spot)), Identity)
    assert metadata.identified(said(other)) is None


# --- what the service does not say --------------------------------------------------------------

REASONS: tuple[tuple[Cloud, int, str], ...] = (
    ("aws", 401, "--http-put-response-hop-limit 2"),
    ("aws", 403, "--http-endpoint enabled"),
    ("aws", 404, "reach 169.254.169.254"),
    ("gcp", 403, "proxy"),
    ("gcp", 404, "reach 169.254.169.254"),
    ("azure", 401, "guest proxy agent"),
    ("azure", 403, "guest proxy agent"),
    ("azure", 400, "reach 169.254.169.254"),
)


@pytest.mark.parametrize(("cloud", "status", "do"), REASONS)
def test_a_refusal_is_no_no(cloud: Cloud, status: int, do: str) -> None:
    found = METADATA[cloud].identified(said("spot", status))
    assert isinstance(found, Unseen)
    assert found.why == f"answered {status}"
    assert do in found.do


@pytest.mark.parametrize("cloud", METADATA)
@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_page_of_something_else_says_nothing(cloud: Cloud, status: int) -> None:
    """A known notice is not withdrawn by it."""
    metadata = METADATA[cloud]
    page = said("<html>Log in first</html>", status)
    assert isinstance(metadata.identified(page), Unseen)
    found = metadata.read(tuple(page for _ in metadata.notices), Identity())
    assert isinstance(found, Unseen)


def test_a_notice_that_is_there_counts_whatever_the_warning_answers() -> None:
    told = said('{"action": "stop", "time": "2026-05-01T08:22:00Z"}')
    assert isinstance(METADATA["aws"].read((told, said("", 401)), Identity()), SpotNotice)
    assert isinstance(METADATA["aws"].read((NONE, said("", 401)), Identity()), Unseen)
    assert METADATA["aws"].read((NONE, NONE), Identity()) is None


# --- the notices --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["terminate", "stop"])
def test_aws_tells_what_and_when(action: str) -> None:
    reply = said(json.dumps({"action": action, "time": "2026-05-01T08:22:00Z"}))
    notice = METADATA["aws"].read((reply, NONE), Identity())
    assert isinstance(notice, SpotNotice)
    assert notice.ends
    assert (notice.action, notice.left_s) == (action, 120.0)
    assert notice.deadline == AT + timedelta(minutes=2)


def test_aws_hibernates_at_once_so_nothing_is_drained() -> None:
    reply = said('{"action": "hibernate", "time": "2026-05-01T08:20:00Z"}')
    notice = METADATA["aws"].read((reply, NONE), Identity())
    assert isinstance(notice, SpotNotice)
    assert notice.action == "hibernate"
    assert not notice.ends


def test_aws_warns_of_a_risk_without_a_time() -> None:
    risk = said('{"noticeTime": "2026-05-01T08:19:00Z"}')
    notice = METADATA["aws"].read((NONE, risk), Identity())
    assert notice == SpotNotice(cloud="aws", action="rebalance")
    both = METADATA["aws"].read((said('{"action": "stop", "time": "?"}'), risk), Identity())
    assert isinstance(both, SpotNotice)
    assert (both.action, both.left_s) == ("stop", None)


def test_google_counts_from_the_first_sight() -> None:
    assert METADATA["gcp"].read((said("FALSE"),), Identity()) is None
    notice = METADATA["gcp"].read((said("TRUE"),), Identity())
    assert isinstance(notice, SpotNotice)
    assert notice.ends
    assert notice.left_s == 30.0
    assert "at most 30 s" in notice.text(30.0)


def azure(name: str = "box-1", evicted: str = "Deallocate", **changes: object) -> SpotNotice | None:
    event = {
        "EventType": "Preempt", "EventStatus": "Scheduled", "Resources": ["box-0", "Box-1"],
        "NotBefore": "Fri, 01 May 2026 08:20:45 GMT",
    } | changes  # fmt: skip
    reply = said(json.dumps({"DocumentIncarnation": 2, "Events": ["?", event]}))
    found = METADATA["azure"].read((reply,), Identity(name=name, evicted=evicted))
    assert not isinstance(found, Unseen)
    return found


def test_azure_tells_of_all_machines_of_a_set() -> None:
    ours = azure()
    assert ours is not None
    assert (ours.action, ours.left_s) == ("stop", 45.0)
    assert azure(name="box-7") is None
    assert azure(EventType="Reboot") is None
    deleted = azure(evicted="Delete")
    assert deleted is not None
    assert deleted.action == "terminate"
    begun = azure(EventStatus="Started", NotBefore="")
    assert begun is not None
    assert (begun.deadline, begun.left_s) == (None, 0.0)


HOSTILE = ("", "[]", "null", '{"Events": 7}', '{"action": [1]}', '{"action": "\\u001b[31m"}',
           '{"action": "stop", "time": {"a": 1}}', "\x1b]0;x\x07", "[" * 5000)  # fmt: skip


@pytest.mark.parametrize("cloud", METADATA)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nonsense_is_no_failure(cloud: Cloud, text: str) -> None:
    metadata = METADATA[cloud]
    metadata.identified(said(text))
    found = metadata.read(tuple(said(text) for _ in metadata.notices), Identity())
    assert not isinstance(found, SpotNotice) or found.deadline is None


def test_seconds_count_on_by_our_own_clock() -> None:
    body = SpotNotice(cloud="aws", action="stop", deadline=AT, left_s=110.0)
    fact = Fact(box="b", seq=1, our_time=AT, body=body)
    assert seconds_left(fact, AT + timedelta(seconds=10)) == 100.0
    assert seconds_left(fact, AT + timedelta(hours=1)) == 0.0
    assert body.text(100.4) == "AWS takes this box back and stops it in 100 s."
    assert body.text(0.0) == "AWS takes this box back and stops it now."


def test_an_absurd_time_is_none_and_the_least_notice_holds() -> None:
    reply = said('{"action": "stop", "time": "9999-12-31T23:59:59Z"}')
    notice = METADATA["aws"].read((reply, NONE), Identity())
    assert isinstance(notice, SpotNotice)
    assert notice.left_s is None
    fact = Fact(box="b", seq=1, our_time=AT, body=notice)
    assert seconds_left(fact, AT) is None
    assert drain_time(fact, AT + timedelta(seconds=10)) == 20.0


# --- the drain ----------------------------------------------------------------------------------

DRAINS = ("--shutdown-timeout", "60")


def vllm(arguments: tuple[str, ...]) -> Instance:
    launched = spec(engine_version="0.32.0", arguments=arguments)
    return Instance(name="gptoss-20b", engine="vllm", managed=True, spec=launched)


@pytest.mark.parametrize("arguments", [DRAINS, ()])
@pytest.mark.parametrize("within_s", [0.0, 5.0, 12.0, 29.5, 45.0, 118.0, 3600.0])
def test_a_drain_ends_before_the_box_does(arguments: tuple[str, ...], within_s: float) -> None:
    plan = drain_plan(vllm(arguments), within_s)
    whole = plan.watch_s + plan.grace_s
    assert whole + MARGIN_S <= within_s or (plan.watch_s, plan.engine_s) == (0, 0)
    assert plan.grace_s == plan.engine_s + END_S


def test_the_time_is_used_for_what_runs() -> None:
    plan = drain_plan(vllm(DRAINS), 118.0)
    assert (plan.watch_s, plan.engine_s) == (50, 60)
    assert drain_plan(vllm(DRAINS), 30.0).engine_s == 22
