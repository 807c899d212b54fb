"""The wizard's engines and GPUs: what is chosen, what an engine lacks, what others took meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gptoss_tui.app import messages as said
from gptoss_tui.domain.gpu import GIB
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.progress import LaunchProgress
from tests.app.fakes import FakeFleet
from tests.app.make import gpu, report, server, spec
from tests.app.support import Operator, at_app


@asynccontextmanager
async def wizard(fleet: FakeFleet, size: tuple[int, int] = (120, 50)) -> AsyncIterator[Operator]:
    async with at_app(fleet, size, clock=fleet.clock) as operator:
        await operator.press("enter")
        await operator.until(lambda: operator.app.model("alpha").instances is not None, "listed")
        await operator.until(lambda: operator.app.model("alpha").report is not None, "looked at")
        await operator.press("w")
        await operator.at("WizardScreen")
        yield operator


async def take(operator: Operator, engine: str) -> None:
    """Choose an engine by the keyboard, from the model's line."""
    await operator.press(
        "tab", *{"SGLang": ("right",), "Ollama": ("right", "right")}[engine], "space"
    )
    await operator.sees(f"engine: {engine}")


def plan_of(operator: Operator) -> str:
    """What can be read of the plan beside the form, its lines joined."""
    area = operator.app.screen.query_one("#plan").content_region
    rows = operator.lines[area.y : area.bottom]
    return " ".join(" ".join(row[area.x : area.right] for row in rows).split())


async def launched(operator: Operator) -> said.LaunchRequested:
    await operator.press("ctrl+l")
    await operator.at("LaunchScreen")
    (asked,) = operator.said(said.LaunchRequested)
    return asked


@pytest.mark.parametrize("size", [(80, 24), (120, 50)])
async def test_the_engine_is_chosen_where_the_model_is(
    fleet: FakeFleet, size: tuple[int, int]
) -> None:
    async with wizard(fleet, size) as operator:
        await operator.sees("engine: vLLM 0.32.0", "● vLLM", "○ SGLang", "○ Ollama")
        await take(operator, "SGLang")
        await operator.sees("engine: SGLang 0.5.23", "○ vLLM", "● SGLang", "fits")
        asked = await launched(operator)
    assert (asked.spec.engine, asked.spec.image) == ("sglang", "lmsysorg/sglang:v0.5.23")
    assert "--context-length" in asked.spec.arguments


async def test_a_plan_is_the_engines_own(fleet: FakeFleet) -> None:
    async with wizard(fleet, (160, 50)) as operator:
        await operator.sees("--max-num-seqs 16 is the limit", "one GPU, 79.6 GiB (vLLM may use")
        await take(operator, "SGLang")
        await operator.sees(
            "the KV cache is the limit", "none was measured", "--mem-fraction-static"
        )
        assert "--max-num-seqs" not in operator.screen
        await operator.press("right", "space")
        await operator.sees("context per slot (up to 128k)", "OLLAMA_NUM_PARALLEL 8 is the limit")
        await operator.sees("all GPUs, 79.2 GiB (Ollama may use")
        await operator.sees(
            "up to 8 requests of 32,768 tokens at once", "ollama/ollama:0.13.3 serve"
        )


