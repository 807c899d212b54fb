"""Lines of Ollama that look like something that they are not."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.engines.registry import engine_named

OLLAMA = engine_named("ollama")


def test_a_runner_without_a_model_is_no_load() -> None:
    """It looks for GPUs: before the model is fetched, and again before each load."""
    assert OLLAMA.read_log(
        'level=INFO source=server.go:392 msg="starting runner" cmd="/usr/bin/ollama runner '
        '--ollama-engine --port 40461"'
    ) is None  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 110.63 MiB on device 0: "
        "cudaMalloc failed: out of memory",
        "ggml_gallocr_reserve_n: failed to allocate CUDA0 buffer of size 116004992",
    ],
)
def test_ollama_goes_on_after_an_allocation_that_failed(line: str) -> None:
    """It tries again with fewer layers (0.13.3 on an H100, held to 13,052 free MiB)."""
    assert OLLAMA.read_log(line) is None
