"""The doctor on whole logs: what comes first, what only follows, what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.doctor.diagnosis import Change, Diagnosis
from gptoss_tui.domain.doctor.read import Doctor, diagnose
from gptoss_tui.domain.doctor.told import retold
from tests.unit.test_doctor import HARMLESS, LINES

P = "(EngineCore pid=7) ERROR 11-24 08:00:00 [core.py:868] "
READY = "(APIServer pid=1) INFO:     Application startup complete."
CONTEXT = (
    "ValueError: To serve at least one request with the model's max seq len (131072), (4.54 GiB KV "
    "cache is needed, which is larger than the available KV cache memory (1.71 GiB). Based on the "
    "available memory, the estimated maximum model length is 32768. Try increasing"
)
LAST = (
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)


def _log(*raised: str) -> list[str]:
    """A start that fails: a traceback of the engine, then the API server's own."""
    engine = [
        P + "EngineCore failed to start.",
        P + "Traceback (most recent call last):",
        P + '  File "core.py", line 859, in run_engine_core',
        P + "    engine_core = EngineCoreProc(*args, **kwargs)",
        P + "                  ^^^^^^^^^^^^^^^",
        *(P + line for line in raised),
    ]
    server = [
        "(APIServer pid=1) Traceback (most recent call last):",
        '(APIServer pid=1)   File "utils.py", line 960, in wait_for_engine_startup',
        f"(APIServer pid=1) {LAST}",
    ]
    return [
        "INFO 11-24 08:00:00 [api_server.py:1] vLLM API server version 0.24.1",
        *engine,
        *server,
    ]


# --- what the cause is --------------------------------------------------------------------------


def test_the_root_and_not_what_follows() -> None:
    found = diagnose(_log(CONTEXT))
    assert found.cause == "context_does_not_fit"
    assert found.lines == (7,)
    assert found.change == Change(kind="flags", flags=("--max-model-len", "32768"))


def test_the_last_words_alone_are_no_cause() -> None:
    found = diagnose([LAST])
    assert (found.verdict, found.cause) == ("unknown", None)
    assert found.evidence == (LAST,)


def test_the_definite_cause_wins_over_the_general_one_before_it() -> None:
    found = diagnose(
        _log("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 786.00 MiB.",
             "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy "
             "requests.")
    )  # fmt: skip
    assert found.cause == "sampler_memory"
    assert found.change == Change(kind="flags", flags=("--max-num-seqs", "256"))


def test_ranks_that_say_the_same_are_shown_once() -> None:
    line = "(Worker_TP{} pid=1{}) ERROR 11-24 08:00:00 [w.py:1] " + CONTEXT
    assert diagnose([line.format(n, n) for n in range(8)]).lines == (1,)


def test_ranks_that_speak_at_once_are_kept_apart() -> None:
    lines = []
    for text in (
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in f',
        "MoonError: x",
    ):
        lines += [f"(Worker_TP{n} pid={n}) {text}" for n in (1, 2)]
    found = diagnose(lines)
    assert found.verdict == "unknown"
    assert found.lines == (3, 5)


def test_what_was_overcome_is_no_cause() -> None:
    assert diagnose([*_log(CONTEXT), READY]).verdict == "nothing_wrong"


def test_a_failed_request_is_no_failure_of_the_server() -> None:
    error = "ERROR 11-24 08:00:00 [serving_chat.py:203] "
    lines = [READY, error + "Traceback (most recent call last):", error + '  File "x", line 1',
             error + "ValueError: This model's maximum context length is 2048 tokens."]  # fmt: skip
    assert diagnose(lines).verdict == "nothing_wrong"
    assert diagnose([*lines, "INFO:     Shutting down"], exit_code=0).verdict == "nothing_wrong"


def test_a_piece_of_a_log_that_begins_in_service() -> None:
    lines = ["ERROR:    Exception in ASGI application", "Traceback (most recent call last):",
             '  File "x.py", line 1, in f', "pydantic_core.ValidationError: 1 validation error for X",
             "  Input should be 'user' [type=literal_error, input_value='x', input_type=str]"]  # fmt: skip
    assert diagnose(lines).verdict == "nothing_wrong"


def test_a_piece_of_a_log_that_begins_in_a_traceback() -> None:
    lines = ['  File "/x/custom_all_reduce.py", line 307, in register_graph_buffers',
             "    ops.register_graph_buffers(self._ptr)", "RuntimeError: invalid argument"]  # fmt: skip
    assert diagnose(lines).cause == "custom_all_reduce"
    assert diagnose(lines[1:]).cause is None


