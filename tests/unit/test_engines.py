"""SGLang and Ollama behind the engine seam, and what all three engines promise."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from gptoss_tui.domain.choose import choose
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.flags import value_of
from gptoss_tui.domain.engines.registry import ENGINES, engine_named, engine_of
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.domain.render import engine_api_body
from gptoss_tui.domain.serving import Histogram
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.errors import UsageError
from tests.unit.make import gpu, report, request, spec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SGLANG, OLLAMA, VLLM = (engine_named(name) for name in ("sglang", "ollama", "vllm"))
L = 'engine_type="unified",model_name="openai/gpt-oss-20b",pp_rank="0"'
PAGE = f"""\
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{{L},tp_rank="0"}} 3.0
sglang:num_running_reqs{{{L},tp_rank="1"}} 3.0
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{{{L},tp_rank="0"}} 2.0
# TYPE sglang:token_usage gauge
sglang:token_usage{{{L},tp_rank="0"}} 0.28
# TYPE sglang:max_total_num_tokens gauge
sglang:max_total_num_tokens{{{L},tp_rank="0"}} 524288.0
# TYPE sglang:context_len gauge
sglang:context_len{{{L},tp_rank="0"}} 131072.0
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{{model_name="openai/gpt-oss-20b",is_streaming="true"}} 900.0
sglang:prompt_tokens_total{{model_name="openai/gpt-oss-20b",is_streaming="false"}} 100.0
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{{model_name="openai/gpt-oss-20b"}} 500.0
# TYPE sglang:cached_tokens_total counter
sglang:cached_tokens_total{{model_name="openai/gpt-oss-20b",cache_source="device"}} 250.0
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{{model_name="openai/gpt-oss-20b"}} 8.0
# TYPE sglang:time_to_first_token_seconds histogram
sglang:time_to_first_token_seconds_sum{{model_name="openai/gpt-oss-20b"}} 1.5
sglang:time_to_first_token_seconds_bucket{{le="0.1",model_name="openai/gpt-oss-20b"}} 4.0
sglang:time_to_first_token_seconds_bucket{{le="+Inf",model_name="openai/gpt-oss-20b"}} 8.0
sglang:time_to_first_token_seconds_count{{model_name="openai/gpt-oss-20b"}} 8.0
"""


def planned(engine: str, **changes: object) -> LaunchSpec:
    """A spec with the engine's own arguments, as a plan makes them."""
    made = plan(request(engine=engine, engine_version=DEFAULT_VERSIONS[engine], max_model_len=8192))
    chosen = engine_named(engine)
    values: dict[str, object] = {
        "engine": engine,
        "model": made.command[0],
        "served_name": made.command[0],
        "arguments": made.command[1:],
        "environment": chosen.settings(made.request),
        "image": chosen.image(DEFAULT_VERSIONS[engine]),
    }
    return spec(**values | changes)


# --- SGLang's metrics ---------------------------------------------------------------------------


def test_a_page_of_sglang() -> None:
    read = SGLANG.read_metrics(PAGE)
    assert (read.model, read.running, read.waiting) == ("openai/gpt-oss-20b", 3, 2)
    assert (read.kv_cache_usage, read.kv_cache_tokens) == (0.28, 524_288)
    assert read.kv_cache_max_concurrency == 4
    counters = read.counters
    assert (counters.prompt_tokens, counters.generation_tokens, counters.finished) == (1000, 500, 8)
    assert (counters.prefix_hits, counters.prefix_queries) == (250, 1000)
    assert counters.ttft == Histogram(buckets=((0.1, 4.0),), total=1.5, count=8)
    assert counters.preemptions is None


def test_samples_without_a_type_are_read() -> None:
    bare = "\n".join(line for line in PAGE.splitlines() if not line.startswith("#"))
    assert SGLANG.read_metrics(bare) == SGLANG.read_metrics(PAGE)


def test_one_engines_page_is_no_metrics_of_another() -> None:
    assert not VLLM.read_metrics(PAGE).metrics
    assert not SGLANG.read_metrics(PAGE.replace("sglang:", "vllm:")).metrics
    assert not OLLAMA.read_metrics(PAGE).metrics


@pytest.mark.parametrize("page", ["", "sglang:num_running_reqs", "sglang:token_usage{ 1", "\0"])
def test_odd_pages_are_no_failure(page: str) -> None:
    SGLANG.read_metrics(page)


