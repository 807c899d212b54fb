"""The other engines, and boxes without a network, from the command line."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Background, Cli


def saved(file: Path, *tags: str) -> Path:
    """An archive as `docker save` writes it, as far as its names go."""
    manifest = json.dumps([{"Config": "c.json", "RepoTags": list(tags), "Layers": []}]).encode()
    with tarfile.open(file, "w") as tar:
        for name, content in (("ballast", b"x" * 3_000_000), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file


@pytest.mark.parametrize("engine", ["sglang", "ollama"])
def test_launch_and_chat(cli: Cli, warm: Background, engine: str) -> None:
    where = ("sim-1", "-F", warm.config, "--json")
    head, *facts = cli("launch", *where, "--engine", engine, "--yes", "--wait").documents
    assert head["spec"]["engine"] == engine
    assert facts[-1]["body"]["state"] == "ready"
    *deltas, done = cli("chat", *where, "-p", "Hello!").documents
    assert {delta["body"]["channel"] for delta in deltas} == {"reasoning", "answer"}
    assert done["body"]["finish_reason"] == "stop"


def test_ollama_has_no_key(cli: Cli, warm: Background, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-x")
    where = ("sim-1", "-F", warm.config)
    refused = cli("launch", *where, "--engine", "ollama", "--api-key-file", str(key), "--dry-run")
    assert refused.code != 0
    assert "takes no API key" in refused.err
    public = cli("launch", *where, "--engine", "ollama", "--bind", "0.0.0.0", "--dry-run")
    assert "anybody could use the GPU" in public.err


def test_an_image_through_the_connection(cli: Cli, warm: Background, tmp_path: Path) -> None:
    where = ("sim-1", "-F", warm.config)
    file = saved(tmp_path / "image.tar", "lmsysorg/sglang:v0.5.23")
    told = cli("load-image", *where, str(file), "--yes")
    assert told.code == 0, told.err
    assert "Docker on sim-1 has lmsysorg/sglang:v0.5.23." in told.out
    *_, last = cli("launch", *where, "--engine", "sglang", "--yes", "--wait", "--json").documents
    phases = {phase["name"]: phase for phase in last["body"]["phases"]}
    assert phases["pull"]["detail"] == "the image is there"


def test_what_is_no_image_is_refused(cli: Cli, warm: Background, tmp_path: Path) -> None:
    where = ("sim-1", "-F", warm.config)
    (tmp_path / "odd").write_text("odd")
    for words, said in (
        ((str(tmp_path / "odd"), "--yes"), "invalid archive"),
        ((str(tmp_path / "absent"), "--yes"), "cannot be read"),
        ((str(tmp_path / "odd"),), "Nobody is there"),
        ((), "Which image?"),
    ):
        refused = cli("load-image", *where, *words)
        assert refused.code != 0
        assert said in refused.err


def test_weights_from_a_folder_of_the_box(cli: Cli, warm: Background) -> None:
    where = ("sim-1", "-F", warm.config, "--json")
    folders = ("--weights-dir", "/data/gpt-oss/", "--vocab-dir", "/data/words")
    (document,) = cli("launch", *where, *folders, "--dry-run").documents
    command = document["command"]
    assert "/data/gpt-oss:/models/gpt-oss:ro" in command
    assert "/data/words:/etc/encodings:ro" in command
    assert "HF_HUB_OFFLINE=1" in command
    served = command[command.index("vllm/vllm-openai:v0.32.0") + 1]
    assert served == "/models/gpt-oss"
    refused = cli("launch", "sim-1", "-F", warm.config, "--weights-dir", "data", "--dry-run")
    assert "cannot be mounted" in refused.err


def test_the_way_to_the_gpus_can_be_chosen(cli: Cli, warm: Background) -> None:
    where = ("sim-1", "-F", warm.config)
    (document,) = cli("launch", *where, "--gpu-access", "runtime", "--dry-run", "--json").documents
    assert document["spec"]["gpu_access"] == "runtime"
    assert "--runtime" in document["command"]
    refused = cli("launch", *where, "--gpu-access", "cdi", "--dry-run")
    assert "no CDI device" in refused.err
