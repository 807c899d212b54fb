"""From a report and a request to GPUs, a plan and a spec."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.choose import choose, choose_for_users, named_gpus, noted, plan_gpu
from gptoss_tui.domain.engines.release import Release
from gptoss_tui.domain.gpu import GIB, GpuProcess
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.preflight.fetching import REGISTRY
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.errors import ConflictError, DoesNotFitError, UsageError
from tests.unit.make import gpu, report, request

FOUR = report(gpus=tuple(gpu(index) for index in range(4)), cache_dir="/c/hub")


def _indices(chosen: tuple[Any, ...]) -> list[int]:
    return [one.index for one in chosen]


# --- choosing GPUs ------------------------------------------------------------------------------


def test_as_few_gpus_as_fit() -> None:
    small, plan = choose(FOUR, request("20b", max_model_len=8192))
    assert (_indices(small), plan.verdict) == ([0], "fits")
    large, plan = choose(FOUR, request("120b", users=64, max_model_len=32768))
    assert plan.verdict == "fits"
    assert plan.tensor_parallel_size == len(large) > 1


def test_a_gpu_with_somebody_elses_memory_is_passed_over() -> None:
    busy = report(gpus=(gpu(0, memory_used_bytes=3 * GIB), gpu(1)))
    assert _indices(choose(busy, request())[0]) == [1]
    process = GpuProcess(pid=1, name="python", memory_bytes=3 * GIB)
    held = report(gpus=(gpu(0, memory_used_bytes=None, processes=(process,)), gpu(1)))
    assert _indices(choose(held, request())[0]) == [1]


@pytest.mark.parametrize("taken", ["0", "GPU-0"])
def test_a_gpu_of_a_running_server_is_passed_over(taken: str) -> None:
    assert _indices(choose(FOUR, request(), taken=frozenset([taken]))[0]) == [1]


def test_named_gpus_are_taken_as_they_are() -> None:
    busy = report(gpus=(gpu(0, memory_used_bytes=3 * GIB), gpu(1)))
    chosen, plan = choose(busy, request(), ids=("GPU-0",))
    assert _indices(chosen) == [0]
    assert plan.memory_gib.used_by_others == pytest.approx(3)


def test_a_gpu_that_cannot_be_used_is_refused_by_its_name_too() -> None:
    box = report(gpus=(gpu(0), gpu(1, usable=False)))
    with pytest.raises(DoesNotFitError, match=r"No program can start on GPU 1 \(NVIDIA H100"):
        choose(box, request(), ids=("0", "1"))
    assert _indices(choose(box, request(), ids=("0",))[0]) == [0]


def test_as_many_users_as_fit_are_the_most_that_do() -> None:
    """On 20 GiB five do not fit, four are tight, two fit: tight is served, as it is for eight."""
    box = report(gpus=(gpu(0, name="x", memory_total_bytes=20 * GIB, compute_capability="8.9"),))
    asked = request(users=None, max_model_len=32_768)
    verdicts = [
        choose(box, msgspec.structs.replace(asked, users=users))[1].verdict for users in (5, 4, 2)
    ]
    assert verdicts == ["does_not_fit", "tight", "fits"]
    _, made = choose_for_users(box, asked)
    assert (made.request.users, made.verdict) == (4, "tight")
    assert made.warnings[0].endswith("8 do not fit at once: planned for 4.")
    _, roomy = choose_for_users(FOUR, asked)
    assert (roomy.request.users, roomy.verdict) == (8, "fits")
    assert not any("at once" in warning for warning in roomy.warnings)


def test_a_plan_notes_what_of_its_launch_is_guessed_or_out_of_reach() -> None:
    lacking = Finding(code=REGISTRY, level="warning", what="No registry.")
    box = report(findings=(lacking,))
    _, made = choose(box, request())
    guessed = Release("0.32.0", "vllm/vllm-openai:nightly", told=False)
    assert noted(made, guessed, box).warnings[:2] == (guessed.note, "No registry.")
    assert noted(made, guessed, box, release_told=True).warnings[0] == "No registry."
    assert noted(made, guessed).warnings[0] == guessed.note
    assert noted(made, Release("0.32.0"), report()) == made


def test_when_nothing_fits_the_largest_try_says_why() -> None:
    chosen, plan = choose(FOUR, request("120b", users=500, max_model_len=131_072))
    assert (len(chosen), plan.verdict) == (4, "does_not_fit")


def test_a_wanted_size_is_kept() -> None:
    chosen, _ = choose(FOUR, request(tensor_parallel_size=2))
    assert _indices(chosen) == [0, 1]
    with pytest.raises(DoesNotFitError, match="8 free GPUs"):
        choose(FOUR, request(tensor_parallel_size=8))


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        ((), "no GPU"),
        ((gpu(0, memory_used_bytes=GIB),), "free"),
        ((gpu(0, usable=False),), "No program can start"),
    ],
)
def test_no_gpu_is_said(gpus: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DoesNotFitError, match=message):
        choose(report(gpus=gpus), request())


@pytest.mark.parametrize("ids", [("9",), ("GPU-x",), ("0", "GPU-0"), ("1", "1"), ("",)])
def test_ids_that_are_wrong_or_double_are_refused(ids: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        named_gpus(FOUR, ids)


def test_unknown_memory_cannot_be_planned() -> None:
    with pytest.raises(DoesNotFitError, match="how much memory"):
        plan_gpu(gpu(memory_total_bytes=None))


# --- the spec -----------------------------------------------------------------------------------


def _built(**changes: Any) -> LaunchSpec:
    box = changes.pop("report", FOUR)
    chosen, plan = choose(box, request())
    values: dict[str, Any] = {
        "plan": plan,
        "report": box,
        "gpus": chosen,
        "launch_id": "id",
        "created_by": "ann@laptop",
        "created_at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    }
    return build_spec(**values | changes)


def _server(**changes: Any) -> Instance:
    values: dict[str, Any] = {
        "name": "gpt-oss-20b", "managed": True, "state": "ready", "gpu_ids": ("GPU-3",)
    }  # fmt: skip
    return Instance(**values | changes)


def test_the_defaults_of_a_careful_operator() -> None:
    spec = _built()
    assert (spec.name, spec.port, spec.bind) == ("gpt-oss-20b", 8000, "127.0.0.1")
    assert spec.image == f"vllm/vllm-openai:v{spec.engine_version}"
    assert (spec.gpu_ids, spec.cache_dir) == (("GPU-0",), "/c/hub")
    assert spec.model == spec.served_name == "openai/gpt-oss-20b"
    assert "openai/gpt-oss-20b" not in spec.arguments
    assert spec.created_at == "2026-01-02T03:04:05+00:00"
    assert spec.restart_once_ready
    assert spec.stop_timeout_s > 60


def test_a_gpu_without_a_uuid_goes_by_its_index() -> None:
    assert _built(report=report(gpus=(gpu(3, uuid=None),))).gpu_ids == ("3",)


def test_names_and_ports_that_are_taken_are_passed_over() -> None:
    others = (_server(port=8001), _server(name="gpt-oss-20b-2", port=None))
    spec = _built(report=report(listening_ports=(22, 8000)), others=others)
    assert (spec.name, spec.port) == ("gpt-oss-20b-3", 8002)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "gpt-oss-20b", "others": (_server(),)}, ConflictError),
        ({"port": 8001, "others": (_server(port=8001),)}, ConflictError),
        ({"port": 22, "report": report(listening_ports=(22,))}, ConflictError),
        ({"others": (_server(gpu_ids=("GPU-0",)),)}, ConflictError),
        ({"others": (_server(gpu_ids=("0",)),)}, ConflictError),
        ({"port": 0}, UsageError),
        ({"port": 65536}, UsageError),
        ({"name": "-x"}, UsageError),
        ({"name": "a b"}, UsageError),
        ({"name": "a;b"}, UsageError),
        ({"name": "a" * 64}, UsageError),
        ({"name": "ok\n"}, UsageError),
        ({"image": "--privileged"}, UsageError),
        ({"image": "a b"}, UsageError),
        ({"image": "vllm/vllm-openai:v1\n"}, UsageError),
        ({"bind": "0.0.0.0"}, UsageError),
        ({"bind": "10.0.0.7"}, UsageError),
    ],
)
def test_what_is_taken_or_wrong_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        _built(**changes)


def test_gpus_without_uuids_are_told_apart() -> None:
    box = report(gpus=(gpu(0, uuid=None), gpu(1, uuid=None)))
    both = {"report": box, "gpus": box.gpus}
    assert _built(**both).gpu_ids == ("0", "1")
    with pytest.raises(ConflictError, match="GPU 0"):
        _built(**both, others=(_server(gpu_ids=("0",)),))


@pytest.mark.parametrize(
    "others",
    [
        (_server(gpu_ids=("GPU-0",), state="exited"),),
        (_server(gpu_ids=("GPU-0",), state="failed"),),
        (_server(gpu_ids=("GPU-0",), managed=False),),
    ],
)
def test_a_server_that_ended_or_is_not_ours_holds_no_gpu(others: tuple[Instance, ...]) -> None:
    assert _built(others=others).gpu_ids == ("GPU-0",)


def test_a_public_address_needs_a_key_and_says_what_stays_open() -> None:
    with pytest.raises(UsageError) as refusal:
        _built(bind="0.0.0.0")
    assert "/metrics" in refusal.value.next_step
    assert _built(bind="0.0.0.0", needs_api_key=True).bind == "0.0.0.0"


@given(st.text(max_size=20))
def test_a_name_is_what_docker_takes_or_refused(name: str) -> None:
    try:
        made = _built(name=name).name
    except UsageError:
        return
    assert made == (name or "gpt-oss-20b")
    assert made.isascii()
    assert made.replace("_", "a").replace(".", "a").replace("-", "a").isalnum()