# --- logs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "phase", "fraction"),
    [
        ("[2026-11-20 10:00:00 TP0] Load weight begin. avail mem=78.62 GB", "weights", None),
        ("Loading safetensors checkpoint shards:  33% Completed | 1/3 [00:01<", "load", 0.33),
        ("Multi-thread loading shards:  66% Completed | 2/3 [00:01<00:00]", "load", 0.66),
        ("[x TP0] Load weight end. elapsed=3.1 s, type=GptOssForCausalLM, avail mem=65.70 GB, "
         "mem usage=12.92 GB.", "load", None),
        ("[x] KV Cache is allocated. dtype: torch.bfloat16, #tokens: 90, K size: 1.2 GB, V size: "
         "1.2 GB", "load", None),
        ("[x] Capture cuda graph begin. This can take up to several minutes.", "capture", None),
        ("Capturing batches (bs=8 avail_mem=6.01 GB):  12%|# | 3/23 [00:01<]", "capture", 0.12),
        ("[x] Capture target decode CUDA graph end. elapsed=2.1 s, mem usage=0.55 GB, avail "
         "mem=5.46 GB.", "capture", None),
        ("[x] max_total_num_tokens=524288, chunked_prefill_size=8192, context_len=131072",
         "warmup", None),
        ("[x] The server is fired up and ready to roll!", "warmup", None),
    ],
)  # fmt: skip
def test_sglangs_lines(line: str, phase: str, fraction: float | None) -> None:
    mark = SGLANG.read_log(line)
    assert mark is not None
    assert (mark.phase, mark.fraction, mark.fatal) == (phase, fraction, "")


def test_sglangs_figures() -> None:
    end = SGLANG.read_log("Load weight end. elapsed=3.1 s, avail mem=65.7 GB, mem usage=12.92 GB.")
    size = SGLANG.read_log(
        "max_total_num_tokens=524288, context_len=131072, available_gpu_mem=5 GB"
    )
    assert end is not None
    assert end.figures is not None
    assert end.figures.weights_gib == 12.92
    assert size is not None
    assert size.figures is not None
    assert size.figures.kv_tokens == 524_288


@pytest.mark.parametrize(
    ("line", "phase", "detail"),
    [
        ('level=INFO source=server.go:392 msg="starting runner" cmd="/usr/bin/ollama runner '
         '--ollama-engine --model /root/.ollama/models/blobs/sha256-40de --port 38221"',
         "load", "runner started"),
        ('level=INFO msg="starting llama-server" cmd="/usr/lib/llama-server --model /x --port 1"',
         "load", "runner started"),
        ('msg="waiting for llama-server to start responding"', "load", "weights"),
        ('msg="llama-server started in 0.52 seconds"', "warmup", "model loaded"),
        ('level=INFO source=server.go:831 msg="model layout did not fit, applying backoff" '
         'backoff=0.10', "load", "too little GPU memory: fewer layers on it"),
        ('level=INFO source=ggml.go:498 msg="offloaded 37/37 layers to GPU"',
         "load", "37/37 layers on the GPU"),
        ('level=INFO source=server.go:1288 msg="llama runner started in 13.23 seconds"',
         "warmup", "model loaded"),
    ],
)  # fmt: skip
def test_ollamas_lines(line: str, phase: str, detail: str) -> None:
    mark = OLLAMA.read_log(line)
    assert mark is not None
    assert (mark.phase, mark.detail) == (phase, detail)


@pytest.mark.parametrize(
    ("line", "weights", "cache"),
    [
        ('msg="model weights" device=CUDA0 size="59.8 GiB"', 59.8, None),
        ('msg="kv cache" device=ROCm0 size="450.0 MiB"', None, 0.44),
        ("load_tensors:        CUDA0 model buffer size = 12288.00 MiB", 12.0, None),
    ],
)
def test_ollamas_figures_are_those_of_the_gpu(
    line: str, weights: float | None, cache: float | None
) -> None:
    of_gpu = OLLAMA.read_log(line)
    assert of_gpu is not None
    assert of_gpu.figures is not None
    assert (of_gpu.figures.weights_gib, of_gpu.figures.kv_cache_gib) == (weights, cache)
    assert OLLAMA.read_log('msg="model weights" device=CPU size="1.1 GiB"') is None


