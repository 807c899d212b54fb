"""Streams in pieces: pulls, server-sent events, chunks of a chat, lines."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.parse.chat import ChatPiece, read_chunk
from gptoss_tui.domain.parse.docker_pull import PullProgress
from gptoss_tui.domain.parse.sse import LIMIT, SseParser
from gptoss_tui.remote.lines import LineSplitter

# --- pull ---------------------------------------------------------------------------------------


def _event(layer: str, status: str, current: int | None = None, total: int | None = None) -> Any:
    detail = {k: v for k, v in (("current", current), ("total", total)) if v is not None}
    return {"id": layer, "status": status, "progressDetail": detail}


def _pulled(*events: Any) -> PullProgress:
    pull = PullProgress()
    for event in events:
        pull.feed(event)
    return pull


def test_nothing_is_known_before_the_first_size() -> None:
    pull = _pulled(
        {"status": "Pulling from vllm/vllm-openai", "id": "v0.32.0"},
        _event("a", "Pulling fs layer"),
        _event("b", "Already exists"),
    )
    assert (pull.done_bytes, pull.total_bytes) == (0, None)
    assert pull.detail == "1 of 2 layers"


def test_layers_add_up_and_extraction_is_no_download() -> None:
    pull = _pulled(
        _event("a", "Downloading", 100, 1000),
        _event("b", "Downloading", 5, 50),
        _event("a", "Download complete"),
        _event("a", "Extracting", 1, 1000),
        _event("a", "Pull complete"),
    )
    assert (pull.done_bytes, pull.total_bytes) == (1005, 1050)
    assert pull.detail == "1 of 2 layers"


def test_sizes_that_make_no_sense_count_for_nothing() -> None:
    pull = _pulled(_event("a", "Downloading", 0, 0), _event("a", "Downloading", 0, -1))
    assert pull.total_bytes is None
    assert _pulled({"status": "Status: done", "message": "no error"}).error == ""


def test_a_retry_starts_the_layer_anew_and_the_bytes_stand_still() -> None:
    pull = _pulled(_event("a", "Downloading", 900, 1000), _event("a", "Retrying in 5 seconds"))
    pull.feed(_event("a", "Retrying in 4 seconds"))
    assert (pull.detail, pull.retries) == ("0 of 1 layers", 1)
    pull.feed(_event("a", "Downloading", 10, 1000))
    assert pull.done_bytes == 900


@pytest.mark.parametrize(
    "event",
    [
        {"errorDetail": {"message": "boom"}, "error": "boom"},
        {"message": "boom"},
    ],
)
def test_an_error_is_kept(event: dict[str, Any]) -> None:
    assert _pulled(event).error == "boom"


_STATUS = st.sampled_from([
    "Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete",
    "Extracting", "Pull complete", "Already exists", "Retrying in 3 seconds", "Mounted from x",
])  # fmt: skip
_EVENTS = st.builds(
    _event,
    st.sampled_from("abc"),
    _STATUS,
    st.none() | st.integers(-5, 10**10),
    st.none() | st.integers(-5, 10**10),
)


@given(st.lists(_EVENTS, max_size=40))
def test_bytes_never_go_back_and_never_pass_the_total(events: list[Any]) -> None:
    pull, seen = PullProgress(), [0]
    for event in events:
        pull.feed(event)
        seen.append(pull.done_bytes)
        if pull.total_bytes is not None:
            assert 0 <= pull.done_bytes <= pull.total_bytes
    assert all(later >= earlier for earlier, later in pairwise(seen))


# --- server-sent events -------------------------------------------------------------------------

STREAM = (
    b": a comment\n\nevent: message\nid: 1\ndata: {\"a\": 1}\n\ndata:no blank\r\ndata:  two\r\n\r\n"
    b"data: caf\xc3\xa9\r\rretry: 5\ndata\n\ndata: [DONE]\n\n"
)  # fmt: skip
EVENTS = ['{"a": 1}', "no blank\n two", "café", "[DONE]"]


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_stream_cut_at_any_byte(cut: int) -> None:
    parser = SseParser()
    assert [*parser.feed(STREAM[:cut]), *parser.feed(STREAM[cut:]), *parser.flush()] == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_a_stream_in_small_pieces(size: int) -> None:
    parser = SseParser()
    pieces = (STREAM[at : at + size] for at in range(0, len(STREAM), size))
    assert [data for piece in pieces for data in parser.feed(piece)] == EVENTS


def test_a_stream_that_ends_without_its_empty_line() -> None:
    parser = SseParser()
    assert parser.feed(b"data: last") == []
    assert parser.flush() == ["last"]
    assert parser.flush() == []


def test_memory_stays_bounded() -> None:
    parser = SseParser()
    for _ in range(6):
        parser.feed(b"x" * (LIMIT // 4))
    assert len(parser._rest) <= LIMIT
    assert parser.feed(b"\n\ndata: still there\n\n") == ["still there"]


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_odd_bytes_never_raise(parts: list[bytes]) -> None:
    parser = SseParser()
    for part in parts:
        for data in [*parser.feed(part)]:
            read_chunk(data)
    parser.flush()


# --- chat ---------------------------------------------------------------------------------------


def _delta(finish: str | None = None, **delta: Any) -> str:
    return json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]})


@pytest.mark.parametrize(
    ("chunk", "piece"),
    [
        (_delta(reasoning_content="hm"), ChatPiece(reasoning="hm")),
        (_delta(reasoning="hm", content=None), ChatPiece(reasoning="hm")),
        (_delta(thinking="hm", content=""), ChatPiece(reasoning="hm")),
        (_delta(role="assistant", content="hi"), ChatPiece(content="hi")),
        (_delta(reasoning="a", content="b"), ChatPiece(reasoning="a", content="b")),
        (_delta("length"), ChatPiece(finish_reason="length")),
        (
            '{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}',
            ChatPiece(prompt_tokens=7, completion_tokens=9),
        ),
        ('{"message": {"thinking": "t", "content": "c"}}', ChatPiece(reasoning="t", content="c")),
        ('{"error": {"message": "too long", "code": 400}}', ChatPiece(error="too long")),
        ('{"error": "went wrong"}', ChatPiece(error="went wrong")),
        ('{"object": "error", "message": "no model", "code": 404}', ChatPiece(error="no model")),
        ('{"message": "no model", "code": 404}', ChatPiece(error="no model")),
        ('{"detail": "Not Found"}', ChatPiece(error="Not Found")),
        ('{"detail": [{"msg": "x"}]}', ChatPiece(error='[{"msg": "x"}]')),
        ('{"usage": {"prompt_tokens": true, "completion_tokens": null}}', ChatPiece()),
        ("[DONE]", ChatPiece()),
        ("[1, 2]", ChatPiece()),
        ('{"choices": [null]}', ChatPiece()),
        ("", ChatPiece()),
    ],
)  # fmt: skip
def test_a_chunk(chunk: str, piece: ChatPiece) -> None:
    assert read_chunk(chunk) == piece


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "usage",
                    "error",
                    "detail",
                    "code",
                    "object",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_odd_chunks_never_raise(document: Any) -> None:
    piece = read_chunk(json.dumps(document))
    assert isinstance(piece.content, str)


# --- lines --------------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=12).filter(lambda b: not set(b) & set(b"\r\n"))), st.integers(1, 9)
)
def test_lines_survive_any_cut(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    out = [line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])]
    assert out == lines
    assert splitter.flush() == []


@given(
    st.lists(st.sampled_from((b"\r", b"\n", b"\r\n", b"a", b"bcd", b"")), max_size=20),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_no_cut_of_a_stream_changes_its_lines(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole, cut = LineSplitter(limit=2), LineSplitter(limit=2)
    places = [0, *sorted(min(place, len(data)) for place in cuts), len(data)]
    out = [line for a, b in pairwise(places) for line in cut.feed(data[a:b])]
    assert out + cut.flush() == whole.feed(data) + whole.flush()


def test_half_of_a_line_end_is_no_line() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"bar 10%\r") == [b"bar 10%"]
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"\nnext\r") == [b"", b"next"]


def test_a_line_without_an_end_is_handed_on_in_pieces() -> None:
    splitter = LineSplitter(limit=10)
    assert splitter.feed(b"x" * 25) == [b"x" * 10, b"x" * 10]
    assert splitter.feed(b"y\nz\rbar") == [b"xxxxxy", b"z"]
    assert splitter.flush() == [b"bar"]
