"""The doctor on wordings that no row has word for word, and on lines that carry no level.

The lines are shortened from failures that users reported; the address stands above each.
"""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.doctor.told import retold

CORE = "(EngineCore_DP0 pid=3) ERROR 11-24 08:00:00 [core.py:700] "
WORKER = "(Worker_TP0 pid=3) ERROR 11-24 08:00:00 [multiproc_executor.py:559] "

KNOWN = (
    # https://github.com/lemonade-sdk/vllm-rocm/issues/5
    ("start_timeout", "2026-05-08 11:50:25.741 [Error] (Router) Failed to load model: vllm-server "
     "failed to start within timeout"),
    # https://github.com/docker/genai-stack/issues/167
    ("user_unknown", '2024/07/09 06:51:25 ERROR invalid setting OLLAMA_MODELS="" error="$HOME is not '
     'defined"'),
    # https://github.com/ollama/ollama/issues/4794
    ("cpu_too_old", "Error: llama runner process has terminated: exit status 0xc000001d"),
    # https://github.com/NVIDIA/nvidia-container-toolkit/issues/131
    ("no_driver", "nvidia-container-cli: initialization error: cannot open shared object file: no such "
     "file or directory: unknown."),
    # https://github.com/huggingface/transformers/pull/43512
    ("broken_install", "FileNotFoundError: Kernel at path `/x/models--y` does not have one of build "
     "variants: torch210-cxx11-cpu"),
    # https://github.com/vllm-project/vllm/issues/19613
    ("nccl", "cupy_backends.cuda.libs.nccl.NcclError: NCCL_ERROR_SYSTEM_ERROR: unhandled system error"),
    # https://github.com/huggingface/candle/issues/418
    ("hub_refused", "Error: request error: https://huggingface.co/m/x/resolve/main/tokenizer.json: status "
     "code 401"),
    # https://github.com/meta-pytorch/torchforge/pull/109
    ("download_broken", "RuntimeError: Data processing error: CAS service error : IO Error: Timer expired"),
    # https://github.com/ollama/ollama/issues/5493
    ("driver_too_old", "dlerr: /usr/lib64/libcuda.so.418.74: undefined symbol: cuCtxCreate_v3"),
    # https://github.com/ollama/ollama/issues/729
    ("registry_unreachable", 'download.go:166: couldn\'t download blob: Get "https://x.example/v2/b": tls: '
     "first record does not look like a TLS handshake"),
    # https://github.com/NVIDIA/nvidia-docker/issues/1544
    ("no_gpu_runtime", 'Error: default OCI runtime "nvidia" not found: invalid argument'),
    # https://github.com/ollama/ollama/pull/1874
    ("gpu_not_in_image", "cuBLAS error 15 at ggml-cuda.cu:7956: the requested functionality is not supported"),
    # https://github.com/sgl-project/sglang/issues/6160
    ("missing_module", "Exception: flashinfer_python with minimum required version 0.2.5 is not installed"),
    # https://github.com/h2oai/h2o-llmstudio/issues/876
    ("bad_command", "[FATAL tini (7)] exec /workspace/entrypoint.sh failed: No such file or directory"),
    # https://github.com/NVIDIA/nvidia-docker/issues/526
    ("no_driver", '{"Status":"exited","OOMKilled":false,"ExitCode":128,"Error":"error gathering device '
     'information while adding custom device \\"/dev/nvidia-uvm-tools\\": lstat /dev/nvidia-uvm-tools: no such file or directory"}'),
    # https://github.com/vllm-project/vllm/issues/23661
    ("gpu_not_visible", "INFO 08-26 10:02:11 [__init__.py:241] No platform detected, vLLM is running on "
     "UnspecifiedPlatform"),
    # https://github.com/vllm-project/vllm/issues/9712
    ("broken_install", "ERROR 10-26 11:35:32 registry.py:267] subprocess.CalledProcessError: Command "
     "'['python', '-m', 'vllm.model_executor.models.registry']' returned non-zero exit status 1."),
    # https://github.com/NVIDIA/nvidia-docker/issues/182
    ("driver_mismatch", "Aug 26 14:08:07 box kernel: NVRM: API mismatch: the client has the version 367.44, but"),
    # https://github.com/P2Enjoy/kohya_ss-docker/issues/24
    ("driver_mismatch", "Mismatching nvidia kernel module loaded"),
    # https://github.com/vllm-project/vllm/issues/49064
    ("no_kv_memory", "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (969)."),
    # https://github.com/tleyden/docker/issues/10
    ("bad_argument", "flag provided but not defined: -d"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "line"), KNOWN)
