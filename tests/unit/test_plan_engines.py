"""SGLang and Ollama: estimates, held against the little that was published."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gptoss_tui.domain.gpu import GIB
from gptoss_tui.domain.plan.planner import plan
from tests.unit.make import plan_gpu, request


def test_sglang_keeps_room_for_prefill_and_graphs() -> None:
    """server_args.py: 512 + 8192 * 1.5 + 256 * 2 + 128 MiB of an H100's 81,559: 0.835 remain."""
    made = plan(request(engine="sglang", engine_version="0.5.23", max_model_len=32_768))
    assert made.request.gpu_memory_utilization == pytest.approx(0.835, abs=0.001)
    assert set(made.basis.values()) == {"estimated"}
    assert "--context-length" in made.command
    assert made.memory_gib.buffers == 0
    assert made.memory_gib.activation is None  # in what is left over, with all the rest


def test_ollama_holds_what_was_measured() -> None:
    """gpt-oss:20b, 131,072 tokens of q8_0 and one slot: 15,132 MiB of an RTX 5090."""
    card = plan_gpu(32_607, "12.0", name="NVIDIA GeForce RTX 5090")
    made = plan(
        request(gpus=(card,), engine="ollama", engine_version="0.13.3", max_model_len=131_072,
                users=1, kv_cache_dtype="q8_0")
    )  # fmt: skip
    memory = made.memory_gib
    used = memory.weights + memory.buffers + memory.kv_cache
    assert used * 1024 == pytest.approx(15_132, rel=0.006)
    assert made.verdict == "fits"


def test_ollama_keeps_a_window_for_every_slot() -> None:
    """A log of 120b with 8,192 tokens and one slot: 450.0 MiB, 288 full and 162 of the window."""
    card = plan_gpu(97_887, "12.0", name="x")
    flags: dict[str, Any] = {"engine": "ollama", "engine_version": "0.13.3", "gpus": (card,)}
    one = plan(request("120b", max_model_len=8192, **flags))
    assert one.kv_cache.needed_gib_for_one_request * 1024 == pytest.approx(288 + 144)
    assert one.memory_gib.kv_cache * 1024 == pytest.approx(450)
    assert plan(request("120b", max_model_len=8192, users=256, **flags)).verdict == "does_not_fit"
    # Below 4,096 tokens the window keeps the context alone, on cards that are given so little.
    flags["gpus"] = (plan_gpu(16_376, "8.9", name="x"),)
    short = plan(request("120b", max_model_len=2048, **flags))
    assert short.kv_cache.needed_gib_for_one_request * 1024 == pytest.approx(72 + 72)


@pytest.mark.parametrize(("dtype", "share"), [("f16", 1), ("q8_0", 34 / 64), ("q4_0", 18 / 64)])
def test_ollamas_cache_types(dtype: str, share: float) -> None:
    asked = request(engine="ollama", engine_version="0.13.3", max_model_len=8192)
    plain = plan(asked).kv_cache.needed_gib_for_one_request
    made = plan(msgspec.structs.replace(asked, kv_cache_dtype=dtype))
    assert made.kv_cache.needed_gib_for_one_request == pytest.approx(plain * share)


def test_ollama_has_no_bf16() -> None:
    made = plan(request(engine="ollama", engine_version="0.13.3", checkpoint="bf16"))
    assert (made.verdict, made.fits_requests) == ("unsupported", 0)


def test_sglang_shares_what_is_free() -> None:
    idle, busy = (
        plan(request(engine="sglang", engine_version="0.5.23", max_model_len=8192,
                     gpus=(plan_gpu(memory_used_bytes=used * GIB),)))
        for used in (0, 60)
    )  # fmt: skip
    assert idle.verdict == "fits"
    assert busy.verdict != "fits"
    assert busy.memory_gib.kv_cache < idle.memory_gib.kv_cache - 45
    full = msgspec.structs.replace(idle.request, gpus=(plan_gpu(memory_used_bytes=90 * GIB),))
    assert (plan(full).verdict, plan(full).memory_gib.budget) == ("does_not_fit", 0)


def test_ollama_says_when_layers_go_to_the_cpu() -> None:
    card = plan_gpu(24_564, "8.9", name="NVIDIA GeForce RTX 4090")
    made = plan(request("120b", gpus=(card,), engine="ollama", engine_version="0.13.3"))
    assert made.verdict == "does_not_fit"
    assert "CPU" in made.reason