# --- images -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "version", "cuda", "image"),
    [
        ("vllm", "0.32.0", 13, "vllm/vllm-openai:v0.32.0"),
        ("vllm", "v0.32.0", 12, "vllm/vllm-openai:v0.32.0-cu129"),
        ("vllm", "0.32.0-cu129", 12, "vllm/vllm-openai:v0.32.0-cu129"),
        ("vllm", "0.19.1", 12, "vllm/vllm-openai:v0.19.1"),
        ("sglang", "0.5.23", 13, "lmsysorg/sglang:v0.5.23"),
        ("sglang", "0.5.19", 12, "lmsysorg/sglang:v0.5.19-cu129"),
        ("ollama", "0.13.3", 12, "ollama/ollama:0.13.3"),
    ],
)  # fmt: skip
def test_images_by_cuda(engine: str, version: str, cuda: int, image: str) -> None:
    assert engine_named(engine).image(version, cuda) == image


def test_sglang_says_which_release_still_runs_on_an_old_driver() -> None:
    with pytest.raises(UsageError, match="CUDA 13") as refused:
        SGLANG.image("0.5.23", 12)
    assert "0.5.19" in refused.value.next_step


@pytest.mark.parametrize(
    ("driver", "cuda"), [("580.65.06", 13), ("570.86.10", 12), (None, 13), ("odd", 13)]
)
def test_cuda_of_a_driver(driver: str | None, cuda: int) -> None:
    assert cuda_of(driver) == cuda


# --- what is started ----------------------------------------------------------------------------


def test_sglang_listens_where_docker_can_reach_it() -> None:
    command = SGLANG.container_command(planned("sglang"))
    assert command[:3] == ("sglang", "serve", "openai/gpt-oss-20b")
    pairs = dict(pairwise(command))
    assert (pairs["--host"], pairs["--port"]) == ("0.0.0.0", str(SGLANG.container_port))
    assert (pairs["--reasoning-parser"], pairs["--tool-call-parser"]) == ("gpt-oss", "gpt-oss")
    assert "--enable-metrics" in command


def test_ollama_has_the_plan_in_its_variables() -> None:
    made = planned("ollama")
    body = engine_api_body(made)
    assert made.model == "gpt-oss:20b"
    assert body["Cmd"] == ["serve"]
    variables = dict(entry.split("=", 1) for entry in body["Env"])
    assert variables["OLLAMA_CONTEXT_LENGTH"] == "8192"
    assert variables["OLLAMA_NUM_PARALLEL"] == "1"
    assert variables["OLLAMA_KEEP_ALIVE"] == "-1"
    assert OLLAMA.cache_dir(report(home="/home/ann")) == "/home/ann/.ollama"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_the_first_question_is_one_token_of_this_model(engine: Engine) -> None:
    made = planned(engine.name)
    question = engine.question(made)
    asked = json.loads(question.body)
    assert question.path == "/v1/chat/completions"
    assert (asked["model"], asked["max_tokens"]) == (made.served_name, 1)


def test_who_fetches_after_the_start_says_how() -> None:
    for engine in ENGINES.values():
        made = planned(engine.name)
        assert (engine.fetch(made) is not None) == (engine.fetches == "after_start")
    fetch, load = OLLAMA.fetch(planned("ollama")), OLLAMA.load(planned("ollama"))
    assert fetch is not None
    assert (fetch.path, json.loads(fetch.body)) == ("/api/pull", {"model": "gpt-oss:20b"})
    assert load is not None
    assert "prompt" not in json.loads(load.body)


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_weights_from_a_folder(name: str) -> None:
    made = planned(name, weights_dir="/data/gpt-oss", vocab_dir="/data/words", cache_dir=None)
    body = engine_api_body(made)
    assert body["HostConfig"]["Binds"] == [
        "/data/gpt-oss:/models/gpt-oss:ro", "/data/words:/etc/encodings:ro",
    ]  # fmt: skip
    assert "/models/gpt-oss" in body["Cmd"]
    assert made.model not in body["Cmd"][: body["Cmd"].index("--served-model-name")]
    assert body["Cmd"][-2:] == ["--served-model-name", made.served_name]
    assert {"HF_HUB_OFFLINE=1", "TIKTOKEN_ENCODINGS_BASE=/etc/encodings"} <= set(body["Env"])


def test_ollama_offline_reads_its_store_and_pulls_nothing() -> None:
    made = planned("ollama", weights_dir="/data/ollama-models")
    assert OLLAMA.fetch(made) is None
    assert "OLLAMA_MODELS=/models/gpt-oss" in engine_api_body(made)["Env"]


