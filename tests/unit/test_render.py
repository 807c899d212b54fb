"""One spec, two renderings: the Engine API body and the `docker run` line say the same."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptoss_tui.domain.launch import LABEL_SPEC, LaunchSpec, Secrets
from gptoss_tui.domain.render import (
    base_url,
    command_line,
    command_page,
    docker_run,
    engine_api_body,
    labels,
    openai_env,
    spec_from_label,
    ssh_forward_line,
)
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import StateError
from tests.architecture.strategies import values_of
from tests.unit.make import spec

_HOSTILE = st.text(st.sampled_from("ab/-.:$`'\"\\;&|<>(){}*?!# \n\t~=é"), min_size=1, max_size=16)
SPECS = st.builds(
    spec,
    name=_HOSTILE,
    model=_HOSTILE,
    image=_HOSTILE,
    served_name=_HOSTILE,
    gpu_ids=st.lists(st.sampled_from(["0", "1", "GPU-aa", "GPU-bb"]), unique=True, min_size=1).map(
        tuple
    ),
    port=st.integers(1, 65535),
    bind=st.sampled_from(["127.0.0.1", "::1", "0.0.0.0", "10.1.2.3"]),
    arguments=st.lists(_HOSTILE, max_size=4).map(tuple),
    environment=st.lists(st.tuples(st.sampled_from(["A", "B_C"]), _HOSTILE), max_size=2).map(tuple),
    cache_dir=st.none() | _HOSTILE.map("/".__add__),
    shm_bytes=st.integers(2**20, 2**40),
    stop_timeout_s=st.integers(1, 999),
    needs_api_key=st.booleans(),
    has_token=st.booleans(),
    security_opt=st.lists(_HOSTILE, max_size=2).map(tuple),
    host_user=st.booleans(),
)


@given(values_of(LaunchSpec).map(lambda any_spec: msgspec.structs.replace(any_spec, version=1)))
def test_a_spec_comes_back_from_its_label(any_spec: LaunchSpec) -> None:
    assert spec_from_label(labels(any_spec)[LABEL_SPEC]) == any_spec


@pytest.mark.parametrize("label", ["", "{", "[1]", "7", '{"version": "1"}', "{}", '{"version": 2}'])
def test_a_label_that_is_no_spec_is_refused_in_words(label: str) -> None:
    with pytest.raises(StateError):
        spec_from_label(label)


def test_a_newer_spec_asks_for_an_update() -> None:
    newer = json.loads(labels(spec())[LABEL_SPEC]) | {"version": 2, "new": True}
    with pytest.raises(StateError, match="newer"):
        spec_from_label(json.dumps(newer))


def test_a_spec_with_an_unknown_field_is_still_read() -> None:
    document = json.loads(labels(spec())[LABEL_SPEC]) | {"hint": 1}
    assert spec_from_label(json.dumps(document)) == spec()


def _read_run(words: tuple[str, ...]) -> dict[str, Any]:
    """The container that a `docker run` argument list makes, in the words of the Engine API."""
    assert words[:3] == ("docker", "run", "-d")
    flags: dict[str, list[str]] = {}
    rest = list(words[3:])
    while rest and rest[0].startswith("-"):
        flags.setdefault(rest.pop(0), []).append(rest.pop(0))
    address, outer, inner = flags["-p"][0].rsplit(":", 2)
    entrypoint = flags.get("--entrypoint", [])
    devices = flags["--gpus"][0]
    assert devices.startswith('"device=')
    assert devices.endswith('"')
    return {
        "Name": flags["--name"][0],
        "Image": rest[0],
        "Words": [*entrypoint, *rest[1:]],
        "Env": flags.get("-e", []),
        "Labels": dict(label.split("=", 1) for label in flags.get("--label", [])),
        "StopTimeout": int(flags["--stop-timeout"][0]),
        "ShmSize": int(flags["--shm-size"][0]),
        "Binds": flags.get("-v", []),
        "Port": (address.strip("[]"), outer, f"{inner}/tcp"),
        "DeviceIDs": devices[len('"device=') : -1].split(","),
        "SecurityOpt": flags.get("--security-opt", []),
        "Userns": flags.get("--userns", [""])[0],
    }


def _read_body(made: LaunchSpec) -> dict[str, Any]:
    body = engine_api_body(made)
    [(inner, [binding])] = body["HostConfig"]["PortBindings"].items()
    [devices] = body["HostConfig"]["DeviceRequests"]
    assert devices["Capabilities"] == [["gpu"]]
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert set(body["ExposedPorts"]) == {inner}
    return {
        "Name": made.name,
        "Image": body["Image"],
        "Words": [*body.get("Entrypoint", []), *body["Cmd"]],
        "Env": body["Env"],
        "Labels": body["Labels"],
        "StopTimeout": body["StopTimeout"],
        "ShmSize": body["HostConfig"]["ShmSize"],
        "Binds": body["HostConfig"]["Binds"],
        "Port": (binding["HostIp"], binding["HostPort"], inner),
        "DeviceIDs": devices["DeviceIDs"],
        "SecurityOpt": body["HostConfig"].get("SecurityOpt", []),
        "Userns": body["HostConfig"].get("UsernsMode", ""),
    }


@settings(max_examples=150)
@given(SPECS.filter(lambda made: not made.image.startswith("-")))
def test_both_renderings_make_the_same_container(made: LaunchSpec) -> None:
    assert _read_run(docker_run(made, with_labels=True)) == _read_body(made)
    assert _read_run(docker_run(made))["Labels"] == {}


def _as_a_shell_reads(text: str) -> tuple[str, ...]:
    script = "docker() { printf '%s\\0' docker \"$@\"; }\n" + text
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=20)
    assert done.stderr == b""
    return tuple(done.stdout.decode().split("\0")[:-1])


@given(SPECS)
def test_the_line_splits_back(made: LaunchSpec) -> None:
    words = docker_run(made, with_labels=True)
    assert tuple(shlex.split(command_line(words))) == words


@settings(max_examples=40, deadline=None)
@given(SPECS)
def test_nothing_hostile_becomes_shell(made: LaunchSpec) -> None:
    words = docker_run(made, with_labels=True)
    assert _as_a_shell_reads(command_line(words)) == words
    assert _as_a_shell_reads(command_page(words)) == words


def test_a_page_has_a_line_for_each_option() -> None:
    lines = command_page(docker_run(spec())).splitlines()
    assert len(lines) > 5
    assert all(line.startswith("  ") for line in lines[1:])
    assert [line.endswith(" \\") for line in lines] == [True] * (len(lines) - 1) + [False]
    assert "  -p 127.0.0.1:8000:8000 \\" in lines


@given(SPECS)
def test_no_secret_can_be_in_either(made: LaunchSpec) -> None:
    told = json.dumps(engine_api_body(made)) + command_line(docker_run(made, with_labels=True))
    assert "HF_TOKEN=" not in told
    assert ("HF_TOKEN_PATH=" in told) is made.has_token
    assert "VLLM_API_KEY=hf" not in told
    assert not {"hf_token", "api_key", "token", "key"} & set(made.__struct_fields__)


def test_the_key_is_read_from_a_file_inside() -> None:
    body = engine_api_body(spec(needs_api_key=True))
    assert body["Entrypoint"][:2] == ["/bin/sh", "-c"]
    assert 'VLLM_API_KEY="$(cat ' in body["Entrypoint"][2]
    assert not [entry for entry in body["Env"] if "KEY" in entry]
    assert "Entrypoint" not in engine_api_body(spec())


def test_secrets_do_not_print_and_do_not_travel() -> None:
    import pickle

    secrets = Secrets(hf_token=Secret("hf_verysecret"), api_key=Secret("sk-verysecret"))
    assert "verysecret" not in f"{secrets} {secrets!r} {[secrets]}"
    with pytest.raises(TypeError):
        pickle.dumps(secrets)
    with pytest.raises(TypeError):
        msgspec.json.encode(secrets)


def test_the_default_is_published_on_loopback_alone() -> None:
    [binding] = engine_api_body(spec())["HostConfig"]["PortBindings"]["8000/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    assert "127.0.0.1:8000:8000" in docker_run(spec())
    assert "[::1]:8000:8000" in docker_run(spec(bind="::1"))


def test_only_the_hub_is_mounted() -> None:
    assert engine_api_body(spec())["HostConfig"]["Binds"] == [
        "/home/ann/.cache/huggingface/hub:/root/.cache/huggingface/hub"
    ]
    assert engine_api_body(spec(cache_dir=None))["HostConfig"]["Binds"] == []


def test_gpu_labels_find_who_has_a_gpu() -> None:
    made = labels(spec(gpu_ids=("GPU-a", "GPU-b")))
    assert made["io.gptoss-tui.gpu-GPU-a"] == made["io.gptoss-tui.gpu-GPU-b"] == spec().launch_id


def test_what_a_client_needs() -> None:
    assert ssh_forward_line("ann@box", 8003) == "ssh -N -L 8003:127.0.0.1:8003 ann@box"
    assert base_url(8003) == base_url(spec(port=8003)) == "http://127.0.0.1:8003/v1"
    block = openai_env("http://127.0.0.1:8003/v1", "openai/gpt-oss-20b", needs_api_key=True)
    read = subprocess.run(
        ["sh", "-c", f"{block}\necho $OPENAI_BASE_URL $OPENAI_MODEL"],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert read.stdout.split() == ["http://127.0.0.1:8003/v1", "openai/gpt-oss-20b"]
    assert "put-your-key-here" in block
