"""The doctor on messages that the projects' own sources have, and on those of logs of lots 21 and 22.

Where a line is a user's, the address stands above it; the others are the words of the source file.
"""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.read import diagnose

SAID = (
    # https://github.com/ollama/ollama/issues/1605
    ("model_unloadable", "Error: llama runner: failed to load model '/x/sha256:bd': this model may be "
     "incompatible with your version of Ollama."),
    # https://github.com/ollama/ollama/issues/2716
    ("gpu_not_visible", 'level=INFO source=routes.go:1042 msg="no GPU detected"'),
    # https://github.com/ollama/ollama/issues/1666
    ("gpu_not_visible", "ollama  | 2023/12/22 00:17:24 routes.go:915: warning: gpu support may not be "
     "enabled, check that you have installed GPU drivers: nvidia-smi command failed"),
    # https://github.com/ollama/ollama/issues/1929
    ("gpu_not_visible", "WARNING: No NVIDIA GPU detected. Ollama will run in CPU-only mode."),
    # https://github.com/ollama/ollama/issues/1752
    ("host_memory", "Error: llama runner exited, you may not have enough available memory to run this model"),
    # https://github.com/ollama/ollama/issues/3195
    ("bad_command", "Failed at step EXEC spawning /usr/bin/ollama: No such file or directory"),
    # https://github.com/av/harbor/issues/262
    ("no_permission", "Ignored error while writing commit hash to /x/refs/main: [Errno 13] Permission "
     "denied: '/root/.cache/huggingface/hub'."),
    # https://github.com/tenstorrent/tt-inference-server/issues/3151
    ("context_over_model", "ValueError: TT-LLama8B do not support max_model_len greater than 32768 on N150"),
    # https://github.com/FederatedAI/KubeFATE/issues/64
    ("host_memory", "4m11s  Warning  Evicted  pod/egg  The node was low on resource: memory. Container egg"),
    # https://github.com/NVIDIA/nvidia-docker/issues/183
    ("crashed", "fatal error: unexpected signal during runtime execution"),
    # https://github.com/mariofusco/quarkus-agentic-ai/issues/8
    ("no_driver", "nvidia-container-cli: initialization error: WSL environment detected but no adapters "
     "were found: unknown"),
    # https://github.com/simonlui/Docker_IPEX_ComfyUI/issues/6
    ("bad_mount", "docker: Error response from daemon: CreateFile C:\\Users\\x: The filename, directory "
     "name, or volume label syntax is incorrect."),
    # https://github.com/badbread/crumbvms/pull/395
    ("cdi_stale", "open /run/nvidia-persistenced/socket: no such file or directory"),
    # https://github.com/vllm-project/vllm/blob/main/vllm/envs.py
    ("bad_argument", "ValueError: VLLM_PORT 'tcp://10.0.0.1:8000' appears to be a URI. This may be caused "
     "by a Kubernetes service discovery issue"),
    # https://github.com/vllm-project/vllm/blob/main/vllm/config/cache.py
    ("bad_argument", "ValueError: GPU memory utilization must be less than 1.0. Got 95."),
    # https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/environ.py
    ("bad_argument", 'ValueError: "maybe" is not a valid boolean value'),
    # https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/function_call/function_call_parser.py
    ("bad_argument", "ValueError: Unsupported tool_call_parser: harmony"),
    # https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/managers/scheduler.py
    ("killed", "Rank 0 scheduler died during initialization (exit code: -9). If exit code is -9"),
    ("killed", "vllm exited with code 137"),
    ("cpu_too_old", "ollama exited with code 132"),
    # https://github.com/pytorch/pytorch/blob/main/c10/cuda/CUDACachingAllocator.cpp
    ("gpu_memory", "RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at \"/pytorch/c10/x.cpp\":1016"),
    ("shm_too_small", "RuntimeError: unable to write to file </torch_123_456>"),
    # https://github.com/docker/docker-py
    ("docker_permission", "docker.errors.DockerException: Error while fetching server API version: "
     "('Connection aborted.', PermissionError(13, 'Permission denied'))"),
    ("docker_down", "docker.errors.DockerException: Error while fetching server API version: "
     "('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))"),
    # https://github.com/docker/docker-py/issues/3256
    ("docker_version", "docker.errors.DockerException: Error while fetching server API version: Not "
     "supported URL scheme http+docker"),
    # https://github.com/docker/cli
    ("docker_version", "unknown flag: --gpus"),
    ("registry_login", "error getting credentials - err: exec: \"docker-credential-desktop\": executable "
     "file not found in $PATH"),
    # https://github.com/moby/moby/tree/master/libnetwork
    ("docker_network", "Error response from daemon: failed to set up container networking: driver failed "
     "programming external connectivity on endpoint vllm: Unable to enable DNAT rule"),
    # https://github.com/psf/requests/blob/main/src/requests/adapters.py
    ("certificate", "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /x"),
    # https://www.kernel.org/doc/man-pages: the words of kmod and of glibc
    ("no_driver", "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"),
    ("crashed", "free(): invalid pointer"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "line"), SAID)
