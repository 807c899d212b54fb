"""vLLM behind the engine seam: metrics, log lines, foreign command lines."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.engines.registry import ENGINES, engine_named, engine_of
from gptoss_tui.domain.serving import EngineCounters, EngineSnapshot, Histogram
from gptoss_tui.errors import UsageError
from tests.unit.make import spec

VLLM = engine_named("vllm")
L = '{engine="0",model_name="openai/gpt-oss-20b"}'
PAGE = f"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{L} 3.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{L} 2.0
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{{engine="0",model_name="x",reason="capacity"}} 99.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{L} 0.25
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{L} 1000.0
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{L} 1.7e+09
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{L} 500.0
# TYPE vllm:request_success_total counter
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="openai/gpt-oss-20b"}} 7.0
vllm:request_success_total{{engine="0",finished_reason="length",model_name="openai/gpt-oss-20b"}} 1.0
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{{le="+Inf"}} 12.0
vllm:iteration_tokens_total_count{L} 12.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.1",model_name="openai/gpt-oss-20b"}} 4.0
vllm:time_to_first_token_seconds_bucket{{engine="0",le="+Inf",model_name="openai/gpt-oss-20b"}} 8.0
vllm:time_to_first_token_seconds_count{L} 8.0
vllm:time_to_first_token_seconds_sum{L} 1.5
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{{kv_cache_size_tokens="280425",kv_cache_max_concurrency="2.14"}} 1.0
"""


# --- metrics ------------------------------------------------------------------------------------


def test_a_page() -> None:
    assert VLLM.read_metrics(PAGE) == EngineSnapshot(
        model="openai/gpt-oss-20b",
        running=3,
        waiting=2,
        kv_cache_usage=0.25,
        kv_cache_tokens=280_425,
        kv_cache_max_concurrency=2.14,
        counters=EngineCounters(
            prompt_tokens=1000,
            generation_tokens=500,
            finished=8,
            ttft=Histogram(buckets=((0.1, 4.0),), total=1.5, count=8),
        ),
    )


FAMILIES = ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc",
            "prompt_tokens", "generation_tokens", "request_success", "time_to_first_token_seconds",
            "cache_config_info"]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_family_is_unknown_and_not_zero(family: str) -> None:
    whole = msgspec.to_builtins(VLLM.read_metrics(PAGE))
    lines = [
        line for line in PAGE.splitlines() if f"vllm:{family}" not in line or "reason=" in line
    ]
    if family == "request_success":
        lines = [line for line in lines if "request_success" not in line]
    part = msgspec.to_builtins(VLLM.read_metrics("\n".join(lines)))
    lost = {key for key, value in whole.items() if part[key] != value}
    lost |= {key for key, value in whole["counters"].items() if part["counters"][key] != value}
    assert lost - {"counters"}
    for key in lost - {"counters"}:
        assert (part | part["counters"])[key] is None, key


@pytest.mark.parametrize("page", ["", "\n\n", "# nothing\n", "<html>404</html>", "python_info 1\n"])
def test_a_page_without_vllm_is_no_metrics(page: str) -> None:
    snapshot = VLLM.read_metrics(page)
    assert not snapshot.metrics
    assert (snapshot.running, snapshot.waiting, snapshot.kv_cache_usage) == (None, None, None)


def test_replicas_add_up_and_their_cache_use_is_averaged() -> None:
    page = (
        'vllm:num_requests_running{engine="0"} 3\nvllm:num_requests_running{engine="1"} 4\n'
        'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.6\n'
    )
    snapshot = VLLM.read_metrics(page)
    assert snapshot.running == 7
    assert snapshot.kv_cache_usage == pytest.approx(0.4)


def test_the_names_of_old_releases() -> None:
    page = (
        "# TYPE vllm:gpu_cache_usage_perc gauge\nvllm:gpu_cache_usage_perc{} 0.5\n"
        "# TYPE vllm:time_per_output_token_seconds histogram\n"
        'vllm:time_per_output_token_seconds_bucket{le="+Inf"} 2\n'
        "vllm:time_per_output_token_seconds_count{} 2\nvllm:time_per_output_token_seconds_sum{} 1\n"
    )
    snapshot = VLLM.read_metrics(page)
    assert snapshot.kv_cache_usage == 0.5
    assert snapshot.counters.inter_token == Histogram(total=1, count=2)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1.0", "-Inf"])