@pytest.mark.parametrize(
    ("name", "flag"), [("vllm", "--tensor-parallel-size"), ("sglang", "--tp"), ("ollama", None)]
)
def test_several_gpus(name: str, flag: str | None) -> None:
    """vLLM and SGLang are told how many; Ollama spreads over what it is given."""
    box = report(gpus=tuple(gpu(index) for index in range(4)), home="/home/ann")
    asked = request(
        "120b", engine=name, engine_version=DEFAULT_VERSIONS[name], max_model_len=32_768,
        tensor_parallel_size=2,
    )  # fmt: skip
    gpus, made = choose(box, asked, ids=("2", "3"))
    built = build_spec(
        plan=made, report=box, gpus=gpus, launch_id="x", created_by="", created_at=NOW
    )
    devices = engine_api_body(built)["HostConfig"]["DeviceRequests"][0]["DeviceIDs"]
    assert devices == ["GPU-2", "GPU-3"]
    assert value_of(flag, built.arguments) == "2" if flag else not built.arguments


@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_true_bf16_checkpoints(name: str) -> None:
    asked = request(
        engine=name, engine_version=DEFAULT_VERSIONS[name], max_model_len=8192, checkpoint="bf16"
    )
    gpus, made = choose(report(gpus=(gpu(),)), asked)
    built = build_spec(
        plan=made, report=report(), gpus=gpus, launch_id="x", created_by="", created_at=NOW
    )
    assert built.model == built.served_name == "unsloth/gpt-oss-20b-BF16"
    assert built.model in engine_named(name).container_command(built)
    assert built.weights_bytes == 2 * model_named("20b").parameters


# --- the API key --------------------------------------------------------------------------------

_SGLANG = """\
import logging, sys
def main():
    logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
    logging.getLogger("sglang").info(f"server_args={{'api_key': '{sys.argv[-1]}'}}")
    logging.getLogger("sglang").info("key is %s", sys.argv[-1].partition("=")[2])
    print(open("/proc/self/cmdline").read().replace(chr(0), " "))
    print("told", sys.argv[-1] == "--api-key=" + open(sys.argv[2]).read().strip())
"""


def test_sglangs_key_is_in_no_argument_list_and_no_log(tmp_path: Path) -> None:
    """The real program of the entrypoint, with a package in SGLang's place that prints its settings."""
    key = tmp_path / "api_key"
    key.write_text("-sk-'verysecret\"")
    made = planned("sglang", needs_api_key=True)
    entrypoint = SGLANG.container_entrypoint(made)
    assert entrypoint is not None
    (tmp_path / "sglang_stand_in.py").write_text(_SGLANG)
    about = tmp_path / "sglang-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: sglang\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[console_scripts]\nsglang = sglang_stand_in:main\n")
    program = entrypoint[2].replace("/run/gptoss-tui/api_key", str(key))
    assert program != entrypoint[2]
    assert SGLANG.container_command(made)[0] == "serve"
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", str(key)], capture_output=True, text=True,
        check=True, timeout=30, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert "told True" in done.stdout
    assert "server_args={'api_key': '--api-key=***'}" in done.stdout
    assert "key is ***" in done.stdout
    assert "verysecret" not in done.stdout + done.stderr
    assert "verysecret" not in json.dumps(engine_api_body(made))


# --- foreign servers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "command", "engine", "model"),
    [
        ("lmsysorg/sglang:v0.5.23", "sglang serve openai/gpt-oss-20b --port 30000", "sglang",
         "openai/gpt-oss-20b"),
        ("", "python -m sglang.launch_server --model-path openai/gpt-oss-120b --tp 2", "sglang",
         "openai/gpt-oss-120b"),
        ("", "/usr/local/bin/ollama serve", "ollama", None),
        ("ollama/ollama:0.13.3", "/bin/ollama serve", "ollama", None),
        ("ghcr.io/x/vllm-openai:1", "vllm serve a/b", "vllm", "a/b"),
    ],
)  # fmt: skip
def test_foreign_servers(image: str, command: str, engine: str, model: str | None) -> None:
    words = tuple(command.split())
    found = engine_of(image, words)
    assert found is not None
    assert (found.name, found.served_model(words)) == (engine, model)


def test_what_is_no_engine_is_none() -> None:
    assert engine_of("ghcr.io/open-webui/open-webui:ollama", ("bash", "start.sh")) is None
    assert engine_of("nginx:1", ("nginx",)) is None
