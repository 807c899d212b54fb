"""The doctor on an SGLang server's lines, and on those of boxes that are set up in odd ways."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.engines.failures import fatal_mark

AT = "[2026-11-26 08:02:22] "
ARGS = AT + "server_args=ServerArgs(model_path='openai/gpt-oss-20b', nnodes=1)"
READY = AT + "The server is fired up and ready to roll!"
QUIT = AT + "SIGQUIT received. signum=None, frame=None. It usually means one child failed."
DAEMON = "docker: Error response from daemon: "

HARMLESS = (
    AT + "Ignore import error when loading sglang.srt.models.grok: '_OpNamespace' 'sgl_kernel' "
    "object has no attribute 'fused_moe_router_cpu'",
    AT + "Ignore import error when loading sglang.srt.models.mamba: cannot import name "
    "'causal_conv1d_fn' from 'sglang.srt.layers.attention.mamba.mamba' (/opt/mamba.py)",
    AT + "Ignore import error when loading sglang.srt.models.inkling: No module named 'cutlass'",
    AT + "OpenAI Responses API (/v1/responses) disabled: OpenAIServingResponses init failed "
    "(HarmonyError: error downloading or loading vocab file: failed to download or load vocab file)",
    AT
    + "Input length (3007 tokens) exceeds the maximum allowed length (1994 tokens). Use a shorter "
    "input or enable --allow-auto-truncate., self.rid='1'",
)


@pytest.mark.parametrize("line", HARMLESS)
def test_what_sglang_says_at_every_start_is_no_failure(line: str) -> None:
    assert diagnose([ARGS, line]).verdict == "nothing_wrong"
    assert diagnose([ARGS, line, READY, line]).verdict == "nothing_wrong"
    assert fatal_mark(line) is None
    unknown = diagnose([ARGS, line, "MoonError: it is in the way"])
    assert (unknown.verdict, unknown.evidence) == ("unknown", ("MoonError: it is in the way",))


KNOWN = (
    ("bad_argument", "sglang serve: error: unrecognized arguments: --moon"),
    ("gpu_not_visible", "RuntimeError: No accelerator (CUDA, XPU, HPU, NPU, MUSA, MPS) or platform "
     "plugin is available."),
    ("context_over_model", "ValueError: Warning: User-specified context_length (500000) is greater "
     "than the derived context_length (131072). This may lead to incorrect model outputs"),
    ("port_taken", AT + "ERROR:    [Errno 98] error while attempting to bind on address "
     "('127.0.0.1', 30113): address already in use"),
    ("cannot_listen", "torch.distributed.DistNetworkError: The server socket has failed to listen on "
     "any local network address. code: -99, name: EADDRNOTAVAIL, message: address not available"),
    ("cannot_listen", "torch.distributed.DistNetworkError: Ping failed, invalid value returned from "
     "server. Expected: 13611, Got: 1347703880"),
    ("killed", "RuntimeError: Rank 0 scheduler died during initialization (exit code: -9). If exit "
     "code is -9 (SIGKILL), a common cause is the OS OOM killer."),
    ("no_kv_memory", "ValueError: Loaded weights leave no GPU memory for the KV cache under "
     "--mem-fraction-static=0.0001. Raise --mem-fraction-static above 0.088"),
    ("no_kv_memory", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. "
     "Current value: mem_fraction_static=0.05"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "line"), KNOWN)
def test_sglang_s_failures_are_known_beside_its_noise(cause: str, line: str) -> None:
    found = diagnose([ARGS, *HARMLESS, line])
    assert (found.cause, found.evidence) == (cause, (line,))
    assert "vllm serve" not in found.fix


def test_a_warning_inside_an_exception_is_none_but_a_warning_is_one() -> None:
    said = (
        "Warning: User-specified context_length (9) is greater than the derived context_length (8)."
    )
    assert diagnose([AT + said]).verdict == "nothing_wrong"
    change = diagnose(["ValueError: " + said]).change
    assert change is not None
    assert change.flags == ("--max-model-len", "8")


def test_a_memory_share_below_the_weights_is_not_mended_by_smaller_batches() -> None:
    assert diagnose([KNOWN[-2][1]]).change is None
    assert diagnose([KNOWN[-1][1]]).change is not None


@pytest.mark.parametrize(("code", "cause"), [(-9, "killed"), (-11, "crashed"), (1, "crashed")])
def test_a_scheduler_that_dies_while_it_serves(code: int, cause: str) -> None:
    died = f"Subprocess scheduler_0 (pid=16491) crashed with exit code {code}. Triggering SIGQUIT"
    for ended in (0, 137):
        assert diagnose([ARGS, READY, AT + died, QUIT], exit_code=ended).cause == cause
    raised = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    if code == 1:
        assert diagnose([ARGS, READY, raised, AT + died, QUIT]).cause == "gpu_memory"


def test_sglang_s_exit_codes_say_little() -> None:
    assert diagnose([ARGS], exit_code=0).verdict == "unknown"
    assert diagnose([ARGS, READY], exit_code=0).verdict == "nothing_wrong"
    assert diagnose([ARGS, QUIT], exit_code=137).verdict == "unknown"
    assert diagnose([ARGS], exit_code=137).cause == "killed"
    assert diagnose(["starting"], exit_code=0).verdict == "nothing_wrong"


VETH = "failed to add the host (veth1) <=> sandbox (veth2) pair interfaces: operation not supported"
BOXES = (
    ("bad_mount", "from a snap", "error while creating mount source path '/data/hf': mkdir /data: "
     "read-only file system"),
    ("bad_mount", "leads nowhere", "mkdir /x/huggingface: file exists"),
    ("nvml_lost", "label=disable", "nvidia-container-cli: initialization error: nvml error: "
     "insufficient permissions"),
    ("cdi_stale", "repair BOX runtime", "failed to fulfil mount request: open /usr/lib/"
     "x86_64-linux-gnu/libcuda.so.550.54.15: no such file or directory"),
    ("cdi_stale", "repair BOX runtime", 'error mounting "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.'
     '535.183.01" to rootfs at "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.183.01": mount: no '
     "such file or directory"),
    ("gpu_unknown", "device-name-strategy", "unresolvable CDI devices nvidia.com/gpu=0"),
    ("docker_authorization", "ask", "authorization denied by plugin moon: denied: denied"),
    ("kernel_modules", "Reboot", f"failed to create endpoint x on network bridge: {VETH}"),
    ("disk_full", "df -i", "write /var/lib/docker/x: no space left on device"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "hint", "said"), BOXES)
def test_docker_s_words_on_odd_boxes(cause: str, hint: str, said: str) -> None:
    for line in (said, DAEMON + said):
        found = diagnose([line])
        assert (found.cause, found.evidence) == (cause, (line,))
        assert hint in found.fix


@pytest.mark.parametrize(("cause", "hint", "line"), [
    ("nvml_lost", "container_use_devices", "Failed to initialize NVML: Insufficient Permissions"),
    ("nvml_lost", "no-cgroups", "Failed to initialize NVML: Unknown Error"),
    ("no_permission", "label=disable", "PermissionError: [Errno 13] Permission denied: "
     "'/root/.cache/huggingface/hub'"),
    ("no_permission", "--userns host", "PermissionError: [Errno 13] Permission denied: '/cache'"),
    ("cpu_too_old", "virtual machine", "Illegal instruction (core dumped)"),
])  # fmt: skip
def test_an_engine_s_words_on_odd_boxes(cause: str, hint: str, line: str) -> None:
    found = diagnose([line])
    assert found.cause == cause
    assert hint in found.fix


def test_the_exit_code_of_an_illegal_instruction() -> None:
    assert diagnose(["starting"], exit_code=132).fix == CAUSES["cpu_too_old"].fix
