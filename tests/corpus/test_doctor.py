"""The doctor over every real log and every answer of Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptoss_tui.domain.doctor.read import diagnose
from tests.corpus.support import ROOT, each, text

# What each failure must be recognised as; whatever is not named here is none.
CAUSES = {
    "d_logs/err-driver-too-old-vllm0.22.txt": "driver_too_old",
    "d_logs/err-driver-too-old-vllm0.28.txt": "driver_too_old",
    "d_logs/err-quantization-mismatch-vllm.txt": "quantization_mismatch",
    "d_logs/gptoss-harmony-vocab-line.txt": "harmony_vocab",
    "d_logs/gptoss-known-errors-recipes.txt": "sinks_dtype",
    "d_logs/llamacpp-server.log": "gpu_fault",
    "d_logs/ollama-gptoss120b-rocm-journal.log": "gpu_fault",
    "d_logs/vllm-0.10.0-v0-terminated.log": "terminated",
    "d_logs/vllm-0.14-rocm-fp8-oom.log": "gpu_memory",
    "d_logs/vllm-0.19.1-t4-oom.log": "gpu_memory",
    "d_logs/vllm-fp8-traceback.log": "tokenizer_missing",
    "d_logs/vllm-import-error-rocm.log": "broken_install",
    "e_docker/err-gpu-driver-2020.txt": "no_gpu_runtime",
    "e_docker/err-gpu-driver.txt": "no_gpu_runtime",
    "e_docker/err-manifest-unknown-compose-v1.txt": "image_missing",
    "e_docker/err-manifest-unknown-run.txt": "image_missing",
    "e_docker/err-name-conflict.txt": "name_taken",
    "e_docker/err-permission-api-2026.txt": "docker_permission",
    "e_docker/err-port-id-printed-first.txt": "port_taken",
    "e_docker/err-port-inuse-userland-proxy.txt": "port_taken",
    "e_docker/err-register-layer-unshare.txt": "cannot_unpack",
    "e_docker/err-toomanyrequests-kubelet.txt": "registry_rate_limit",
    "e_docker/err-toomanyrequests-skopeo.txt": "registry_rate_limit",
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_failure_is_recognised(name: str) -> None:
    assert ROOT is not None
    found = diagnose(text(ROOT / name).splitlines())
    assert (found.verdict, found.cause) == ("known", CAUSES[name])
    assert found.fix
    assert found.evidence


def _is_a_failure(file: Path) -> bool:
    return f"{file.parent.name}/{file.name}" in CAUSES


@each("[de]_*/*.[lt][ox][gt]")
def test_no_failure_is_invented(file: Path) -> None:
    if not _is_a_failure(file):
        assert diagnose(text(file).splitlines()).verdict == "nothing_wrong"