def test_a_port_is_found_taken_after_the_server_called_itself_ready() -> None:
    bind = "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000)"
    assert diagnose([READY, bind]).cause == "port_taken"


def test_ray_s_word_of_its_end_does_not_hide_that_the_engine_died() -> None:
    ray = ("INFO 11-24 08:00:00 [ray_distributed_executor.py:127] Shutting down Ray distributed executor. "
           "If you see error log from logging.cc regarding SIGTERM received, please ignore")  # fmt: skip
    fault = P + "RuntimeError: CUDA error: an illegal memory access was encountered"
    missing = P + "ModuleNotFoundError: No module named 'pyarrow'"
    for line, cause in ((fault, "gpu_fault"), (missing, "missing_module")):
        lines = [READY, ray, P + "EngineCore hit an exception: x", line]
        assert diagnose(lines).cause == cause


def test_a_process_that_vanished_is_the_last_guess() -> None:
    died = "ERROR 11-24 08:00:00 [core_client.py:600] Engine core proc EngineCore_DP0 died unexpectedly"
    assert diagnose([READY, died]).cause == "vanished"
    assert diagnose([*_log(CONTEXT), died]).cause == "context_does_not_fit"
    assert diagnose([*_log("MoonError: the wrong phase"), died]).verdict == "unknown"


def test_an_engine_that_dies_in_service() -> None:
    fault = P + "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"
    lines = [READY, P + "EngineCore encountered a fatal error.", fault]
    assert diagnose(lines).cause == "gpu_fault"


def test_a_service_that_is_ready_does_not_speak_for_another() -> None:
    lines = [f"vllm-1  | {P}{CONTEXT}", "litellm-1  | INFO:     Application startup complete."]
    assert diagnose(lines).cause == "context_does_not_fit"


def test_a_stop_before_it_was_ready_and_after() -> None:
    stop = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "KeyboardInterrupt: terminated",
    ]
    assert diagnose(stop).cause == "terminated"
    assert diagnose([READY, *stop]).verdict == "nothing_wrong"
    assert diagnose(["MoonError: the wrong phase", *stop]).verdict == "unknown"


def test_a_warning_is_evidence_only() -> None:
    warning = "WARNING 11-24 08:00:00 [x.py:1] Failed to import from vllm._C: libcudart.so.13: gone"
    assert diagnose([warning]).verdict == "nothing_wrong"
    found = diagnose([warning, "ImportError: libcudart.so.13: cannot open shared object file"])
    assert (found.cause, found.lines) == ("broken_install", (1, 2))


# --- the unknown --------------------------------------------------------------------------------


def test_an_unknown_failure_shows_what_was_raised_and_not_the_end() -> None:
    found = diagnose([*_log("MoonError: the moon is in the wrong phase"), *["bye"] * 30])
    assert (found.verdict, found.cause) == ("unknown", None)
    assert any("MoonError" in line for line in found.evidence)
    assert not any("bye" in line or LAST in line for line in found.evidence)


def test_what_docker_knows_of_the_end() -> None:
    assert diagnose(["INFO loading"], exit_code=137).cause == "killed"
    assert diagnose(["INFO loading"], exit_code=137, oom_killed=True).cause == "host_memory"
    assert diagnose(["INFO loading"], exit_code=139).cause == "crashed"
    assert diagnose(_log(CONTEXT), exit_code=137).cause == "context_does_not_fit"
    assert diagnose(["INFO loading", "odd"], exit_code=3).evidence == ("INFO loading", "odd")
    assert diagnose([READY, "INFO:     Shutting down"], exit_code=137).verdict == "unknown"
    assert diagnose([], exit_code=0).verdict == "nothing_wrong"


# --- changes ------------------------------------------------------------------------------------

