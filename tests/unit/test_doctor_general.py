"""The doctor's general rules: where something was raised, what stands beside what, and near misses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.doctor.table import TABLE, docker_row
from gptoss_tui.domain.doctor.told import retold

SITE = "/opt/venv/lib/python3.12/site-packages"
READY = "INFO:     Application startup complete."


def _raised(file: str, function: str, said: str, code: str = "    raise it") -> list[str]:
    return [
        "Traceback (most recent call last):",
        '  File "/opt/run.py", line 3, in main',
        "    serve()",
        f'  File "{file}", line 12, in {function}',
        code,
        said,
    ]


# --- where it was raised ------------------------------------------------------------------------

PLACES = (
    ("bad_argument", f"{SITE}/vllm/config/parallel.py", "__post_init__", "ValueError: not these two"),
    ("bad_argument", f"{SITE}/vllm/engine/arg_utils.py", "create", "NotImplementedError: not so"),
    ("bad_argument", "/src/sglang/srt/server_args.py", "check", "AssertionError: never both"),
    ("checkpoint_mismatch", f"{SITE}/vllm/model_executor/models/gpt_oss.py", "load_weights",
     "KeyError: 'block.0.odd'"),
    ("weights_damaged", f"{SITE}/safetensors/torch.py", "load_file", "safetensors.OddError: odd"),
    ("compile_failed", f"{SITE}/torch/_inductor/scheduler.py", "fuse", "RuntimeError: odd"),
    ("build_failed", f"{SITE}/triton/compiler/compiler.py", "compile", "RuntimeError: odd"),
    ("attention_backend", f"{SITE}/vllm/v1/attention/backends/x.py", "__init__",
     "NotImplementedError: this head size"),
    ("moe_backend", f"{SITE}/vllm/model_executor/layers/fused_moe/x.py", "select_backend",
     "ValueError: none of them"),
    ("graph_capture_failed", f"{SITE}/torch/cuda/graphs.py", "capture_end", "RuntimeError: odd"),
    ("nccl", f"{SITE}/torch/distributed/distributed_c10d.py", "barrier", "RuntimeError: odd"),
    ("broken_install", f"{SITE}/flashinfer/x.py", "<module>", "TypeError: odd"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "file", "function", "said"), PLACES)
def test_the_place_speaks_where_the_words_do_not(
    cause: str, file: str, function: str, said: str
) -> None:
    log = _raised(file, function, said)
    assert diagnose(log).cause == cause
    assert diagnose([*_raised("/opt/mine.py", "f", "MoonError: first"), *log]).verdict == "unknown"
    assert diagnose([READY, *log]).verdict == "nothing_wrong"
    assert diagnose([said]).cause is None


def test_an_environment_named_like_an_engine_is_not_the_engine() -> None:
    file = "/home/me/envs/vllm/lib/python3.12/site-packages/xgrammar/tokenizer_info.py"
    assert diagnose(_raised(file, "from_hub", "ValueError: odd vocabulary")).verdict == "unknown"


def test_a_bare_assertion_speaks_by_its_code_alone() -> None:
    loader = f"{SITE}/vllm/model_executor/layers/linear.py"
    shape = "    assert param_data.shape == loaded_weight.shape"
    assert diagnose(_raised(loader, "weight_loader", "AssertionError", shape)).cause == (
        "checkpoint_mismatch"
    )
    assert diagnose(_raised(loader, "weight_loader", "AssertionError")).verdict == "unknown"
    heads = "    assert self.total_num_kv_heads % tp_size == 0"
    assert diagnose(_raised(loader, "__init__", "AssertionError", heads)).cause == "parallel_size"
    moe = f"{SITE}/vllm/model_executor/layers/fused_moe/x.py"
    assert diagnose(_raised(moe, "__init__", "AssertionError")).verdict == "unknown"


# --- lines in the tools' own wording ------------------------------------------------------------

KNOWN = (
    ("parallel_size", "AssertionError: n_experts=96 must be divisible by ep_size=5."),
    ("too_few_gpus", "RuntimeError: this layout requires 4 GPUs but only 2 were found"),
    ("bad_argument", "ValueError: --enable-x cannot be used with --disable-y"),
    ("bad_argument", "pydantic_core.ValidationError: 1 validation error for ModelConfig"),
    ("bad_argument", "error: unknown argument: --odd"),
    ("bad_argument", "ValueError: The repository contains custom code which must be executed to load"),
    ("engine_too_old", "ValueError: The checkpoint you are trying to load has model type `odd` but "
     "Transformers does not recognize this architecture."),
    ("engine_too_old", "ValueError: Unsupported architectures: OddForCausalLM. Supported list: []"),
    ("engine_too_old", "llama_model_load: error loading model: error loading model architecture: "
     "unknown model architecture: 'odd'"),
    ("broken_install", "AttributeError: module 'sgl_kernel' has no attribute 'odd'"),
    ("broken_install", "NameError: name 'odd_ops' is not defined"),
    ("broken_install", "TypeError: BatchDecodeWrapper.plan() missing 1 required positional argument: 'x'"),
    ("missing_module", "/usr/bin/python3: Error while finding module specification for "
     "'vllm.entrypoints.x' (ModuleNotFoundError: No module named 'vllm')"),
    ("model_unloadable", "main: error: unable to load model"),
    ("model_unloadable", "llama_model_load: invalid model file 'x' (too old, regenerate your model files!)"),
    ("runner_crashed", "terminate called after throwing an instance of 'std::runtime_error'"),
    ("start_timeout", "TimeoutError: result expired"),
    ("build_failed", "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit "
     "status 1."),
    ("gpu_not_in_image", "AssertionError: this kernel requires gfx950 (CDNA4), got gfx942"),
    ("gpu_unavailable", "ggml_cuda_init: failed to initialize CUDA: unknown error"),
    ("driver_mismatch", "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has"),
    ("no_driver", "bash: nvidia-smi: command not found"),
    ("graph_capture_failed", "NCCL WARN Cuda failure 'dependency created on uncaptured work in another "
     "stream'"),
    ("gpu_not_visible", 'time=x level=INFO source=gpu.go:1 msg="no nvidia devices detected" library=x'),
    ("download_broken", "RuntimeError: ReqwestMiddleware Error: Request failed after 5 retries"),
    ("registry_unreachable", 'Error: Head "https://x.example/v2/b": dial tcp: lookup x.example: no such host'),
    ("pull_broken", 'Error: pull model manifest: Get "https://registry.ollama.ai/v2/m": read tcp 1.2.3.4:5: '
     "read: connection reset by peer"),
    ("disk_error", "OSError: [Errno 107] Transport endpoint is not connected: '/models'"),
    ("bad_command", "/bin/sh: 1: /start: Permission denied"),
    ("killed", "Scheduler 0 terminated with -9"),
    ("docker_version", "services.x.deploy.resources.reservations value Additional properties are not "
     "allowed ('devices' was unexpected)"),
    ("no_gpu_runtime", "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker "
     "--gpus flag) is not supported."),
    ("shm_too_small", "(raylet) Error: memory request exceeds memory available in /dev/shm."),
    ("gpu_not_visible", "rocBLAS error: Could not initialize Tensile host: No devices found"),
    ("gpu_not_visible", "HIP error: no ROCm-capable device is detected"),
    ("gpu_not_in_image", "hipErrorNoBinaryForGpu: Unable to find code object for all current devices!"),
    ("build_failed", '2 errors detected in the compilation of "/x/batch.cu".'),
    ("weights_damaged", "FileNotFoundError: [Errno 2] No such file or directory: "
     "'/root/.cache/huggingface/hub/models--openai--gpt-oss-20b/refs/main'"),
    ("hub_rate_limit", "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests"),
    ("hub_unreachable", "LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder"),
    ("rootless_cgroups", "nvidia-container-cli: container error: cgroup subsystem devices not found"),
    ("no_gpu_runtime", "Failed to create pod sandbox: no runtime for \"nvidia\" is configured"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "line"), KNOWN)
def test_a_general_wording_is_recognised(cause: str, line: str) -> None:
    found = diagnose([line])
    assert (found.verdict, found.cause) == ("known", cause)


def test_lines_of_other_loggers_are_taken_apart() -> None:
    error = "AttributeError: 'OddConfig' object has no attribute 'hidden_size'"
    for line in (
        f"2026-11-24 08:00:00 | ERROR | stderr | {error}",
        f"2026-11-24 08:00:00.123 | ERROR    | app.server:start:12 - {error}",
        json.dumps({"level": "error", "msg": error}),
        json.dumps({"severity": "ERROR", "message": error}),
        f"`{error}`",
    ):
        assert diagnose([line]).cause == "engine_too_old", line
    talk = json.dumps({"level": "info", "message": "x", "messages": [{"content": error}]})
    assert diagnose([talk]).verdict == "nothing_wrong"


# --- near misses --------------------------------------------------------------------------------

NO_CAUSE = (
    "ggml_new_tensor_impl: not enough space in the context's memory pool (needed 2, available 1)",
    "RuntimeError: Can't call numpy() on Tensor that requires grad.",
    "2026-11-24 08:00:00: I tensorflow/x.cc:28] Could not find cuda drivers on your machine",
    "reqwest::Error { kind: Request, url: \"http://10.0.0.1:8000/health\", source: TimedOut }",
    "/x/torch/cuda/__init__.py:174: UserWarning: CUDA initialization: Error 304: OS call failed",
    "WARNING 11-24 08:00:00 [x.py:1] the model does not appear to have a file named "
    "generation_config.json. Proceeding without generation config.",
    "WARNING 01-06 15:47:24 x.py:143] Failed to pickle inputs of failed execution: CUDA error: an illegal "
    "memory access was encountered",
    "MoonError: the moon is not divisible by three",
)  # fmt: skip


@pytest.mark.parametrize("line", NO_CAUSE)
def test_a_near_miss_names_no_cause(line: str) -> None:
    assert diagnose([line]).cause is None


@pytest.mark.parametrize(("cause", "said"), [
    ("bad_mount", "docker: Error response from daemon: error while creating mount source path '/x': "
     "mkdir /x: permission denied."),
    (None, "Error response from daemon: failed to create shim task: context deadline exceeded"),
    (None, "docker: Error response from daemon: setting rlimit: operation not permitted"),
    (None, 'error getting credentials - err: exec: "docker-credential-x": executable file not found in $PATH'),
    ("no_gpu_runtime", 'OCI runtime create failed: exec: "nvidia-smi": executable file not found in $PATH'),
    ("docker_permission", "permission denied while trying to connect to the Docker daemon socket"),
])  # fmt: skip
def test_docker_s_words_are_not_read_too_loosely(cause: str | None, said: str) -> None:
    row = docker_row(said)
    assert (row.cause if row else None) == cause
    if cause:
        assert retold(*failure_of("start", said)).cause == cause


@pytest.mark.parametrize("line", [
    "docker: Error response from daemon: the moon is in the way.",
    "Error: OCI runtime error: crun: fsopen_mount `tmpfs`: Function not implemented",
    "main: error: the moon is in the way",
    "fatal: the moon is in the way",
])  # fmt: skip
def test_a_failure_in_words_not_known_is_called_one(line: str) -> None:
    found = diagnose(["starting", line, "bye"])
    assert (found.verdict, found.evidence) == ("unknown", (line,))
    assert diagnose([line, READY]).verdict == "nothing_wrong"


# --- what it costs ------------------------------------------------------------------------------


def test_nothing_of_the_table_is_compiled_before_it_is_used() -> None:
    code = (
        "import gptoss_tui.domain.doctor\n"
        "from gptoss_tui.domain.doctor.table import TABLE\n"
        "print(sum(row.words._compiled is not None for row in TABLE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


def test_every_expression_of_the_table_is_valid() -> None:
    for row in TABLE:
        row.words.search("")
        assert row.after is None or row.after.search("") is None
        assert row.within is None or row.within.search("") is None
