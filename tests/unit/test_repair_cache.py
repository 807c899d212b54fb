"""The clean-up of the model cache, run for real on a cache made here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.domain.parse import repair as parse
from gptoss_tui.domain.repair.build import make
from gptoss_tui.domain.repair.types import Repair, RunningContainer, Survey
from gptoss_tui.remote import scripts
from tests.app.make import report

OLD = time.time() - 3600
Run = Callable[[Repair], "subprocess.CompletedProcess[str]"]


class Cache:
    """A hub's cache, below a folder whose name needs quoting."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "it's a $HOME" / "hub"
        self.path.mkdir(parents=True)

    def model(self, name: str) -> Path:
        folder = self.path / f"models--{name.replace('/', '--')}"
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        (folder / "snapshots" / "0123").mkdir(parents=True, exist_ok=True)
        return folder

    def blob(self, model: str, name: str, *, linked: str = "", new: bool = False) -> Path:
        folder = self.model(model)
        file = folder / "blobs" / name
        file.write_bytes(b"x" * 8192)
        if not new:
            os.utime(file, (OLD, OLD))
        if linked:
            (folder / "snapshots" / "0123" / linked).symlink_to(f"../../blobs/{name}")
        return file

    def stored(self, model: str, name: str, store: str) -> Path:
        """As huggingface_hub 2 keeps a file: a link to the store that models share."""
        file = self.path / "blobs" / store[:2] / store
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 65536)
        (self.model(model) / "blobs" / name).symlink_to(f"../../blobs/{store[:2]}/{store}")
        return file

    def seen(self) -> Survey:
        """As the box tells it; no container runs."""
        done = subprocess.run(
            scripts.command("repair_survey", str(self.path)),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return msgspec.structs.replace(parse.cache(done.stdout), running=())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a repair's script as the box would; `docker` here knows of no container."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for engine in ("docker", "podman"):
        (programs / engine).write_text("#!/bin/sh\nexit 0\n")
        (programs / engine).chmod(0o755)

    def runs(made: Repair) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", made.script],
            env={"PATH": f"{programs}:{os.environ['PATH']}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return runs


def cleaning(seen: Survey, *drop: str) -> Repair:
    return make("hf-cache", report(), seen, drop_models=drop)


def test_only_what_nothing_refers_to_goes_and_a_second_run_finds_it_gone(
    cache: Cache, run: Run
) -> None:
    kept = cache.blob("openai/gpt-oss-20b", "aa11", linked="model.safetensors")
    half = cache.blob("openai/gpt-oss-20b", "bb22.3f.incomplete")
    orphan = cache.blob("openai/gpt-oss-120b", "cc33")
    coming = cache.blob("openai/gpt-oss-120b", "dd44.incomplete", new=True)
    made = cleaning(cache.seen())
    assert {line.split("/")[-1] for line in made.preview if "blobs" in line} == {
        "bb22.3f.incomplete (incomplete)", "cc33 (unreferenced)",
    }  # fmt: skip
    first = run(made)
    assert first.returncode == 0, first.stderr
    assert (kept.exists(), half.exists(), orphan.exists(), coming.exists()) == (
        True, False, False, True,
    )  # fmt: skip
    again = run(made)
    assert again.returncode == 0
    assert again.stdout.count("gone already") == 2
    assert cache.seen().files == ()


def test_what_is_opened_referred_to_or_written_since_it_was_shown_stays(
    cache: Cache, run: Run
) -> None:
    opened = cache.blob("a/b", "aa11.incomplete")
    linked = cache.blob("a/b", "bb22")
    written = cache.blob("a/b", "cc33.incomplete")
    goes = cache.blob("a/b", "dd44.incomplete")
    made = cleaning(cache.seen())
    (linked.parent.parent / "snapshots" / "0123" / "late").symlink_to("../../blobs/bb22")
    os.utime(written)
    with opened.open("rb"):
        done = run(made)
    assert done.returncode == 0, done.stderr
    assert "in use, left alone: models--a--b/blobs/aa11.incomplete" in done.stdout
    assert "referred to again, left alone: models--a--b/blobs/bb22" in done.stdout
    assert "just changed, left alone: models--a--b/blobs/cc33.incomplete" in done.stdout
    assert not goes.exists()
    assert all(file.exists() for file in (opened, linked, written))


def test_another_model_goes_when_it_was_asked_for_and_nobody_has_it_open(
    cache: Cache, run: Run
) -> None:
    weights = cache.blob("openai/gpt-oss-120b", "aa11", linked="model.safetensors")
    other = cache.blob("openai/gpt-oss-20b", "bb22", linked="model.safetensors")
    made = cleaning(cache.seen(), "openai/gpt-oss-120b")
    with weights.open("rb"):
        assert "in use, left alone: models--openai--gpt-oss-120b" in run(made).stdout
    assert weights.exists()
    assert "deleted: models--openai--gpt-oss-120b" in run(made).stdout
    assert not weights.parent.parent.exists()
    assert other.exists()


def test_a_model_takes_with_it_what_it_alone_has_of_the_store(cache: Cache, run: Run) -> None:
    alone = cache.stored("openai/gpt-oss-120b", "aa11", "3f00")
    both = cache.stored("openai/gpt-oss-120b", "bb22", "4a00")
    cache.stored("openai/gpt-oss-20b", "bb22", "4a00")
    seen = cache.seen()
    assert {model.model: model.bytes // 1024 for model in seen.models} == {
        "openai/gpt-oss-120b": pytest.approx(128, abs=16),
        "openai/gpt-oss-20b": pytest.approx(64, abs=16),
    }
    made = cleaning(seen, "openai/gpt-oss-120b")
    with alone.open("rb"):
        assert "in use, left alone: models--openai--gpt-oss-120b" in run(made).stdout
    assert alone.exists()
    done = run(made)
    assert done.returncode == 0, done.stderr
    assert "deleted: models--openai--gpt-oss-120b" in done.stdout
    assert not alone.exists()
    assert both.exists()


def test_a_container_that_began_since_keeps_everything(
    cache: Cache, run: Run, tmp_path: Path
) -> None:
    half = cache.blob("a/c", "ee55.incomplete")  # another test has aa11 open
    docker = tmp_path / "bin" / "docker"
    docker.write_text(
        '#!/bin/sh\ncase $1 in ps) echo cafe ;; inspect) echo "$CACHE" ;; esac\n'.replace(
            '"$CACHE"', f'"{str(cache.path.parent).replace("$", chr(92) + "$")}"'
        )
    )
    done = run(cleaning(cache.seen()))
    assert done.returncode == 1
    assert "cafe began since this was shown" in done.stderr
    assert half.exists()
    # One that was thought of when it was shown does not stop it.
    known = RunningContainer(
        id="cafe", name="ours", managed=True, model="x/y", mounts=(str(cache.path),)
    )
    seen = msgspec.structs.replace(cache.seen(), running=(known,))
    assert run(cleaning(seen)).returncode == 0
    assert not half.exists()


def test_no_cache_is_nothing_to_clean(tmp_path: Path, run: Run) -> None:
    seen = Cache(tmp_path).seen()
    assert cleaning(seen).preview == ("Nothing would be deleted.",)
    assert run(cleaning(seen)).returncode == 0
    assert run(cleaning(Survey(running=()))).returncode == 0
