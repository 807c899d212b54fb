"""The doctor on what lots 23 to 29 of users' logs taught: see docs/doctor.md.

The lines are shortened from failures that users reported; the address stands above each.
"""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.read import diagnose

TRACE = "Traceback (most recent call last):"
VLLM, SGLANG = "/x/dist-packages/vllm/", "/x/dist-packages/sglang/srt/"

KNOWN = (
    # https://github.com/stevezau/media_preview_generator/issues/260
    ("no_gpu_runtime", "docker: Error response from daemon: AMD CDI spec not found"),
    # https://github.com/containers/crun/issues/1880
    ("docker_version", "Error: OCI runtime error: crun: unknown version specified"),
    # https://github.com/ublue-os/bluefin/issues/3454
    ("cdi_stale", 'Error: OCI runtime error: crun: {"msg":"error executing hook '
     '`/usr/bin/nvidia-cdi-hook` (exit code: 1)","level":"error"}'),
    # https://github.com/ollama/ollama/issues/11985: the hook that fails is the toolkit's
    ("no_driver", "Error response from daemon: OCI runtime create failed: error running prestart hook #0: "
     "exit status 2, stdout: , stderr: SIGSEGV: segmentation violation"),
    # https://github.com/RPi-Distro/raspi-config/issues/129
    ("docker_down", "Error starting daemon: rename /x/runtimes /x/runtimes-old: invalid cross-device link"),
    # https://github.com/docker/cli/issues/2288
    ("bad_mount", 'docker: Error response from daemon: OCI runtime create failed: mounting \\"proc\\" to '
     'rootfs \\"/x\\" caused \\"permission denied\\": unknown.'),
    # https://github.com/ollama/ollama/issues/6550
    ("registry_unreachable", "lookup proxy.example.com on 127.0.0.53:53: no such host"),
    # https://github.com/ollama/ollama/issues/1550
    ("runner_crashed", "Error: failed to start a llama runner"),
    # https://github.com/ollama/ollama/issues/7694
    ("runner_crashed", 'Error: POST predict: Post "http://127.0.0.1:5/completion": read tcp 127.0.0.1:6->'
     "127.0.0.1:5: wsarecv: An existing connection was forcibly closed by the remote host."),
    # https://github.com/vllm-project/vllm/issues/52907
    ("start_timeout", "torch.distributed.DistStoreError: wait timeout after 1800000ms, keys: /default_pg/0"),
    ("start_timeout", "[rank0]:[W903 21:08:30.5 socket.cpp:494] [c10d] waitForInput: socket SocketImpl(fd=33"
     ") timed out after 1800000ms"),
    # https://github.com/turboderp-org/exllamav2/issues/556
    ("killed", "[ERROR] Worker (pid:25134) was sent SIGKILL! Perhaps out of memory?"),
    # https://github.com/sgl-project/sglang/issues/10408
    ("gpu_memory", "RuntimeError: alloc_req_slots runs out of memory. Please set a smaller number for "
     "`--max-running-requests`."),
    # https://github.com/sgl-project/sglang/issues/109
    ("gpu_memory", "RuntimeError: BatchDecodeWithPagedKVCache failed with error out of memory"),
    # https://github.com/vllm-project/vllm/issues/14416
    ("process_limit", "  what():  Operation not permitted"),
    # https://github.com/containers/ramalama/issues/2214
    ("bad_command", "ERROR (catatonit:2): failed to exec pid1: No such file or directory"),
    # https://github.com/EricLBuehler/mistral.rs/issues/621
    ("hub_refused", 'Could not get file "x" from API: RequestError(Status(403, Response[status: 403, url: '
     "https://huggingface.co/o/m/resolve/main/x]))"),
    # https://github.com/sgl-project/sglang/issues/16855
    ("proxy", "AssertionError: res=<Response [502]>, res.text=''"),
    # https://github.com/huggingface/text-generation-inference/issues/656
    ("weights_damaged", "Error: No .safetensors weights found for model `o/m`"),
    # https://github.com/Gourieff/comfyui-reactor-node/issues/360
    ("weights_damaged", "WeightsUnpickler error: unexpected EOF, expected 9 more bytes. The file might be "
     "corrupted."),
    # https://github.com/AbdBarho/stable-diffusion-webui-docker/issues/752
    ("disk_error", " OSError: No such device (os error 19)"),
    # https://github.com/sgl-project/sglang/issues/6843
    ("broken_install", "Can not import sgl_kernel. Please check your installation."),
    # https://github.com/woct0rdho/triton-windows/issues/23
    ("broken_install", "ImportError: DLL load failed while importing __triton_launcher: not found."),
    # https://github.com/huggingface/transformers/issues/39945
    ("triton_mismatch", "GPT-OSS mxfp4 with triton_kernel: make_default_matmul_mxfp4_w_layout not found"),
    # https://github.com/vllm-project/vllm/issues/19332
    ("compile_failed", "Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace (please do this)"),
    # https://github.com/vllm-project/vllm/issues/41848
    ("bad_argument", "ValueError: invalid literal for int() with base 10: 'MIG-377e0049-554c'"),
    # https://github.com/vllm-project/vllm/pull/46238
    ("gpu_fault", "CUDBG_EXCEPTION_WARP_ILLEGAL_ADDRESS"),
    # The words of https://github.com/moby/moby, of the kernel and of https://github.com/pytorch/pytorch
    ("host_memory", "docker: Error response from daemon: OCI runtime create failed: container init was "
     "OOM-killed (memory limit too low?): unknown"),
    ("registry_unreachable", 'Error response from daemon: Get "https://registry-1.docker.io/v2/": Proxy '
     "Authentication Required"),
    ("host_memory", "Killed process 1234 (VLLM::EngineCor) total-vm:1kB, anon-rss:1kB"),
    ("broken_install", "NotImplementedError: Could not run 'x::y' with arguments from the 'CUDA' backend."),
    ("hub_unreachable", "OSError: [Errno 101] Network is unreachable"),
    ("graph_capture_failed", "Exception: Capture cuda graph failed: CUDA error: operation not permitted"),
)  # fmt: skip