CHANGES = (
    ("To serve at least one request with the model's max seq len (131072), (4.54 GiB KV cache is "
     "needed, which is larger than the available KV cache memory (1.71 GiB)",
     ("--max-model-len", "44416")),
    ("To serve at least one request with the model's max seq len (131072), (4.54 GiB KV cache is "
     "needed, which is larger than the available KV cache memory (-1.71 GiB)", None),
    ("The model's max seq len (131072) is larger than the maximum number of tokens that can be stored "
     "in KV cache (4096)", ("--max-model-len", "4096")),
    ("User-specified max_model_len (262144) is greater than the derived max_model_len "
     "(max_position_embeddings=131072 or x)", ("--max-model-len", "131072")),
    ("Free memory on device cuda:0 (60.5/79.2 GiB) on startup is less than desired GPU memory "
     "utilization (0.9, 71.3 GiB).", ("--gpu-memory-utilization", "0.75")),
    ("Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory "
     "utilization (0.9, 71.3 GiB).", None),
    ("World size (4) is larger than the number of available GPUs (3) in this node.",
     ("--tensor-parallel-size", "2")),
)  # fmt: skip


@pytest.mark.parametrize(("line", "flags"), CHANGES)
def test_a_change_comes_from_the_line_s_own_figures(
    line: str, flags: tuple[str, ...] | None
) -> None:
    found = diagnose([f"ValueError: {line}"])
    assert found.cause
    assert (found.change and found.change.flags) == flags


def test_another_image_of_the_same_release() -> None:
    old = "RuntimeError: The NVIDIA driver on your system is too old (found version 12080)"
    version = "INFO 11-24 08:00:00 [api_server.py:1] vLLM API server version {}"
    found = diagnose([version.format("0.24.1"), old])
    assert found.change is not None
    assert found.change.flags == ("--image", "vllm/vllm-openai:v0.24.1-cu129-ubuntu2404")
    assert diagnose([version.format("0.11.2"), old]).change is None


def test_changes_that_leave_a_flag_out() -> None:
    port = diagnose(["docker: Error response from daemon: port is already allocated"])
    assert port.change == Change(kind="port", drop=("--port",))
    toolkit = diagnose(
        ["docker: Error response from daemon: unknown or invalid runtime name: nvidia"]
    )
    assert toolkit.change == Change(kind="toolkit")


# --- a launch's own words -----------------------------------------------------------------------


@pytest.mark.parametrize(("cause", "line"), [pair for pair in LINES if "docker:" in pair[1]])
def test_a_sentence_is_led_back_to_its_cause(cause: str, line: str) -> None:
    assert retold(*failure_of("start", line)).cause == cause


def test_other_sentences() -> None:
    assert retold("The moon.", "Wait.").verdict == "unknown"
    assert retold("", "").verdict == "nothing_wrong"
    assert retold("The server was killed while loading (exit code 137): x.", "").cause == "killed"


# --- whatever comes -----------------------------------------------------------------------------

_PIECES = st.sampled_from([line for _, line in LINES] + [*HARMLESS, READY, LAST, *_log(CONTEXT)])


@given(st.lists(st.text() | _PIECES, max_size=30), st.sampled_from([None, 0, 1, 137]))
def test_it_never_raises(lines: list[str], code: int | None) -> None:
    found = diagnose(lines, exit_code=code)
    assert len(found.evidence) == len(found.lines)
    assert (found.cause is not None) == (found.verdict == "known")
    assert "\x1b" not in "".join(found.evidence)


def _plain(found: Diagnosis) -> tuple[str | None, tuple[str, ...], tuple[int, ...]]:
    return found.cause, found.evidence, found.lines


@given(st.lists(_PIECES, max_size=12))
def test_colours_and_line_ends_do_not_matter(lines: list[str]) -> None:
    first = _plain(diagnose(lines))
    assert _plain(diagnose(line + "\r\n" for line in lines)) == first
    assert _plain(diagnose(f"\x1b[1;36m{line}\x1b[0m\n" for line in lines)) == first


@given(st.sampled_from(LINES), st.lists(st.sampled_from(HARMLESS), max_size=20), st.data())
def test_harmless_lines_around_a_cause_change_nothing(
    pair: tuple[str, str], around: list[str], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(around)))
    found = diagnose([*around[:at], pair[1], *around[at:]])
    assert found.cause == pair[0]
    assert found.lines == (at + 1,)


def test_a_huge_log_is_not_kept() -> None:
    reader = Doctor()
    for n in range(20_000):
        reader.feed(f"(Worker pid={n}) Traceback (most recent call last):")
        reader.feed(f"svc{n}-1  | ERROR 11-24 08:00:00 [x.py:1] odd {n}")
    held = sum(len(service.marks) + 8 for service in reader._services.values())
    assert held < 2000
    assert len(reader._services) <= 32