def test_a_wording_of_users_logs_is_recognised(cause: str, line: str) -> None:
    found = diagnose([line])
    assert (found.verdict, found.cause) == ("known", cause)


# --- an area's words near words of failing ------------------------------------------------------


@pytest.mark.parametrize(("cause", "words"), [
    ("bad_mount", ("the volume of the weights", "does not exist")),
    ("no_gpu_runtime", ("nvidia container toolkit", "is not installed")),
    ("no_driver", ("the NVIDIA driver", "is not loaded")),
    ("kv_dtype_unsupported", ("the KV cache dtype", "is unsupported")),
    ("weights_damaged", ("the checkpoint", "is corrupt")),
    ("tokenizer_missing", ("tokenizer", "was not found")),
    ("download_broken", ("the download", "was interrupted")),
    ("port_taken", ("port 8000", "already in use")),
])  # fmt: skip
def test_the_words_of_an_area_count_in_any_order(cause: str, words: tuple[str, str]) -> None:
    one, other = words
    for line in (f"Error: {one} {other}", f"Error: {other}: {one}"):
        assert diagnose([line]).cause == cause, line
    assert diagnose([f"INFO 11-24 08:00:00 [x.py:1] {one} {other}"]).cause is None
    apart = f"Error: {one} {'and so on, ' * 12}{other}"
    assert diagnose([apart]).cause is None
    raised = ["MoonError: the moon is in the way", f"Error: {one} {other}"]
    assert diagnose(raised).cause is None


@pytest.mark.parametrize("line", [
    # An area's word that is a part of an address or a path speaks of nothing.
    "Error: could not read https://example.com/tokenizer/x",
    "Error: /models/download/x failed",
    # Only supposed, or chosen otherwise.
    "tokenizer attributes may be missing",
    "if the port is in use, choose another one",
    "Warning: the checkpoint might be corrupt",
    # https://github.com/vllm-project/vllm/issues/2708: a flag, and no folder
    "Error response from daemon: Dockerfile parse error line 10: Unknown flag: volume",
    "this release requires flashinfer attention backend",
    "RuntimeError('Engine process (pid 77) died.')",
    "RuntimeError: server launch failed",
    '{"Status":"exited","OOMKilled":false,"ExitCode":1}',
    "vLLM failed to start.  Retry with --enable-serving-output to learn more about the failure.",
])  # fmt: skip
def test_near_misses_of_areas_name_no_cause(line: str) -> None:
    assert diagnose([line]).cause is None


def test_a_line_without_a_level_is_taken_for_a_failure_by_its_words() -> None:
    line = "gptoss-1  | the NVIDIA Container Toolkit is not installed on this box"
    assert diagnose([line]).cause == "no_gpu_runtime"
    healthy = "INFO:     Application startup complete."
    assert diagnose([line, f"gptoss-1  | {healthy}"]).verdict == "nothing_wrong"


# --- one card -----------------------------------------------------------------------------------


def test_an_engine_on_one_card_was_not_split() -> None:
    size = "RuntimeError: size_n = 1440 is not divisible by tile_n_size = 64"
    assert diagnose([WORKER + size]).cause == "parallel_size"
    assert diagnose([size]).cause == "parallel_size"
    found = diagnose([CORE + size])
    assert (found.verdict, found.cause) == ("unknown", None)


# --- exit code 137 ------------------------------------------------------------------------------


def test_sglang_s_own_137_is_not_called_a_kill_where_its_log_is_gone() -> None:
    told = "The server was killed while loading (exit code 137): x."
    assert retold(told, "").cause == "killed"
    assert retold(told, "", engine="vllm").cause == "killed"
    found = retold(told, "", engine="sglang")
    assert (found.verdict, found.cause) == ("unknown", None)
    assert "SGLang kills itself" in found.explanation


def test_a_server_that_was_being_stopped_was_not_killed_by_the_box() -> None:
    args = "[2026-11-24 08:00:00] server_args=ServerArgs(model_path='openai/gpt-oss-20b')"
    stop = "[2026-11-24 08:00:05] SIGTERM received. signum=None frame=None. Draining requests"
    assert diagnose([args, stop], exit_code=137).cause is None
    assert diagnose([args], exit_code=137).cause == "killed"