def test_odd_values_are_unknown(value: str) -> None:
    page = f"vllm:num_requests_running {value}\nvllm:kv_cache_usage_perc {value}\n"
    snapshot = VLLM.read_metrics(page)
    assert snapshot.metrics
    assert (snapshot.running, snapshot.kv_cache_usage) == (None, None)


@given(st.integers(0, len(PAGE)))
def test_a_torn_page_never_raises_and_invents_nothing(cut: int) -> None:
    whole = msgspec.to_builtins(VLLM.read_metrics(PAGE))
    torn = msgspec.to_builtins(VLLM.read_metrics(PAGE[:cut]))
    for key in ("running", "waiting", "model", "kv_cache_tokens"):
        assert torn[key] in (None, whole[key]), key


_LINES = st.sampled_from([*PAGE.splitlines(), "vllm:num_requests_running{", 'vllm:x{a="', "# TYPE",
                          "# TYPE vllm:num_requests_running", "vllm:num_requests_running",
                          'vllm:num_requests_running{a="\\', "vllm:num_requests_running{} x",
                          "vllm:time_to_first_token_seconds_bucket{le=\"x\"} 1"])  # fmt: skip


@given(st.lists(_LINES | st.text(max_size=30), max_size=8))
def test_odd_pages_never_raise_and_stay_serialisable(lines: list[str]) -> None:
    snapshot = VLLM.read_metrics("\n".join(lines))
    text = msgspec.json.encode(snapshot)
    assert msgspec.json.decode(text, type=EngineSnapshot) == snapshot


# --- log lines ----------------------------------------------------------------------------------

P = "(EngineCore_DP0 pid=88) INFO 01-02 03:04:05 [x.py:1] "


@pytest.mark.parametrize(
    ("line", "phase", "fraction"),
    [
        ("Starting to load model openai/gpt-oss-20b...", "weights", None),
        ("Loading safetensors checkpoint shards:  67% Completed | 2/3 [00:01<00:00]", "load", 0.67),
        ("Loading weights took 3.21 seconds", "load", None),
        ("Model loading took 13.64 GiB and 4.2 seconds", "load", None),
        ("Model loading took 13.64 GiB memory and 4.2 seconds", "load", None),
        ("Dynamo bytecode transform time: 5.11 s", "compile", None),
        ("torch.compile takes 20.5 s in total", "compile", None),
        ("Available KV cache memory: 58.47 GiB", "compile", None),
        ("GPU KV cache size: 1,277,184 tokens", "compile", None),
        ("Capturing CUDA graphs (decode, FULL):  35%|###       | 29/83", "capture", 0.35),
        ("Graph capturing finished in 12 secs, took 1.84 GiB", "capture", None),
        ("init engine (profile, create kv cache, warmup model) took 33.1 seconds", "warmup", None),
        ("Starting vLLM API server 0 on http://0.0.0.0:8000", "warmup", None),
        ("Waiting for application startup.", "warmup", None),
    ],
)
def test_a_phase(line: str, phase: str, fraction: float | None) -> None:
    for text in (line, P + line):
        mark = VLLM.read_log(text)
        assert mark is not None
        assert (mark.phase, mark.fraction, mark.fatal) == (phase, fraction, "")


@pytest.mark.parametrize(
    "line",
    [
        "", "Avg prompt throughput: 1.0 tokens/s, Running: 1 reqs, GPU KV cache usage: 0.1%",
        '127.0.0.1:4 - "POST /v1/chat/completions HTTP/1.1" 200 OK', "non-default args: {'model': 1}",
        "Application startup complete.",
    ],
)  # fmt: skip
def test_ordinary_lines_mean_nothing(line: str) -> None:
    assert VLLM.read_log(P + line) is None