@pytest.mark.parametrize(("cause", "line"), KNOWN)
def test_a_line_of_the_lots_is_recognised(cause: str, line: str) -> None:
    found = diagnose([line])
    assert (found.verdict, found.cause) == ("known", cause)


# --- where something was raised -----------------------------------------------------------------


def _raised(place: str, what: str) -> str | None:
    path, function = place.split()
    return diagnose([TRACE, f'  File "{path}", line 10, in {function}', "    x()", what]).cause


@pytest.mark.parametrize(("cause", "place", "what"), [
    # https://github.com/sgl-project/sglang/issues/5366
    ("broken_install", SGLANG + "layers/quantization/gptq.py f", "NameError: name 'check' is not defined"),
    # https://github.com/QwenLM/Qwen3-VL/issues/1383
    ("engine_too_old", VLLM + "transformers_utils/config.py get_hf_text_config", "AssertionError"),
    # The sources of both engines: what they raise there.
    ("bad_argument", VLLM + "platforms/cuda.py check_and_update_config", "ValueError: the moon is full"),
    ("bad_argument", SGLANG + "distributed/parallel_state.py initialize_model_parallel",
     "ValueError: the moon is full"),
    ("context_over_model", SGLANG + "configs/model_config.py _derive_context_length", "ValueError: 9"),
    ("quantization_mismatch", SGLANG + "configs/model_config.py _verify_quantization",
     "ValueError: the moon is full"),
    ("compile_failed", VLLM + "compilation/compiler_interface.py compile", "RuntimeError: the moon"),
])  # fmt: skip
def test_the_part_of_an_engine_speaks_of_the_cause(cause: str, place: str, what: str) -> None:
    assert _raised(place, what) == cause


def test_a_request_that_sglang_refuses_is_no_missing_tokenizer() -> None:
    place = SGLANG + "managers/tokenizer_manager.py _validate_one_request"
    assert _raised(place, "ValueError: the moon is too long") is None


@pytest.mark.parametrize(("cause", "place"), [
    # https://github.com/llm-d/llm-d/issues/410
    ("build_failed", "/x/flashinfer/jit/cpp_ext.py run_ninja"),
    ("build_failed", "/x/torch/utils/cpp_extension.py _run_ninja_build"),
    ("nccl", "/x/pynccl_wrapper.py ncclCommInitRank"),
    ("harmony_vocab", "/x/openai_harmony/__init__.py load_harmony_encoding"),
])  # fmt: skip
def test_a_traceback_without_its_end_tells_what_was_being_done(cause: str, place: str) -> None:
    path, function = place.split()
    cut = [TRACE, f'  File "{path}", line 258, in {function}', "    subprocess.run("]
    assert diagnose(cut).cause == cause
    # Where the end is there, it is the end that counts.
    assert diagnose([*cut, "torch.OutOfMemoryError: CUDA out of memory."]).cause == "gpu_memory"


