"""Docker's words, streamed answers and ssh configs of the real world."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.parse.chat import ChatPiece, read_chunk
from gptoss_tui.domain.parse.docker_json import instances_from_containers
from gptoss_tui.domain.parse.docker_pull import PullProgress
from gptoss_tui.domain.parse.sse import SseParser
from gptoss_tui.remote.ssh_hosts import host_names
from gptoss_tui.remote.target import parse_target
from gptoss_tui.text import clean
from tests.corpus.support import each, text

# --- Docker -------------------------------------------------------------------------------------

CAUSES = {
    "err-gpu-driver": "Container Toolkit",
    "err-manifest": "does not exist",
    "err-name": "name is taken",
    "err-permission": "may not use Docker",
    "err-port": "port is taken",
    "err-register": "unpack",
    "err-toomanyrequests": "rate limit",
}


@each("e_docker/err-*.txt")
def test_an_error_of_docker_is_known(file: Path) -> None:
    sentence, step = failure_of("start", text(file))
    word = next(word for start, word in CAUSES.items() if file.name.startswith(start))
    assert word in sentence
    assert step
    assert "\n" not in sentence


@each("e_docker/api-*-list.json")
def test_containers_that_are_no_servers_are_left_out(file: Path) -> None:
    listed = json.loads(text(file))
    assert listed
    assert instances_from_containers(listed) == ()
    as_vllm = [container | {"Image": "vllm/vllm-openai:v0.32.0"} for container in listed]
    found = instances_from_containers(as_vllm)
    assert [one.name for one in found] == [c["Names"][0].lstrip("/") for c in listed]
    assert not any(one.managed for one in found)


@each("e_docker/*.json")
def test_other_documents_of_docker_are_neither_pulls_nor_servers(file: Path) -> None:
    pull = PullProgress()
    for document in _documents(file):
        pull.feed(document)
    assert (pull.done_bytes, pull.total_bytes, pull.error) == (0, None, "")


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        whole = json.loads(text(file))
    except ValueError:
        lines = [line for line in text(file).splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]
    return whole if isinstance(whole, list) else [whole]


# --- streams ------------------------------------------------------------------------------------

# Files whose blank lines were lost when somebody copied them: no streams, but their lines are real.
LINES_ONLY = ("ollama-v1-", "vllm-gptoss-index-bump", "vllm-toolcall-2025-04", "edge-invalid")


def _events(data: bytes, size: int) -> list[str]:
    parser = SseParser()
    out = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
    return [*out, *parser.flush()]


@each("f_sse/*.sse", *LINES_ONLY)
def test_a_stream_comes_out_whole_however_it_is_cut(file: Path) -> None:
    data = file.read_bytes()
    whole = _events(data, len(data))
    assert whole
    for size in (1, 7, 4096):
        assert _events(data, size) == whole
    for event in whole:
        if event != "[DONE]":
            json.loads(event)
    if "multi-line" not in file.name:
        assert len(whole) == len(re.findall(r"(?m)^data:", text(file)))


def _chunks(file: Path) -> list[dict[str, Any]]:
    """The JSON documents of a file, whatever it wraps them in."""
    body = text(file)
    if file.suffix == ".json":
        whole = json.loads(body)
        stream = whole.get("input_stream")
        return [e["data"] for e in stream if isinstance(e.get("data"), dict)] if stream else [whole]
    found = []
    for line in body.splitlines():
        document = line.removeprefix("data:").strip()
        if document.startswith("{"):
            try:
                found.append(json.loads(document))
            except ValueError:
                assert "edge-" in file.name
    return found


def _second_reading(chunk: dict[str, Any]) -> tuple[str, str]:
    choices = chunk.get("choices") or [chunk]
    delta = choices[0].get("delta") or choices[0].get("message") or {}
    names = ("reasoning", "reasoning_content", "thinking")
    reasoning = next((delta[name] for name in names if delta.get(name)), "")
    return reasoning, delta.get("content") or ""


@each("f_sse/*", "err-", "lmstudio", "openai-responses")
def test_reasoning_and_answer_stay_apart(file: Path) -> None:
    chunks = _chunks(file)
    assert chunks
    pieces = [read_chunk(json.dumps(chunk)) for chunk in chunks]
    for chunk, piece in zip(chunks, pieces, strict=True):
        if piece.error:
            assert "error" in chunk
            continue
        assert (piece.reasoning, piece.content) == _second_reading(chunk)
        usage = chunk.get("usage") or {}
        assert piece.completion_tokens == usage.get("completion_tokens")
    told = "".join(piece.reasoning + piece.content for piece in pieces)
    if "tool" not in file.name and "completions-stream" not in file.name:
        assert told or "error" in file.name


ENDS = {"stop", "length", "tool_calls"}


@each("f_sse/*", "err-", "lmstudio", "openai-responses", "edge-", "ollama-error", "vllm-gptoss")
def test_an_answer_says_why_it_ended(file: Path) -> None:
    reasons = [piece.finish_reason for piece in _pieces(file) if piece.finish_reason]
    assert reasons
    assert set(reasons) <= ENDS


def _pieces(file: Path) -> list[ChatPiece]:
    return [read_chunk(json.dumps(chunk)) for chunk in _chunks(file)]


@each("f_sse/err-*.json")
def test_an_error_body_has_its_sentence(file: Path) -> None:
    error = read_chunk(text(file)).error
    assert error == json.loads(text(file))["error"]["message"]
    assert clean(error)


@each("f_sse/ollama-error-*.txt")
def test_an_error_in_the_middle_of_a_stream_is_seen(file: Path) -> None:
    assert [piece.error for piece in _pieces(file) if piece.error]


@each("f_sse/*responses*")
def test_another_protocol_is_silence_and_no_crash(file: Path) -> None:
    for piece in _pieces(file):
        assert (piece.reasoning, piece.content) == ("", "")


# --- ssh configs --------------------------------------------------------------------------------


@each("g_ssh/*", "vast-ssh-url")
def test_the_hosts_of_a_config(file: Path) -> None:
    literal = [
        word.strip('"')
        for words in re.findall(r"(?mi)^\s*host(?:\s*=\s*|[ \t]+)(.+?)\s*(?:#.*)?$", text(file))
        for word in words.split()
        if not set(word) & set("*?!")
    ]
    found = host_names(file)
    if "include" not in text(file).lower():
        assert list(found) == list(dict.fromkeys(literal))
    assert all(name in found for name in literal)


@each("g_ssh/vast-ssh-url.txt")
def test_a_url_of_a_provider_is_a_target(file: Path) -> None:
    target = parse_target(text(file))
    assert f"{target.user}@{target.host}:{target.port}" in text(file)
