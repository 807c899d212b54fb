"""The doctor on single lines: each known wording, and what only looks like one."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.doctor.table import TABLE

# Every line of the reference's table, and others of the same kinds.
LINES: tuple[tuple[str, str], ...] = (
    ("harmony_vocab", "openai_harmony.HarmonyError: error downloading or loading vocab file: failed "
     "to download or load vocab file"),
    ("driver_too_old", "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, "
     "please update your driver to a newer version"),
    ("driver_too_old", "RuntimeError: The NVIDIA driver on your system is too old (found version 1)"),
    ("driver_too_old", "CUDA error: the provided PTX was compiled with an unsupported toolchain."),
    ("no_gpu_runtime", 'docker: Error response from daemon: could not select device driver "" with '
     "capabilities: [[gpu]]."),
    ("no_gpu_runtime", "docker: Error response from daemon: unknown or invalid runtime name: nvidia"),
    ("nvml_lost", "UserWarning: Can't initialize NVML"),
    ("nvml_lost", "pynvml.NVMLError_Unknown: Unknown Error"),
    ("driver_mismatch", "Failed to initialize NVML: Driver/library version mismatch"),
    ("docker_permission", "permission denied while trying to connect to the Docker daemon socket at "
     "unix:///var/run/docker.sock"),
    ("docker_permission", "permission denied while trying to connect to the docker API at "
     "unix:///var/run/docker.sock"),
    ("sinks_unsupported", "AssertionError: Sinks are only supported in FlashAttention 3"),
    ("sinks_dtype", "AssertionError: Sinks must be of type float32"),
    ("no_kv_memory", "ValueError: No available memory for the cache blocks. Try increasing "
     "`gpu_memory_utilization` when initializing the engine."),
    ("context_does_not_fit", "ValueError: To serve at least one request with the models's max seq "
     "len (131072), (4.54 GiB KV cache is needed, which is larger than the available KV cache"),
    ("context_does_not_fit", "ValueError: The model's max seq len (131072) is larger than the maximum "
     "number of tokens that can be stored in KV cache (4096)."),
    ("sampler_memory", "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 "
     "dummy requests. Please try lowering `max_num_seqs`"),
    ("weights_do_not_fit", "Failed to load model - not enough GPU memory. Try lowering --gpu-memory"),
    ("gpu_busy", "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than "
     "desired GPU memory utilization (0.9, 71.3 GiB)."),
    ("port_taken", "OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): "
     "address already in use"),
    ("port_taken", "docker: Error response from daemon: Bind for 0.0.0.0:8000 failed: port is already "
     "allocated."),
    ("disk_full", "OSError: [Errno 28] No space left on device"),
    ("hub_rate_limit", "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url"),
    ("hub_refused", "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: "
     "https://huggingface.co/api/models/openai/gpt-oss-20b"),
    ("gpu_too_old", "ValueError: The quantization method gpt_oss_mxfp4 is not supported for the "
     "current GPU. Minimum capability: 80. Current capability: 75."),
    ("quantization_mismatch", "Quantization method specified in the model config (mxfp4) does not "
     "match the quantization method specified in the `quantization` argument (fp8)."),
    ("dtype_unsupported", "torch.float16 is not supported for quantization method gpt_oss_mxfp4. "
     "Supported dtypes: [torch.bfloat16]"),
    ("kv_dtype_unsupported", "ValueError: FP8 KV cache is not supported by the Triton attention "
     "backend on NVIDIA A10G. It requires SM89+."),
    # SGLang and Ollama.
    ("no_kv_memory", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."),
    ("gpu_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("gpu_memory", "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 11519.49 MiB on device 0: "
     "cudaMalloc failed: out of memory"),
    ("host_memory", 'Error: model requires more system memory (60.2 GiB) than is available (31 GiB)'),
    ("engine_too_old", "ValueError: The checkpoint you are trying to load has model type `gpt_oss` "
     "but Transformers does not recognize this architecture."),
    ("engine_too_old", "error loading model architecture: unknown model architecture: 'gptoss'"),
    ("killed", 'llama runner process no longer running: -1 error="signal: killed"'),
    ("killed", "Killed"),
    ("host_memory", "Out of memory: Killed process 4711 (python3) total-vm:1kB"),
    ("model_not_found", "Error: pull model manifest: file does not exist"),
    # The box.
    ("shm_too_small", "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'"),
    ("too_few_gpus", "ValueError: World size (4) is larger than the number of available GPUs (2) in "
     "this node."),
    ("parallel_size", "ValueError: Total number of attention heads (64) must be divisible by tensor "
     "parallel size (3)."),
    ("bad_argument", "vllm: error: unrecognized arguments: --max-modellen"),
    ("context_over_model", "ValueError: User-specified max_model_len (262144) is greater than the "
     "derived max_model_len (max_position_embeddings=131072 or model_max_length=None)."),
    ("gpu_not_in_image", "RuntimeError: CUDA error: no kernel image is available for execution on the "
     "device"),
    ("gpu_fault", "RuntimeError: CUDA error: an illegal memory access was encountered"),
    ("cuda_compat", "Error 804: forward compatibility was attempted on non supported HW"),
    ("fabric_manager", "RuntimeError: Error 802: system not yet initialized"),
    ("build_tools_missing", "RuntimeError: Failed to find C compiler. Please specify via CC"),
    ("triton_mismatch", "ModuleNotFoundError: No module named 'triton_kernels'"),
    ("missing_module", "ModuleNotFoundError: No module named 'openai_harmony'"),
    ("weights_damaged", "safetensors_rust.SafetensorError: Error while deserializing header: "
     "MetadataIncompleteBuffer"),
    ("docker_down", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
     "daemon running?"),
    ("wrong_architecture", "docker: no matching manifest for linux/arm64/v8 in the manifest list"),
    ("rootless_cgroups", "nvidia-container-cli: mount error: failed to add device rules: unable to "
     "generate new device filter program: bpf_prog_query(BPF_CGROUP_DEVICE) failed"),
    ("no_driver", "nvidia-container-cli: initialization error: driver error: failed to process request"),
    ("cdi_stale", 'Error: setting up CDI devices: failed to inject devices: failed to stat CDI host device '
     '"/dev/dri/renderD128": no such file or directory'),
    ("cdi_stale", "Error: crun: cannot stat `/usr/lib64/libEGL_nvidia.so.580.10.01`: No such file or "
     "directory: OCI runtime attempted to invoke a command that was not found"),
    ("no_gpu_runtime", "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"),
    ("no_gpu_runtime", "ERROR: for web  Cannot create container for service web: Unknown runtime "
     "specified nvidia"),
    ("registry_login", "unauthorized: authentication required"),
    ("registry_unreachable", 'docker: Error response from daemon: Get "https://registry-1.docker.io/v2/": '
     "net/http: request canceled while waiting for connection (Client.Timeout exceeded)"),
    ("image_missing", 'docker: Error response from daemon: failed to resolve reference "docker.io/a/b:c": '
     "docker.io/a/b:c: not found"),
    ("docker_network", "docker: Error response from daemon: driver failed programming external "
     "connectivity: (iptables failed: No chain/target/match by that name.)"),
    ("wrong_architecture", "exec /usr/bin/python3: exec format error"),
    ("cannot_listen", "ERROR:    [Errno 99] error while attempting to bind on address ('10.9.9.9', 8000): "
     "cannot assign requested address"),
    ("disk_error", "OSError: [Errno 5] Input/output error"),
    ("user_unknown", "KeyError: 'getpwuid(): uid not found: 1001'"),
    ("proxy", "AssertionError: res=<Response [503]>, res.text='<html><head><title>Proxy'"),
    ("cuda_fork", "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with "
     "multiprocessing, you must use the 'spawn' start method"),
    ("moe_backend", "NotImplementedError: No MXFP4 MoE backend supports the deployment configuration."),
    ("kernels_unreachable", "ConnectionError: HTTPSConnectionPool(host='edge.urm.nvidia.com', port=443): "
     "Max retries exceeded"),
    ("vanished", "ERROR 11-24 08:00:00 [core_client.py:600] Engine core proc EngineCore_DP0 died "
     "unexpectedly, shutting down client."),
    ("killed", "RuntimeError: Engine core initialization failed. See root cause above. Failed core "
     "proc(s): {'EngineCore_DP0': -9}"),
    ("host_memory", "panic: insufficient memory - required allocations: {InputWeights:1A CPU:{} GPUs:[]}"),
    ("host_memory", "llama_model_load: error loading model: unable to allocate CPU buffer"),
    ("host_memory", "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0."),
    ("gpu_fault", "Failed: Cuda error /x/custom_all_reduce.cuh:364 'uncorrectable ECC error encountered'"),
    ("graph_capture_failed", "RuntimeError: CUDA error: operation not permitted when stream is capturing"),
    ("build_failed", "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 147456, "
     "Hardware limit: 101376."),
    ("gpu_not_in_image", "RuntimeError: No compiled cutlass_scaled_mm for CUDA device capability: 120"),
    ("gpu_not_visible", 'time=2026-11-24T08:00:00Z level=INFO source=gpu.go:392 msg="no compatible GPUs were '
     'discovered"'),
    ("driver_mismatch", 'level=INFO source=gpu.go:612 msg="Unable to load cudart" error="cuda driver library '
     'init failure: 803"'),
    ("engine_too_old", "ValueError: X has no vLLM implementation and the Transformers implementation is not "
     "compatible with vLLM."),
    ("hub_refused", "httpx.HTTPStatusError: Client error '401 Unauthorized' for url "
     "'https://huggingface.co/api/models/openai/gpt-oss-20b'"),
    ("download_broken", "HfHubHTTPError: 503 Server Error: Service Unavailable for url: "
     "https://huggingface.co/openai/gpt-oss-20b/resolve/main/model.safetensors"),
    ("runner_crashed", "Error: 500 Internal Server Error: do load request: Post "
     '"http://127.0.0.1:38703/load": EOF'),
    ("start_timeout", 'level=ERROR msg="error loading llama server" error="timed out waiting for llama runner '
     'to start - progress 0.35 - "'),
)  # fmt: skip
PREFIXES = (
    "",
    "(EngineCore_DP0 pid=12) ERROR 11-24 08:00:00 [core.py:868] ",
    "\x1b[1;36m(Worker_TP1 pid=9)\x1b[0;0m ERROR 11-24 08:00:00 [multiproc_executor.py:559] ",
    "vllm-1  | (APIServer pid=1) ",
    "2026-11-24T08:00:00.123456789Z ",
    "Nov 24 08:00:00 box dockerd[88]: ",
    "[rank3]: ",
    "[pod/gpt-oss-0/vllm] ",
    "2026-11-24T08:00:00.123456789Z stderr F ",
    "2026-11-24T08:00:00+0000 box vllm[88]: ",
    "2026-11-24 08:00:00.123 | ",
    "gptoss_vllm.1.abc@box    | ",
    "#033[1;36m(Worker_TP1 pid=9)#033[0;0m ERROR 11-24 08:00:00 [multiproc_executor.py:559] ",
    "> ",
    "  121: ",
)


@pytest.mark.parametrize(
    ("cause", "line"), LINES, ids=[f"{c}-{n}" for n, (c, _) in enumerate(LINES)]
)
def test_a_line_is_recognised(cause: str, line: str) -> None:
    for prefix in PREFIXES:
        found = diagnose([prefix + line])
        assert (found.verdict, found.cause) == ("known", cause), prefix
        assert found.lines == (1,)
        assert line in found.evidence[0]
        assert "\x1b" not in found.evidence[0]


HARMLESS = (
    "INFO 11-24 08:00:00 [x.py:1] No error: CUDA out of memory was not met",
    "(EngineCore pid=1) INFO 11-24 08:00:00 [shm_broadcast.py:466] No available shared memory "
    "broadcast block found in 60 seconds.",
    "No available shared memory broadcast block found in 60 seconds.",
    'INFO:     10.0.0.1:5 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error',
    'INFO:     10.0.0.1:5 - "GET /v1/error HTTP/1.1" 401 Unauthorized',
    "[GIN] 2026/11/24 - 08:00:00 | 500 | 23.1s | 172.17.0.2 | POST \"/api/chat\"",
    "INFO 11-24 08:00:00 [logger.py:41] Received request x: prompt: 'OSError: [Errno 28] No space "
    "left on device', params: None",
    "WARNING 11-24 08:00:00 [x.py:1] Unknown vLLM environment variable detected: VLLM_X",
    "(EngineCore pid=1) ERROR 04-26 12:03:57 [fa_utils.py:145] Cannot use FA version 2 is not "
    "supported due to FA2 is only supported on devices with compute capability >= 8",
    "ERROR 04-01 11:21:57 [moe.py:61] Failed to import Triton kernels. Please make sure your triton "
    "version is compatible. Error: No module named 'triton_kernels.swiglu'",
    "The model said: I made an error, my memory failed, and the port of call was taken.",
    "/usr/lib/x.py:14: UserWarning: Failed to load image Python extension: 'Could not load this "
    "library: image.so'",
    "Engine error handling enabled; out of memory protection: on",
    "box:1:2 [0] ras/client_support.cc:160 NCCL WARN Call to bind failed: Address already in use",
    "[2026-11-24 08:00:00 TP0] Decode out of memory happened. #retracted_reqs: 3, #new_token_ratio: 0.1",
    "68: (APIServer pid=4) WARNING 11-24 08:00:00 [interface.py:225] Failed to import from vllm._C: "
    "ImportError('libcuda.so.1: cannot open shared object file: No such file or directory')",
    "Kernel x is not supported on sm_120, falling back to Triton (error 801)",
    "",
)  # fmt: skip


@pytest.mark.parametrize("line", HARMLESS)
def test_a_harmless_line_is_no_failure(line: str) -> None:
    assert diagnose([line]).verdict == "nothing_wrong"


def test_every_row_leads_to_a_cause_and_every_cause_is_led_to() -> None:
    assert {row.cause for row in TABLE} == set(CAUSES)


def test_every_cause_is_a_sentence_with_a_fix() -> None:
    for code, cause in CAUSES.items():
        assert code.replace("_", "").isalnum()
        assert code.islower()
        assert cause.explanation.endswith(".")
        assert "*" not in cause.explanation
        assert cause.fix.endswith(".")
