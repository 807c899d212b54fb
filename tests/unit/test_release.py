"""Which release of an engine is meant, and what keeps it from being launched on a box."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.blockers import blocking, check, findings_for
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import Release, is_older, release, release_of
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.versions import beyond
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.errors import DockerError, UsageError
from tests.unit.make import report, request

DIGEST = "sha256:" + "0f" * 32
OLD_GPU = Finding(code="gpu_too_old", level="blocker", what="The GPU is too old.", do="Change it.")
FULL = Finding(code="disk_docker", level="blocker", what="The disk is full.", do="Free some.")
WARNING = Finding(code="driver_old", level="warning", what="Old.", do="Update.")


@pytest.mark.parametrize(
    ("engine", "text", "meant"),
    [
        ("vllm", "", Release("0.32.0")),
        ("sglang", " ", Release("0.5.23")),
        ("vllm", " v0.31.0 ", Release("0.31.0")),
        ("vllm", "0.31.0-cu129", Release("0.31.0-cu129")),
        ("ollama", "0.13.4-rc1", Release("0.13.4-rc1")),
        ("vllm", ":v0.31.0", Release("0.31.0", "vllm/vllm-openai:v0.31.0")),
        ("vllm", ":nightly", Release("0.32.0", "vllm/vllm-openai:nightly", told=False)),
        ("ollama", ":latest", Release("0.13.3", "ollama/ollama:latest", told=False)),
        (
            "vllm", "mirror.lan:5000/ai/vllm:0.30.1",
            Release("0.30.1", "mirror.lan:5000/ai/vllm:0.30.1"),
        ),
        ("vllm", "mirror.lan/vllm", Release("0.32.0", "mirror.lan/vllm", told=False)),
        (
            "vllm", f"vllm/vllm-openai@{DIGEST}",
            Release("0.32.0", f"vllm/vllm-openai@{DIGEST}", told=False),
        ),
        (
            "vllm", f"vllm/vllm-openai:v0.31.0@{DIGEST}",
            Release("0.31.0", f"vllm/vllm-openai:v0.31.0@{DIGEST}"),
        ),
    ],
)  # fmt: skip
def test_a_version_or_an_image(engine: str, text: str, meant: Release) -> None:
    assert release(engine_named(engine), text) == meant


@pytest.mark.parametrize(
    ("engine", "text", "sentence"),
    [
        ("vllm", "new", "'new' is no vLLM version. Write it as 0.32.0, or the image's tag"),
        ("vllm", "nightly", "with a colon, as :nightly."),
        ("ollama", "0.13.x", "'0.13.x' is no Ollama version. Write it as 0.13.3"),
        ("sglang", "1", "'1' is no SGLang version."),
        ("vllm", "0.32.0; rm -rf /", "is no image name."),
        ("vllm", "0.32 .0", "'0.32 .0' is no vLLM version."),
        ("vllm", ":", "'vllm/vllm-openai:' is no image name."),
        ("vllm", "Vllm/x:1", "is no image name. Write it as repository:tag."),
        ("vllm", "lmsysorg/sglang:v0.5.23", "is an image of SGLang, not of vLLM."),
        ("sglang", "ollama/ollama:0.13.3", "Choose the engine Ollama for it."),
    ],
)
def test_nonsense_is_refused_in_a_sentence(engine: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        release(engine_named(engine), text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("engine", "version", "sentence"),
    [
        ("vllm", "0.9.2", "vLLM 0.9.2 cannot serve GPT-OSS. 0.10.1 is the first release that can."),
        ("sglang", "0.4.10", "SGLang 0.4.10 cannot serve GPT-OSS. 0.5.0 is the first"),
        ("ollama", "v0.9.3", "Ollama v0.9.3 cannot serve GPT-OSS. 0.11.0 is the first"),
    ],
)
def test_a_release_without_gpt_oss_is_refused_with_the_first_that_has_it(
    engine: str, version: str, sentence: str
) -> None:
    with pytest.raises(PlanInputError) as refused:
        recommend(request(engine=engine, engine_version=version))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("engine", "version", "known"),
    [
        ("vllm", "0.34.0", "0.33"),
        ("vllm", "1.0", "0.33"),
        ("sglang", "0.31.0", "0.5.23"),
        ("sglang", "0.5.24rc1", "0.5.23"),
        ("ollama", "0.13.4", "0.13.3"),
    ],
)
def test_a_release_beyond_all_known_ones_is_warned_of(
    engine: str, version: str, known: str
) -> None:
    title = engine_named(engine).title
    assert beyond(version, engine) == (
        f"{title} {version} is newer than any version this tool knows ({known}): its flags, "
        "memory and log phases may differ."
    )


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
def test_every_plan_for_it_warns_first(engine: str) -> None:
    made = recommend(request(engine=engine, engine_version="0.99.0"))
    assert made.warnings[0] == beyond("0.99.0", engine)
    known = engine_named(engine).default_version
    made = recommend(request(engine=engine, engine_version=known))
    assert not any("newer than" in warning for warning in made.warnings)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
def test_a_known_release_is_not_warned_of(engine: str) -> None:
    assert beyond(engine_named(engine).default_version, engine) == ""
    assert beyond("0.33.99-cu129", "vllm") == beyond("0.11", "ollama") == ""


@pytest.mark.parametrize(
    ("version", "image", "meant"),
    [
        (None, None, Release("0.32.0")),
        ("", " ", Release("0.32.0")),
        (":v0.31.0", None, Release("0.31.0", "vllm/vllm-openai:v0.31.0")),
        (None, "mirror.lan/vllm:v0.31.0", Release("0.31.0", "mirror.lan/vllm:v0.31.0")),
        (None, ":v0.31.0", Release("0.31.0", "vllm/vllm-openai:v0.31.0")),
        (None, "v0.31.0", Release("0.31.0")),
        (None, "vllm", Release("0.32.0", "vllm", told=False)),
        (None, "mine:latest", Release("0.32.0", "mine:latest", told=False)),
        # A tag tells the engine's version only where the image is the engine's by its name.
        (None, "corp/serving:3.1", Release("0.32.0", "corp/serving:3.1", told=False)),
        ("0.30.1", "corp/serving:3.1", Release("0.30.1", "corp/serving:3.1")),
        # A version twice leaves the image to the box's driver.
        ("0.31.0", "v0.31.0", Release("0.31.0")),
        (":v0.31.0", "0.31.0", Release("0.31.0", "vllm/vllm-openai:v0.31.0")),
        (":v0.30.1", ":nightly", Release("0.30.1", "vllm/vllm-openai:nightly")),
    ],
)
def test_a_version_and_an_image_together(
    version: str | None, image: str | None, meant: Release
) -> None:
    assert release_of(engine_named("vllm"), version, image) == meant


@pytest.mark.parametrize(
    ("version", "image", "sentence"),
    [
        (None, "nightly", "'nightly' is no vLLM version. Write it as 0.32.0, or the image's tag with "
         "a colon, as :nightly."),
        (None, "mine", "as :mine."),
        (None, "sglang", "is an image of SGLang, not of vLLM."),
        (None, "No Image", "'No Image' is no image name."),
        ("0.30.1", "0.31.0", "0.30.1 and 0.31.0 name two versions of vLLM. Give one of them."),
    ],
)  # fmt: skip
def test_a_version_and_an_image_that_make_no_sense(
    version: str | None, image: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        release_of(engine_named("vllm"), version, image)
    assert sentence in str(refused.value)


def test_a_guessed_version_is_said() -> None:
    assert Release("0.32.0").note == ""
    assert "planned as 0.32.0" in Release("0.32.0", "mine", told=False).note


def test_what_is_older() -> None:
    assert is_older("0.9.2", "0.32.0")
    assert not is_older("0.32.0", "0.32.0-cu129")
    assert not is_older("nightly", "0.32.0")


# --- what is in the way ---------------------------------------------------------------------------


def test_an_image_that_the_driver_does_not_run_blocks() -> None:
    box = report(driver_version="550.54", findings=(WARNING,))
    (found,) = blocking(box, "vllm", "vllm/vllm-openai:v0.32.0")
    assert found.what.startswith("The driver 550.54 is too old for vllm/vllm-openai:v0.32.0")
    assert "-cu129" in found.do
    assert blocking(box, "vllm", "vllm/vllm-openai:v0.32.0-cu129") == ()
    assert blocking(box, "vllm") == ()


def test_what_ails_the_box_comes_before_the_image() -> None:
    box = report(driver_version="550.54", findings=(FULL, WARNING))
    assert blocking(box, "vllm", "vllm/vllm-openai:v0.32.0")[0] == FULL
    assert [finding.code for finding in findings_for(box, "vllm", "vllm/vllm-openai:v0.32.0")] == [
        "disk_docker", "driver_old", "driver_too_old",
    ]  # fmt: skip


def test_a_driver_that_is_too_old_for_all_is_said_once() -> None:
    known = Finding(code="driver_too_old", level="blocker", what="Too old for any.", do="Update.")
    box = report(driver_version="470.1", findings=(known,))
    assert findings_for(box, "vllm", "vllm/vllm-openai:v0.32.0") == (known,)


def test_ollama_runs_on_older_gpus() -> None:
    box = report(findings=(OLD_GPU,))
    assert blocking(box, "sglang") == blocking(box, "vllm") == (OLD_GPU,)
    assert blocking(box, "ollama") == ()


def test_all_that_blocks_is_named_at_once() -> None:
    box = report(findings=(FULL, OLD_GPU, WARNING))
    with pytest.raises(DockerError) as raised:
        check(box, "vllm")
    assert str(raised.value) == ("The disk is full. The GPU is too old. Free some. Change it.")
    check(report(findings=(WARNING,)), "vllm")