async def test_what_ollama_lacks_is_said_and_a_key_for_it_refused(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await operator.sees("API key (optional)")
        await take(operator, "Ollama")
        await operator.sees("API key (Ollama takes none)", "▲ Ollama has no figures")
        operator.app.screen.query_one("#api-key").focus()
        await operator.write("k")
        await operator.sees("✗ Ollama takes no API key.")
        await operator.press("ctrl+l")
        await operator.hears("Ollama takes no API key.", "take vLLM or SGLang")
        assert operator.said(said.LaunchRequested) == []
        await operator.press("backspace")
        asked = await launched(operator)
    assert (asked.spec.engine, asked.spec.model) == ("ollama", "gpt-oss:20b")
    assert ("OLLAMA_CONTEXT_LENGTH", "32768") in asked.spec.environment


async def fill(operator: Operator, **fields: str) -> None:
    """Write these into the form, in place of what stands there."""
    for name, text in fields.items():
        operator.app.screen.query_one(f"#{name}").focus()
        await operator.press("end", "ctrl+u")
        await operator.write(text)


async def test_an_image_that_the_driver_does_not_run_is_not_launched(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(driver_version="550.54")
    async with wizard(fleet) as operator:
        await take(operator, "SGLang")
        await operator.sees("images for CUDA 13 alone")
        await operator.press("ctrl+l")
        await operator.hears("Update the driver")
        assert operator.said(said.LaunchRequested) == []


async def test_a_larger_model_gets_the_gpus_that_it_needs(fleet: FakeFleet) -> None:
    cards = tuple(gpu(index, memory_total_bytes=46 * GIB, name="NVIDIA L40S") for index in range(4))
    fleet.boxes["alpha"].report = report(gpus=cards)
    async with wizard(fleet) as operator:
        await operator.sees("GPUs: 0 (space chooses)")
        await operator.press("right", "space")
        await operator.sees("model: gpt-oss-120b", "GPUs: 0, 1 (space chooses)")
        operator.app.screen.query_one("#gpus").focus()
        await operator.press("end", "space")  # from now on the user chooses
        await operator.sees("GPUs: 0, 1, 3 (space chooses)")
        operator.app.screen.query_one("#model").focus()
        await operator.press("left", "space")
        await operator.sees("model: gpt-oss-20b", "GPUs: 0, 1, 3 (space chooses)")


def other(**changes: object) -> object:
    return server("other", launch_id="20260304-110000-00beef", port=8001, **changes)


async def test_gpus_taken_meanwhile_are_left_and_that_is_said(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(2)
    async with wizard(fleet) as operator:
        await operator.sees("GPUs: 0 (space chooses)")
        taker = other(gpu_ids=("GPU-0",))
        fleet.hub.publish(InstanceList(instances=(taker,)), box="alpha")  # type: ignore[arg-type]
        await operator.hears("GPU 0 was taken by other meanwhile: GPU 1 is chosen instead.")
        await operator.sees("GPUs: 1 (space chooses)", "0  H100 80GB HBM3  other")
        asked = await launched(operator)
    assert asked.spec.gpu_ids == ("GPU-1",)


async def test_a_launch_without_a_container_has_its_gpus_too(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(2)
    async with wizard(fleet) as operator:
        coming = other(gpu_ids=(), state="launching")
        fleet.hub.publish(InstanceList(instances=(coming,)), box="alpha")  # type: ignore[arg-type]
        await operator.settle()
        await operator.sees("GPUs: 0 (space chooses)")
        progress = LaunchProgress(
            launch_id="20260304-110000-00beef",
            name="other",
            state="running",
            phases=(),
            spec=spec(),
        )
        fleet.hub.publish(progress, box="alpha")
        await operator.hears("GPU 0 was taken by other meanwhile: GPU 1 is chosen instead.")
        await operator.sees("GPUs: 1 (space chooses)")


async def test_where_no_other_gpu_is_free_nothing_is_launched(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        taker = other(gpu_ids=("GPU-0",))
        fleet.hub.publish(InstanceList(instances=(taker,)), box="alpha")  # type: ignore[arg-type]
        await operator.hears("GPU 0 was taken by other meanwhile: no other one is free.")
        await operator.sees("GPUs: none", "Choose at least one GPU.")
        fleet.hub.publish(InstanceList(instances=()), box="alpha")
        await operator.sees("GPUs: 0 (space chooses)", "✓ fits")


async def test_a_gpu_that_is_shared_on_purpose_stays(fleet: FakeFleet) -> None:
    busy = gpu(0, memory_used_bytes=20 * GIB)
    fleet.boxes["alpha"].report = report(gpus=(busy, gpu(1)))
    async with wizard(fleet) as operator:
        await operator.sees("0  H100 80GB HBM3  in use", "GPUs: 1 (space chooses)")
        operator.app.screen.query_one("#gpus").focus()
        await operator.press("home", "space", "down", "space")
        await operator.sees("GPUs: 0 (space chooses)")
        fleet.hub.publish(report(gpus=(busy, gpu(1))), box="alpha")
        fleet.hub.publish(InstanceList(instances=()), box="alpha")
        await operator.settle()
        await operator.sees("GPUs: 0 (space chooses)")
        assert operator.told == []


# --- the version ----------------------------------------------------------------------------------


async def typed(operator: Operator, text: str) -> None:
    """Write another version, or an image, where the pinned version stands."""
    await fill(operator, version=text)


@pytest.mark.parametrize(
    ("engine", "version", "known"),
    [
        ("vLLM", "0.99.0", "0.33"), ("SGLang", "0.31.0", "0.5.23"), ("Ollama", "0.30.0", "0.13.3"),
    ],
)  # fmt: skip
async def test_a_version_beyond_all_known_ones_is_warned_of_and_can_be_launched(
    fleet: FakeFleet, engine: str, version: str, known: str
) -> None:
    async with wizard(fleet, (80, 24)) as operator:
        if engine != "vLLM":
            await take(operator, engine)
        await typed(operator, version)
        words = (
            f"▲ {engine} {version} is newer than any version this tool knows ({known}): its flags, "
            "memory and log phases may differ."
        )
        await operator.until(lambda: words in plan_of(operator), "the warning")
        asked = await launched(operator)
    assert asked.spec.engine_version == version


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_another_version_is_planned_at_once(fleet: FakeFleet, size: tuple[int, int]) -> None:
    fleet.boxes["alpha"].report = report(driver_version="580.65")
    async with wizard(fleet, size) as operator:
        await operator.sees("engine: vLLM 0.32.0", "version or tag (pinned 0.32.0)", " 0.32.0 ")
        await typed(operator, "0.17.0")
        await operator.sees("engine: vLLM 0.17.0", "Older than the pinned 0.32.0:")
        await operator.sees("--gpu-memory-utilization 0.92 → 0.9", "without --shutdown-timeout 60")
        await operator.sees("GiB of KV cache", "Its image is built for CUDA 12: driver", "580.65")
        asked = await launched(operator)
    assert (asked.spec.engine_version, asked.spec.image) == ("0.17.0", "vllm/vllm-openai:v0.17.0")
    assert "--shutdown-timeout" not in asked.spec.arguments


async def test_an_emptied_version_is_the_pinned_one(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await typed(operator, "")
        await operator.sees("engine: vLLM 0.32.0", "✓ fits")
        asked = await launched(operator)
    assert asked.spec.image == "vllm/vllm-openai:v0.32.0"


async def test_a_version_that_is_none_is_refused_in_a_sentence(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await typed(operator, "nightly")
        await operator.sees("✗ 'nightly' is no vLLM version. Write it as 0.32.0", "as :nightly.")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: 'nightly' is no vLLM version.")
        await typed(operator, "0.9.0")
        await operator.sees("✗ vLLM 0.9.0 cannot serve GPT-OSS.")
        await typed(operator, "ollama/ollama:0.13.3")
        await operator.sees("is an image of Ollama, not of vLLM.")
        assert operator.said(said.LaunchRequested) == []


async def test_an_image_is_taken_and_what_it_does_not_tell_is_said(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await typed(operator, ":nightly")
        await operator.sees("▲ The image does not tell its version: it is planned as 0.32.0.")
        await typed(operator, "mirror.lan:5000/vllm:v0.31.0")
        await operator.sees("engine: vLLM 0.31.0", "mirror.lan:5000/vllm:v0.31.0")
        asked = await launched(operator)
    assert (asked.spec.engine_version, asked.spec.image) == (
        "0.31.0", "mirror.lan:5000/vllm:v0.31.0",
    )  # fmt: skip


async def test_each_engine_keeps_the_version_that_was_typed_for_it(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await typed(operator, "0.31.0")
        operator.app.screen.query_one("#engine").focus()
        await operator.press("right", "space")
        await operator.sees("engine: SGLang 0.5.23", "(pinned 0.5.23)")
        await operator.press("left", "space")
        await operator.sees("engine: vLLM 0.31.0", "(pinned 0.32.0)")


async def test_an_image_too_new_for_the_driver_blocks(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(driver_version="550.54")
    async with wizard(fleet) as operator:
        await operator.sees("vllm/vllm-openai:v0.32.0-cu129", "✓ fits")
        await typed(operator, ":v0.31.0")
        words = "The driver 550.54 is too old for vllm/vllm-openai:v0.31.0"
        await operator.sees(f"✗ {words}")
        await operator.press("ctrl+l")
        await operator.hears(f"Nothing is launched: {words}", "-cu129")
        assert operator.said(said.LaunchRequested) == []


async def test_ollama_is_launched_on_gpus_that_are_too_old_for_the_others(
    fleet: FakeFleet,
) -> None:
    old = Finding(code="gpu_too_old", level="blocker", what="GPU 0 is too old.", do="Use Ollama.")
    v100 = gpu(0, name="Tesla V100-SXM2-32GB", compute_capability="7.0")
    fleet.boxes["alpha"].report = report(gpus=(v100,), findings=(old,))
    async with wizard(fleet) as operator:
        await operator.sees("✗ GPU 0 is too old.")
        await take(operator, "Ollama")
        await operator.until(lambda: "GPU 0 is too old." not in operator.screen, "it is no blocker")
        assert (await launched(operator)).spec.engine == "ollama"
