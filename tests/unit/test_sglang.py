"""SGLang's own words, as release 0.5.23 wrote them when it ran."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.parse.chat import ChatPiece, read_chunk
from gptoss_tui.domain.progress import PhaseName
from gptoss_tui.domain.startup import StartupFigures

SGLANG = engine_named("sglang")
START: tuple[tuple[str, PhaseName | None], ...] = (
    ("[2026-11-26 08:01:27] Hybrid SWA model detected. architectures=['GptOssForCausalLM']", None),
    ("[2026-11-26 08:01:59] Init parallel begin.", None),
    ("[2026-11-26 08:02:21] Memory baseline taken. mem usage=0.00 GB", None),
    ("[2026-11-26 08:02:22] Load weight begin. avail mem=19.92 GB", "weights"),
    ("[2026-11-26 08:52:57] Local HF snapshot at /root/.cache/huggingface/hub/models--openai--gpt-oss-"
     "20b/snapshots/6cee has no files matching ['*.safetensors', '*.bin']; will attempt download.",
     "weights"),
    ("Multi-thread loading shards:   0% Completed | 0/1 [00:00<?, ?it/s]\rMulti-thread loading "
     "shards: 100% Completed | 1/1 [00:00<00:00, 8577.31it/s]", "load"),
    ("[2026-11-26 08:02:22] Load weight end. elapsed=0.14 s, type=GptOssForCausalLM, avail "
     "mem=19.81 GB, mem usage=0.11 GB.", "load"),
    ("[2026-11-26 08:02:37] Use sliding window memory pool. full_layer_tokens=1864503, "
     "swa_layer_tokens=1491602", None),
    ("[2026-11-26 08:02:38] Full KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1864503, K "
     "size: 0.22 GB, V size: 0.22 GB", "load"),
    ("[2026-11-26 08:02:38] SWA KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1491602, K "
     "size: 0.18 GB, V size: 0.18 GB", "load"),
    ("[2026-11-26 08:02:38] SWAKVPool mem usage: 0.80 GB, swa size: 1491602, full size: 1864503",
     "load"),
    ("[2026-11-26 08:02:38] Memory pool end. avail mem=18.89 GB", "load"),
    ("[2026-11-26 08:02:39] Disable prefill CUDA graph because cuda_graph_config resolved "
     "prefill.backend='disabled' (e.g. via --cuda-graph-backend-prefill=disabled or auto-disable "
     "rules).", None),
    ("[2026-11-26 08:02:39] max_total_num_tokens=1864503, chunked_prefill_size=4096, "
     "max_prefill_tokens=16384, max_running_requests=4096, context_len=4096, "
     "available_cpu_mem=18.86 GB", "warmup"),
    ("[2026-11-26 08:02:41] Engine startup timings (s): load_weight=0.14, kv_cache_allocation=1.88, "
     "scheduler_e2e=42.59, cuda_graph={prefill=0.00, decode=0.00}, tokenizer_e2e=71.63", None),
    ("[2026-11-26 08:02:42] INFO:     Application startup complete.", None),
    ("[2026-11-26 08:02:42] INFO:     Uvicorn running on http://127.0.0.1:30111 (Press CTRL+C to "
     "quit)", "warmup"),
    ('[2026-11-26 08:02:43] INFO:     127.0.0.1:60914 - "GET /health HTTP/1.1" 503 Service '
     "Unavailable", None),
    ("[2026-11-26 08:03:03] Prefill batch, #new-seq: 1, #new-token: 6, #cached-token: 0, full token "
     "usage: 0.00, swa token usage: 0.00, #running-req: 0, #queue-req: 0, #pending-token: 0, cpu "
     "graph: False, input throughput (token/s): 0.25", None),
    ("[2026-11-26 08:03:03] The server is fired up and ready to roll!", "warmup"),
)  # fmt: skip
STOP = (
    "[2026-11-26 08:04:12] SIGTERM received. signum=None frame=None. Draining requests and shutting "
    "down...",
    "[2026-11-26 08:04:13] Gracefully exiting... Remaining number of requests 4. Remaining requests "
    "remaining_rids=['d46e777ab08e4ccd876a804c4776148d', 'c554a93321044027bae7a8bae40865e9'].",
    "[2026-11-26 08:04:13] Health check request received during shutdown. Returning 503.",
    "[2026-11-26 08:05:28] INFO:     Waiting for background tasks to complete. (CTRL+C to force quit)",
)
HARMLESS = (
    "[2026-11-26 08:02:22] Ignore import error when loading sglang.srt.models.grok: '_OpNamespace' "
    "'sgl_kernel' object has no attribute 'fused_moe_router_cpu'",
    "[2026-11-26 08:02:42] OpenAI Responses API (/v1/responses) disabled: OpenAIServingResponses init "
    "failed (HarmonyError: error downloading or loading vocab file: failed to download or load vocab "
    "file)",
)
RANK = (
    'engine_type="unified",model_name="openai/gpt-oss-20b",moe_ep_rank="0",pp_rank="0",tp_rank="0"'
)
WHOLE = 'engine_type="unified",is_streaming="false",model_name="openai/gpt-oss-20b"'
# Of a server that nobody has asked yet: it has counted its own warm-up, and no health check.
FRESH = f"""\
sglang:num_running_reqs{{{RANK}}} 0.0
sglang:num_queue_reqs{{{RANK}}} 0.0
sglang:num_grammar_queue_reqs{{{RANK}}} 0.0
sglang:token_usage{{{RANK}}} 0.0
sglang:full_token_usage{{{RANK}}} 0.0
sglang:fwd_occupancy{{{RANK}}} NaN
sglang:max_total_num_tokens{{{RANK}}} 1.864503e+06
sglang:max_total_num_tokens_swa{{{RANK}}} 1.491602e+06
sglang:context_len{{{RANK}}} 4096.0
sglang:num_retracted_reqs{{engine_type="unified",model_name="openai/gpt-oss-20b",pid="30503"}} 0.0
sglang:prompt_tokens_total{{{WHOLE}}} 6.0
sglang:prompt_tokens_histogram_sum{{{WHOLE}}} 6.0
sglang:generation_tokens_total{{{WHOLE}}} 8.0
sglang:num_requests_total{{{WHOLE}}} 1.0
sglang:time_to_first_token_seconds_sum{{{WHOLE}}} 20.185971173013968
sglang:time_to_first_token_seconds_bucket{{{WHOLE},le="20.0"}} 0.0
sglang:time_to_first_token_seconds_bucket{{{WHOLE},le="40.0"}} 1.0
sglang:time_to_first_token_seconds_count{{{WHOLE}}} 1.0
sglang:http_requests_total{{endpoint="/health",method="GET"}} 8.0
"""


@pytest.mark.parametrize(("line", "phase"), START)
def test_the_lines_of_a_start(line: str, phase: PhaseName | None) -> None:
    mark = SGLANG.read_log(line)
    assert (mark.phase if mark else None) == phase
    assert mark is None or not mark.fatal


def test_a_bar_is_drawn_over_itself_in_one_line() -> None:
    mark = SGLANG.read_log(START[5][0])
    assert mark is not None
    assert mark.fraction == 1.0


def test_the_figures_of_a_start() -> None:
    """Of the cache both pools count, the one of the sliding window's layers too."""
    figures = StartupFigures()
    for line, _ in START:
        mark = SGLANG.read_log(line)
        if mark and mark.figures:
            figures = figures.and_then(mark.figures)
    assert figures == StartupFigures(weights_gib=0.11, kv_cache_gib=0.8, kv_tokens=1_864_503)