FAILING = [
    ("ValueError: To serve at least one request with the model's max seq len (131072), (4.54 GiB KV "
     "cache is needed, which is larger than the available KV cache memory (1.71 GiB).", "context"),
    ("ValueError: To serve at least one request with the models's max seq len (131072)", "context"),
    ("ValueError: No available memory for the cache blocks. Try increasing", "no memory"),
    ("RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy", "sampler"),
    ("ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU "
     "memory utilization (0.9, 71.3 GiB).", "Something else"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 786.00 MiB.", "memory ran out"),
    ("RuntimeError: The NVIDIA driver on your system is too old (found version 12080)", "driver"),
    ("CUDA error: the provided PTX was compiled with an unsupported toolchain.", "driver"),
    ("ValueError: The quantization method gpt_oss_mxfp4 is not supported for the current GPU. "
     "Minimum capability: 80. Current capability: 75.", "too old for MXFP4"),
    ("ValueError: Quantization method specified in the model config (mxfp4) does not match the "
     "quantization method specified in the `quantization` argument (fp8).", "--quantization"),
    ("torch.float16 is not supported for quantization method gpt_oss_mxfp4.", "bfloat16"),
    ("AssertionError: Sinks are only supported in FlashAttention 3", "attention"),
    ("Sinks must be of type float32", "Blackwell"),
    ("openai_harmony.HarmonyError: error downloading or loading vocab file: failed", "vocabulary"),
    ("Failed to initialize NVML: Driver/library version mismatch", "kernel module"),
    ("OSError: [Errno 28] No space left on device", "disk"),
    ("401 Client Error: Unauthorized for url: https://huggingface.co/api/models/x", "refused"),
    ("429 Client Error: Too Many Requests for url: https://huggingface.co/", "for now"),
    ("huggingface_hub.errors.LocalEntryNotFoundError: An error happened", "cannot reach"),
    ("api_server.py: error: unrecognized arguments: --max-modellen", "arguments"),
    ("OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address "
     "already in use", "port"),
    ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update",
     "driver"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "word"), FAILING, ids=[word for _, word in FAILING])
def test_a_failure_is_recognised(line: str, word: str) -> None:
    mark = VLLM.read_log(P.replace("INFO", "ERROR") + line)
    assert mark is not None
    assert word.lower() in mark.fatal.lower()
    assert mark.next_step.endswith(".")
    assert mark.phase is None


def test_every_cause_is_a_sentence_with_a_step() -> None:
    for code, cause in CAUSES.items():
        assert cause.explanation.endswith("."), code
        assert cause.fix.endswith("."), code


# --- the rest of the seam -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "command", "model"),
    [
        ("vllm/vllm-openai:v1", ("vllm", "serve", "a/b", "--port", "1"), "a/b"),
        ("nvcr.io/nvidia/vllm:25.09-py3", ("serve",), None),
        ("x", ("python3", "-m", "vllm.entrypoints.openai.api_server", "--model=a/b"), "a/b"),
        ("x", ("/usr/bin/python3", "/usr/bin/vllm", "serve", "--x"), None),
        ("vllm/vllm-openai:v1", ("a/b", "--served-model-name", "mine"), "mine"),
    ],
)
def test_foreign_servers(image: str, command: tuple[str, ...], model: str | None) -> None:
    if image != "x" or "vllm serve" in " ".join(command) or "entrypoints" in " ".join(command):
        assert engine_of(image, command) is VLLM
    assert VLLM.served_model(command) == model


def test_a_server_without_a_command_line_has_no_known_model() -> None:
    assert VLLM.served_model(()) is None
    assert VLLM.served_model(("--model",)) is None


def test_an_image_without_a_tag_is_recognised_too() -> None:
    assert engine_of("vllm/vllm-openai", ()) is VLLM
    assert engine_of("registry:5000/team/vllm-openai", ()) is VLLM
    assert engine_of("vllm/vllm-openai@sha256:00", ()) is VLLM
    assert engine_of("postgres:17-vllm", ()) is None


def test_an_unknown_engine_is_refused_with_the_names() -> None:
    with pytest.raises(UsageError) as refusal:
        engine_named("triton")
    assert "vllm" in refusal.value.next_step


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_every_engine_keeps_the_seam(engine: object) -> None:
    made = spec()
    assert VLLM.container_command(made) == (made.model, *made.arguments)
    assert VLLM.environment(spec(has_token=True, environment=(("A", "1"),))) == (
        ("A", "1"),
        ("HF_TOKEN_PATH", "/run/gptoss-tui/hf_token"),
    )
    assert VLLM.image("v0.25.1") == VLLM.image("0.25.1") == "vllm/vllm-openai:v0.25.1"
    assert "/metrics" in VLLM.open_routes("0.32.0")
    assert "/v1/chat/completions" not in VLLM.open_routes("0.32.0")
