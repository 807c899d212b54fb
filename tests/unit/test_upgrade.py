"""Another version in a server's place: what is planned anew, what changes, what is rolled back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gptoss_tui.app.model import BoxModel
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.gpu import GIB, GpuProcess
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.progress import LaunchProgress, Phase, PhaseName
from gptoss_tui.domain.replan import asked_for
from gptoss_tui.domain.upgrade import Upgrade, fate, moved_on, remains, rolled_back, upgraded
from gptoss_tui.errors import UsageError
from tests.unit.make import gpu, report, request, spec

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def made(old: LaunchSpec, version: str = "0.32.0", **more: Any) -> Upgrade:
    box = report(gpus=(gpu(0), gpu(1)), driver_version="580.65")
    return upgraded(
        old, box, version=version, launch_id="20260304-120000-abcdef", created_by="ann@laptop",
        created_at=NOW, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        {"max_model_len": 32_768, "users": 8},
        {"max_model_len": 8192, "kv_cache_dtype": "fp8", "enforce_eager": True, "block_size": 32},
        {"max_model_len": 8192, "async_scheduling": False, "disable_hybrid_kv_cache_manager": True},
        {"max_model_len": 8192, "kv_cache_memory_bytes": 5 * 1024**3},
        {"max_model_len": 8192, "checkpoint": "bf16", "tensor_parallel_size": 2, "count": 2},
    ],
)
def test_the_flags_of_a_plan_are_planned_to_the_same_flags(asked: dict[str, Any]) -> None:
    plan = recommend(request(**asked))
    old = spec(model=plan.command[0], arguments=plan.command[1:])
    again = asked_for(old)
    assert recommend(replace(again, gpus=plan.request.gpus)).command == plan.command


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (
            ("--max-model-len=4096", "--max-num-seqs", "4"),
            {"max_model_len": 4096, "max_num_seqs": 4},
        ),
        (("--max-model-len=32k",), {"max_model_len": 32_000}),
        (("--max_model_len", "32K"), {"max_model_len": 32_768}),
        (("--max-model-len", "25.6k"), {"max_model_len": 25_600}),
        (("--max-model-len", "auto"), {"max_model_len": -1}),
        (("--max-num-batched-tokens", "8K"), {"max_num_batched_tokens": 8192}),
        (("--kv-cache-memory-bytes=5G",), {"kv_cache_memory_bytes": 5 * GIB}),
        (("-tp", "2", "-q=mxfp4"), {"tensor_parallel_size": 2, "quantization": "mxfp4"}),
        (("--max-num-seqs", "4", "--max-num-seqs=9"), {"max_num_seqs": 9}),
        (("--async-scheduling", "--no-async-scheduling"), {"async_scheduling": False}),
        (("--no-enforce-eager",), {"enforce_eager": False}),
    ],
)
def test_flags_are_read_as_vllm_reads_them(
    flags: tuple[str, ...], fields: dict[str, object]
) -> None:
    asked = asked_for(spec(arguments=flags))
    assert {name: getattr(asked, name) for name in fields} == fields


@pytest.mark.parametrize(
    "flag",
    [
        ("--lora-modules", "x"), ("--max-model-len", "much"), ("--block-size",),
        ("--max-num-seqs", "1k"), ("--max-model-len", "1.5K"), ("--dtype", "half", "stray"),
    ],
)  # fmt: skip
def test_a_flag_that_is_not_known_is_named(flag: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=f"The flag {' '.join(flag)} of gpt-oss-20b"):
        asked_for(spec(arguments=flag))


def test_what_changes_is_said_line_by_line() -> None:
    old = spec(engine_version="0.17.0", image="vllm/vllm-openai:v0.17.0")
    upgrade = made(old)
    assert upgrade.plan is not None
    assert upgrade.changes[:2] == (
        "version: 0.17.0 → 0.32.0",
        "image: vllm/vllm-openai:v0.17.0 → vllm/vllm-openai:v0.32.0",
    )
    assert "with --shutdown-timeout 60" in upgrade.changes
    assert not any("--max-model-len" in line for line in upgrade.changes)  # it stays as it is
    assert upgrade.spec.planned is not None
    assert (upgrade.spec.name, upgrade.spec.port, upgrade.spec.gpu_ids) == (
        old.name, old.port, old.gpu_ids,
    )  # fmt: skip
    assert upgrade.spec.launch_id != old.launch_id


def test_the_same_again_says_that_it_is_the_same() -> None:
    upgrade = made(made(spec()).spec)
    assert upgrade.changes == (
        "version: 0.32.0, as it is",
        "image: vllm/vllm-openai:v0.32.0, as it is",
        "Its flags stay as they are.",
    )
    assert upgrade.same == "gpt-oss-20b runs 0.32.0 with these flags already."
    assert made(spec()).same == ""  # its flags are planned anew
    assert made(upgrade.spec, image="mirror.lan/vllm:0.32.0").same == ""


def test_a_downgrade_is_said_to_be_one() -> None:
    upgrade = made(made(spec()).spec, "0.17.0")
    assert upgrade.changes[:3] == (
        "version: 0.32.0 → 0.17.0",
        "image: vllm/vllm-openai:v0.32.0 → vllm/vllm-openai:v0.17.0",
        "It is older than what runs.",
    )
    assert "without --shutdown-timeout 60" in upgrade.changes
    assert upgrade.same == ""


def test_an_image_whose_tag_tells_no_version_is_planned_as_the_pinned_one() -> None:
    upgrade = made(spec(engine_version="0.31.0"), ":nightly")
    assert (upgrade.spec.engine_version, upgrade.spec.image) == (
        "0.32.0",
        "vllm/vllm-openai:nightly",
    )
    assert "The image does not tell its version: it is planned as 0.32.0." in upgrade.changes


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
def test_nonsense_is_refused_for_every_engine(engine: Any) -> None:
    with pytest.raises(UsageError, match="'newest' is no"):
        made(spec(engine=engine), "newest")
    with pytest.raises(UsageError, match="is no image name"):
        made(spec(engine=engine), "0.30.0", image="My Image")


def test_a_server_that_another_operator_replaced_is_left_to_him() -> None:
    mine = Instance(name="gpt-oss-20b", managed=True, launch_id="a", spec=spec(launch_id="a"))
    theirs = replace(mine, launch_id="b", spec=spec(launch_id="b", created_by="bob@desk"))
    assert moved_on(mine, mine) == ""
    assert moved_on(mine, None) == "gpt-oss-20b is not on the box any more."
    assert moved_on(mine, theirs).startswith("gpt-oss-20b was replaced meanwhile by bob@desk")
    coming = Instance(name="gpt-oss-20b", managed=True, state="launching", launch_id="b")
    assert "was replaced meanwhile:" in moved_on(mine, coming)


@pytest.mark.parametrize(("engine", "version"), [("sglang", "0.5.23"), ("ollama", "0.13.3")])
def test_flags_of_other_engines_stay_as_they_are(engine: Any, version: str) -> None:
    old = spec(engine=engine, engine_version="0.5.20", arguments=("--anything", "1"))
    upgrade = made(old, version)
    assert upgrade.plan is None
    assert upgrade.spec.arguments == old.arguments
    assert upgrade.changes[-1].startswith("Its flags stay as they are; only for vLLM")


@pytest.mark.parametrize(
    ("engine", "old", "new"),
    [("vllm", "0.9.0", "0.99.0"), ("sglang", "0.4.9", "0.31.0"), ("ollama", "0.9.3", "0.30.0")],
)
def test_a_version_too_old_is_refused_and_one_beyond_all_known_warned_of(
    engine: Any, old: str, new: str
) -> None:
    plan = recommend(request(engine=engine))
    running = spec(engine=engine, model=plan.command[0], arguments=plan.command[1:])
    with pytest.raises(UsageError, match=f"{old} cannot serve GPT-OSS"):
        made(running, old)
    assert made(running, engine_named(engine).default_version).warning == ""
    assert f"{new} is newer than any version this tool knows" in made(running, new).warning


def test_a_version_must_be_one() -> None:
    with pytest.raises(UsageError, match="No version is named"):
        made(spec(), " ")
    with pytest.raises(UsageError, match="'new' is no vLLM version"):
        made(spec(), "new")
    assert made(spec(), "v0.31.0", image="mirror.lan/vllm:1").spec.image == "mirror.lan/vllm:1"


def test_the_server_that_is_replaced_gives_its_memory_back() -> None:
    held = GpuProcess(pid=7, name="VLLM::EngineCore", memory_bytes=70 * GIB)
    box = report(
        gpus=(gpu(1, memory_used_bytes=70 * GIB, processes=(held,)),), driver_version="580.65"
    )
    upgrade = upgraded(
        spec(), box, version="0.32.0", launch_id="x", created_by="", created_at=NOW
    )  # fmt: skip
    assert upgrade.plan is not None
    assert upgrade.plan.verdict == "fits"


def test_a_roll_back_is_told_from_what_is_left() -> None:
    def ended(*left: str) -> LaunchProgress:
        return LaunchProgress(
            launch_id="1", name="n", state="failed", phases=(), leftovers=left, replaces="n"
        )  # fmt: skip

    restored = "the server n as it was before, started again"
    there = ended("the container x", restored)
    assert rolled_back(there) == "n"
    assert remains(there) == ("the container x",)
    assert fate(there).startswith("Rolled back: n was started again")
    stuck = ended("the server n stopped: it could not be started again (no)")
    assert (rolled_back(stuck), fate(stuck)) == ("", "")  # what is left says it already
    early = ended("the layers that were already pulled, in the Docker cache")
    assert fate(early) == "n was not touched: it serves as before."
    assert fate(replace(early, replaces=None)) == ""
    cut_off = replace(early, container_id="c")  # the helper was killed behind it
    assert "n-before-1" in fate(cut_off)


def test_what_was_seen_of_a_launch_stays_where_the_box_keeps_less() -> None:
    names: tuple[PhaseName, ...] = ("pull", "load", "warmup")
    done = tuple(Phase(name=name, state="done") for name in names)
    seen = LaunchProgress(launch_id="1", name="n", state="ready", phases=done)
    less = replace(seen, phases=done[:1])
    assert seen.knows_more_than(less)
    assert not less.knows_more_than(seen)
    assert not seen.knows_more_than(seen)
    model = BoxModel("box")
    hub = Hub(lambda: NOW)
    hub.tap(model.apply)
    for told in (seen, less):
        hub.publish(told, box="box", instance="n")
    assert model.launches["1"].body == seen