@pytest.mark.parametrize("line", [*STOP, *HARMLESS])
def test_loud_lines_that_are_no_failure(line: str) -> None:
    assert SGLANG.read_log(line) is None


def test_a_fresh_servers_figures() -> None:
    """What nobody has asked for yet has no sample: unknown, and not 0."""
    read = SGLANG.read_metrics(FRESH)
    assert (read.model, read.running, read.waiting) == ("openai/gpt-oss-20b", 0, 0)
    assert (read.kv_cache_usage, read.kv_cache_tokens) == (0, 1_864_503)
    assert read.kv_cache_max_concurrency == pytest.approx(455.2, abs=0.01)
    counters = read.counters
    assert (counters.prompt_tokens, counters.generation_tokens, counters.finished) == (6, 8, 1)
    assert counters.ttft
    assert (counters.ttft.count, counters.ttft.buckets) == (1, ((20.0, 0.0), (40.0, 1.0)))
    assert (counters.inter_token, counters.prefix_hits, counters.preemptions) == (None, None, None)


_CHUNK = (
    '{{"id":"4e00","object":"chat.completion.chunk","created":1795680213,"model":"m","choices":'
    '[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish},"matched_stop":null}}]}}'
)


@pytest.mark.parametrize(
    ("delta", "finish", "piece"),
    [
        ('{"reasoning_content":null,"role":"assistant","content":""}', "null", ChatPiece()),
        ('{"reasoning_content":" deserve"}', "null", ChatPiece(reasoning=" deserve")),
        ('{"reasoning_content":null,"content":"Hello"}', "null", ChatPiece(content="Hello")),
        ('{"reasoning_content":null}', '"stop"', ChatPiece(finish_reason="stop")),
    ],
)
def test_the_chunks_of_an_answer(delta: str, finish: str, piece: ChatPiece) -> None:
    assert read_chunk(_CHUNK.format(delta=delta, finish=finish)) == piece


def test_the_usage_at_the_end() -> None:
    last = (
        '{"id":"11a9","object":"chat.completion.chunk","model":"m","choices":[],"usage":'
        '{"prompt_tokens":9,"total_tokens":44,"completion_tokens":35,"prompt_tokens_details":null,'
        '"reasoning_tokens":15,"completion_tokens_details":{"reasoning_tokens":15}}}'
    )
    assert read_chunk(last) == ChatPiece(prompt_tokens=9, completion_tokens=35)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"object":"error","message":"The input (6007 tokens) is longer than the model\'s context '
         'length (4096 tokens).","type":"BadRequestError","param":null,"code":400}',
         "The input (6007 tokens) is longer than the model's context length (4096 tokens)."),
        ('{"error":"Unauthorized"}', "Unauthorized"),
    ],
)  # fmt: skip
def test_its_refusals(body: str, said: str) -> None:
    assert read_chunk(body).error == said
