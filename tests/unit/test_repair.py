"""Repairs as values: which are offered, what they say of whom they hit, scripts that quote safely."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import msgspec
import pytest

from gptoss_tui.domain.host import BoxReport, Finding
from gptoss_tui.domain.parse import repair as parse
from gptoss_tui.domain.repair.build import make, offers
from gptoss_tui.domain.repair.result import result_of
from gptoss_tui.domain.repair.types import (
    NAMES,
    CacheFile,
    CacheModel,
    RunningContainer,
    StoppedContainer,
    Survey,
)
from gptoss_tui.errors import NotFoundError, UsageError
from tests.app.make import report, spec

CACHE = "/root/it's $HOME/hub"
BLOBS = f"{CACHE}/models--openai--gpt-oss-20b/blobs"
HALF = CacheFile(kind="incomplete", path=f"{BLOBS}/ab.incomplete", bytes=3 * 1024**3)
ORPHAN = CacheFile(kind="unreferenced", path=f"{CACHE}/models--a--b/blobs/cd", bytes=1024**2)
BIG = CacheModel(
    model="openai/gpt-oss-20b", path=f"{CACHE}/models--openai--gpt-oss-20b", bytes=13 * 1024**3
)
NEEDED = Finding(code="x", level="blocker", what="It lacks it.", repair="toolkit")


def survey(**changes: Any) -> Survey:
    values: dict[str, Any] = {
        "running": (), "cache_dir": CACHE, "files": (HALF, ORPHAN), "models": (BIG,),
    }  # fmt: skip
    return Survey(**values | changes)


def running(name: str = "web", **changes: Any) -> RunningContainer:
    return RunningContainer(**{"id": "ab" * 32, "name": name} | changes)


def with_engine(**changes: bool) -> BoxReport:
    found = report(user="bob")
    assert found.docker is not None
    return msgspec.structs.replace(found, docker=msgspec.structs.replace(found.docker, **changes))


# --- what is offered ----------------------------------------------------------------------------


def test_what_findings_ask_for_comes_first_then_what_only_makes_room() -> None:
    stopped = (StoppedContainer(id="cd" * 32, name="old"),)
    found = offers(report(findings=(NEEDED,)), survey(stopped=stopped))
    assert [(one.name, one.needed) for one in found] == [
        ("toolkit", True), ("stale-containers", False), ("hf-cache", False),
    ]  # fmt: skip
    assert found[0].why == "It lacks it."
    assert "old" in found[1].why
    assert "3.0 GiB" in found[2].why
    assert offers(report(), Survey(running=())) == ()


def test_the_look_afterwards_decides() -> None:
    made = make("toolkit", report(), survey())
    gone = result_of(made, 0, report())
    assert (gone.fixed, gone.remaining) == (True, ())
    still = result_of(made, 0, report(findings=(NEEDED,)))
    assert (still.fixed, still.remaining) == (False, (NEEDED,))
    assert "It lacks it." in still.text
    assert not result_of(made, 1, report()).fixed
    assert "ended" in result_of(made, None, report()).text


# --- whom it hits -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toolkit", "runtime"])
def test_a_restart_of_docker_names_what_it_stops(name: str) -> None:
    def warning(seen: Survey) -> str:
        return " ".join(make(name, report(), seen).warnings)

    two = (running("web"), running("training"))
    assert "stops every running container: web, training" in warning(survey(running=two))
    assert "run on (live-restore): web" in warning(
        survey(running=(running(),), keeps_containers=True)
    )
    assert "No container runs" in warning(survey())
    assert "could not be asked" in warning(survey(running=None))


def test_the_docker_group_is_said_to_be_root() -> None:
    made = make("docker-group", report(user="bob"), survey())
    assert made.reconnects
    assert "root by another name" in made.warnings[0]
    for user in (None, "", "-x", "a\nb", "a;b"):
        with pytest.raises(NotFoundError):
            make("docker-group", report(user=user), survey())


def test_only_stopped_containers_of_ours_are_removed() -> None:
    labels = {"io.gptoss-tui.spec": "{}"}
    listed = [
        {"Id": "aa" * 32, "Names": ["/ours"], "State": "exited", "Labels": labels},
        {"Id": "bb" * 32, "Names": ["/theirs"], "State": "exited", "Labels": {}},
        {"Id": "cc" * 32, "Names": ["/runs"], "State": "running", "Labels": labels},
        # What an upgrade of "ours" goes back to, if the new one does not become ready.
        {
            "Id": "dd" * 32,
            "Names": ["/ours-before-20261126-085959-0a1b2c"],
            "State": "exited",
            "Labels": labels,
        },
    ]
    seen = parse.with_containers(survey(), [], listed, {})
    assert [each.name for each in seen.stopped] == ["ours"]
    made = make("stale-containers", report(), seen)
    assert "aa" * 32 in made.script
    assert "bb" * 32 not in made.script
    assert not made.root  # the socket is open to this user


# --- the cache ----------------------------------------------------------------------------------


def test_what_would_go_is_shown_with_sizes_and_nothing_else_is_in_the_script() -> None:
    made = make("hf-cache", report(), survey())
    assert [line.split()[0] for line in made.preview[:3]] == ["3.0", "1.0", "3.0"]
    assert "could go too, by --drop-model openai/gpt-oss-20b: 13.0 GiB" in made.preview
    calls = [
        line for line in made.script.splitlines() if line.startswith("drop_") and "()" not in line
    ]
    assert len(calls) == 2
    dropped = make("hf-cache", report(), survey(), drop_models=("openai/gpt-oss-20b",))
    assert "All of openai/gpt-oss-20b is deleted." in dropped.warnings
    assert f"{BLOBS}/" not in dropped.script  # it goes with its folder
    with pytest.raises(NotFoundError, match="no x/y"):
        make("hf-cache", report(), survey(), drop_models=("x/y",))


def test_a_running_server_keeps_its_model_and_a_stranger_keeps_everything() -> None:
    ours = running(managed=True, model="openai/gpt-oss-20b", mounts=(CACHE,))
    kept = make("hf-cache", report(), survey(running=(ours,)), drop_models=("openai/gpt-oss-20b",))
    assert ORPHAN.path.rpartition("/")[2] in kept.script
    assert "ab.incomplete" not in kept.script
    assert "drop_model " not in kept.script
    assert any("web serves it" in line for line in kept.preview)
    for folder in (CACHE, CACHE.rpartition("/")[0], f"{CACHE}/models--a--b", "/"):
        stranger = running(mounts=(folder,))
        made = make("hf-cache", report(), survey(running=(stranger,)))
        assert "\ndrop_file '" not in made.script
        assert any("web has the cache mounted" in line for line in made.preview)
    elsewhere = running(mounts=(f"{CACHE}-other", "/srv"))
    assert "ab.incomplete" in make("hf-cache", report(), survey(running=(elsewhere,))).script


def test_paths_outside_of_the_cache_are_never_deleted() -> None:
    paths = ["/etc/passwd", f"{CACHE}/../x", f"{CACHE}/models--a/../../x", f"{CACHE}/version.txt",
             f"{CACHE}/models--a/blobs/x\nrm -rf /"]  # fmt: skip
    odd = tuple(CacheFile(kind="incomplete", path=path, bytes=1) for path in paths)
    made = make("hf-cache", report(), survey(files=odd, models=()))
    assert "\ndrop_file '" not in made.script


def test_the_survey_script_is_read() -> None:
    text = f"cache {CACHE}\nmodel 2048 {CACHE}/models--a--b--c\nincomplete 4 {BLOBS}/x y\nodd\n"
    seen = parse.cache(text)
    assert seen.cache_dir == CACHE
    assert [(each.model, each.bytes) for each in seen.models] == [("a/b--c", 2048 * 1024)]
    assert [each.path for each in seen.files] == [f"{BLOBS}/x y"]
    assert parse.cache("") == Survey()


def test_what_runs_is_read_with_its_mounts_and_model() -> None:
    label = msgspec.json.encode(spec()).decode()
    listed: list[dict[str, Any]] = [
        {"Id": "a", "Names": ["/w"], "Labels": {"io.gptoss-tui.spec": label},
         "Mounts": [{"Source": "/c"}, {"Source": "x"}]},
        {"Id": "b", "Names": [], "Labels": None},
        {"Id": "c", "Names": ["/z"], "Labels": {"io.gptoss-tui.spec": "?"}},
    ]  # fmt: skip
    seen = parse.with_containers(Survey(), listed, [], {"LiveRestoreEnabled": True})
    assert seen.keeps_containers
    assert seen.running is not None
    assert [(each.managed, each.model) for each in seen.running] == [
        (True, spec().model), (False, None), (True, None),
    ]  # fmt: skip
    assert seen.running[0].mounts == ("/c",)


# --- the scripts --------------------------------------------------------------------------------


def test_a_package_repository_has_to_look_like_one() -> None:
    for address in (
        "",
        "nvidia.github.io",
        "https://a b",
        "https://a#b",
        "https://a'b",
        "https://a&b",
    ):
        with pytest.raises(UsageError):
            make("toolkit", report(), survey(), repository=address)
    made = make("toolkit", report(), survey(), repository="file:///srv/mirror/")
    assert made.script.startswith("repository=file:///srv/mirror\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", [{}, {"rootless": True}, {"podman": True}], ids=str)
def test_scripts_are_posix_sh_that_stops_at_the_first_fault(
    name: str, engine: dict[str, bool]
) -> None:
    drop = ("openai/gpt-oss-20b",) if name == "hf-cache" else ()
    made = make(name, with_engine(**engine), survey(), drop_models=drop)
    assert "\nset -eu\n" in f"\n{made.script}"
    assert subprocess.run(["sh", "-n"], input=made.script.encode(), check=False).returncode == 0
    if shutil.which("shellcheck"):
        checked = subprocess.run(
            ["shellcheck", "--shell=sh", "--severity=warning", "-"],
            input=made.script, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout


def test_each_engine_is_told_of_the_runtime_in_its_own_way() -> None:
    def script(**changes: bool) -> str:
        return make("runtime", with_engine(**changes), survey()).script

    assert "service_of_docker restart" in script()
    assert "as_user systemctl --user restart docker" in script(rootless=True)
    assert "service_of_docker restart" not in script(rootless=True)
    assert "nvidia-ctk cdi generate" in script(podman=True)
    assert make("toolkit", with_engine(podman=True), survey()).warnings == ()


def test_there_is_no_other_repair() -> None:
    with pytest.raises(NotFoundError, match="no repair"):
        make("format-disk", report(), survey())