# --- what is more definite ----------------------------------------------------------------------


def test_the_head_of_a_pydantic_report_says_least() -> None:
    # https://github.com/vllm-project/vllm/issues/28460
    head = "(APIServer pid=93) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig"
    line = "(APIServer pid=93)   Value error, Model architectures ['X'] failed to be inspected. [type=value_error"
    assert diagnose([head, line]).cause == "broken_install"
    assert diagnose([head]).cause == "bad_argument"


def test_a_kernel_that_is_missing_comes_before_the_fault_that_follows() -> None:
    # https://github.com/ollama/ollama/issues/13169
    log = ["x/mma.cuh:445: ERROR: CUDA kernel mma has no device code compatible with CUDA arch 720.",
           "CUDA error: unspecified launch failure"]  # fmt: skip
    assert diagnose(log).cause == "gpu_not_in_image"
    assert diagnose(log[1:]).cause == "gpu_fault"


def test_an_engine_s_words_are_not_looked_for_where_docker_speaks() -> None:
    said = "Error response from daemon: OCI runtime create failed: runc: SIGSEGV: segmentation violation"
    assert diagnose([said]).cause is None
    assert diagnose(["SIGSEGV: segmentation violation"]).cause == "crashed"


@pytest.mark.parametrize("line", [
    # https://github.com/sgl-project/sglang/issues/3398: NCCL's chatter of plugins
    "box:75204:75204 [0] NCCL INFO NET/Plugin: Plugin load returned 2 : libnccl-net.so: cannot open shared "
    "object file: No such file or directory",
    # https://github.com/vllm-project/vllm/issues/12245
    "Keyword argument `min_pixels` is not a valid argument for this processor and will be ignored.",
    # https://github.com/gitpod-io/workspace-images/issues/1454: dockerd tries one driver after another
    "ERRO[2024-11-01T08:56:54Z] failed to mount overlay: invalid argument     storage-driver=overlay2",
    # https://github.com/sgl-project/sglang/issues/3637: a request's report
    "  Input should be a valid string [type=string_type, input_value=None, input_type=NoneType]",
    # https://github.com/vllm-project/vllm/issues/43381: no cause here says it
    "RuntimeError: UVA is not available",
    "FileNotFoundError: [Errno 2] No such file or directory: '/x/lora/adapter_config.json'",  # the model is there
])  # fmt: skip
def test_what_stops_no_server_is_no_cause(line: str) -> None:
    assert diagnose([line]).cause is None


@pytest.mark.parametrize("line", [
    "panic: failed to load model: unexpected EOF",
    "error reading tensor blk.0.attn_q.weight: unexpected EOF",
    "couldn't open model file /root/.ollama/models/blobs/x: EOF",
])  # fmt: skip
def test_a_blob_that_is_cut_off_is_damaged(line: str) -> None:
    """As Ollama 0.13.3 and 0.32.15 print it: `tests/checks/ollama_server.py`."""
    assert diagnose([line]).cause == "weights_damaged"


def test_a_store_that_went_read_only_has_a_sick_disk() -> None:
    said = (
        "Error response from daemon: mkdir /var/lib/docker/overlay2/x-init: read-only file system"
    )
    assert diagnose([said]).cause == "disk_error"


def test_an_ollama_that_came_up_misses_nothing() -> None:
    came = ["llama-server started in 0.51 seconds"]
    missed = [
        'Get "https://ollama.com/api/experimental": dial tcp: lookup ollama.com: no such host'
    ]
    assert diagnose(missed).cause is not None
    assert diagnose(missed + came).cause is None


def test_what_ollama_says_on_a_gpu() -> None:
    """As 0.13.3 printed it on an H100."""
    stopped = (
        'level=ERROR source=server.go:265 msg="llama runner terminated" error="signal: killed"'
    )
    assert diagnose([stopped]).cause is None, "it says that at a stop, too"
    asserted = "/x/ggml/src/ggml-cuda/cpy.cu:396: GGML_ASSERT(ggml_nbytes(src0) <= INT_MAX) failed"
    assert diagnose([asserted, "llama runner process no longer running"]).cause == "cache_too_large"