def test_a_message_of_the_sources_is_recognised(cause: str, line: str) -> None:
    found = diagnose([line])
    assert (found.verdict, found.cause) == ("known", cause)


@pytest.mark.parametrize("line", [
    "WARNING 08-06 10:00:00 [envs.py:1] Unknown vLLM environment variable detected: VLLM_FOO",
    "usage: vllm serve [-h] [--port PORT] [--ssl-certfile SSL_CERTFILE]",
    "  --gpu-memory-utilization  The fraction of GPU memory; out of memory errors occur if too high",
    "WARNING 08-06 10:00:00 [_custom_ops.py:20] Failed to import from vllm._version: No module named "
    "'vllm._version'",
    "  --fuse  FP4 quant is always custom so Inductor cannot fuse it.",
    # What a client of the server says tells nothing of the server.
    "httpx.ReadTimeout",
    "curl: (7) Failed to connect to localhost port 8000 after 0 ms: Couldn't connect to server",
    "openai.APITimeoutError: Request timed out.",
    "Downloading https://openaipublic.example/encodings/o200k_base.tiktoken to /x",
    # The remedy names a flag, the failure is no argument's.
    "RuntimeError: the moon cannot be reached; try --moon-distance",
    # Only supposed: a probe fails at every start until the model is loaded.
    "Readiness probe failed: server did not become healthy in time",
])  # fmt: skip
def test_what_tells_of_no_cause_is_given_none(line: str) -> None:
    assert diagnose([line]).cause is None


def test_a_registry_s_certificate_is_no_missing_image() -> None:
    line = ('Error: pull model manifest: Get "https://registry.ollama.ai/v2/": tls: failed to verify '
            "certificate: x509: certificate signed by unknown authority")  # fmt: skip
    assert diagnose([line]).cause in ("certificate", "registry_certificate")


def test_a_proxy_s_refusal_is_none_of_the_hub() -> None:
    line = ("requests.exceptions.ProxyError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', "
            "port=443): Max retries exceeded (Caused by ProxyError('Cannot connect to proxy.', "
            "OSError('Tunnel connection failed: 403 Forbidden')))\"))")  # fmt: skip
    assert diagnose([line]).cause == "hub_unreachable"


def test_a_vllm_without_a_platform_sees_no_gpu() -> None:
    # https://github.com/vllm-project/vllm/issues/14954
    log = [
        "Traceback (most recent call last):",
        '  File "/usr/lib/python3.12/vllm/utils.py", line 1876, in resolve_obj_by_qualname',
        '    module_name, obj_name = qualname.rsplit(".", 1)',
        "ValueError: not enough values to unpack (expected 2, got 1)",
    ]
    assert diagnose(log).cause == "gpu_not_visible"
    assert diagnose(log[-1:]).cause is None
