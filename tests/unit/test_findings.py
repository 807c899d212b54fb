"""What a look at a box means for a launch, and Docker's errors in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.doctor.rows_docker import DOCKER_ROWS
from gptoss_tui.domain.gpu import GIB, MIB, GpuProcess
from gptoss_tui.domain.host import Disk, DockerInfo, Finding
from gptoss_tui.domain.parse.probe import Probe
from gptoss_tui.domain.parse.probe_engine import DockerSigns, Toolkit
from gptoss_tui.domain.preflight import findings, gpu_is_free
from tests.unit.make import gpu, report

DOCKER = DockerInfo(version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia", "runc"))


def _found(
    docker: DockerInfo | None = DOCKER,
    problem: tuple[str, str] | None = None,
    probe: dict[str, Any] | None = None,
    **box: Any,
) -> dict[str, Finding]:
    made = report(**{"driver_version": "590.48.01"} | box)
    found = findings(Probe(report=made, **probe or {}), docker, problem)
    assert len({finding.code for finding in found}) == len(found)
    return {finding.code: finding for finding in found}


def _changed(**changes: Any) -> DockerInfo:
    return msgspec.structs.replace(DOCKER, **changes)


def test_a_box_that_is_ready_has_nothing_but_good_news() -> None:
    assert {finding.level for finding in _found().values()} == {"ok"}


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ("curl setsid tar", ""),
        ("python3 setsid tar", ""),
        ("", ""),
        ("setsid tar docker", "curl (or python3)"),
        ("curl tar", "setsid"),
        ("sudo", "setsid, tar, curl (or python3)"),
    ],
)
def test_programs_that_a_launch_needs(there: str, missing: str) -> None:
    found = _found(probe={"tools": frozenset(there.split())})
    if not missing:
        assert "tools" not in found
        return
    assert found["tools"].level == "blocker"
    assert found["tools"].what.endswith(f": {missing}.")


def test_blockers_come_first() -> None:
    levels = [
        finding.level
        for finding in findings(
            Probe(report=report(gpus=(), disks=(Disk(role="docker", path="/", free_bytes=1),))),
            DOCKER, None,
        )
    ]  # fmt: skip
    assert levels == sorted(levels, key=["blocker", "warning", "ok"].index)
    assert levels[0] == "blocker"


FOUND: list[tuple[str, str, dict[str, Any]]] = [
    ("no_gpu", "blocker", {"gpus": ()}),
    ("gpu_too_old", "blocker", {"gpus": (gpu(compute_capability="7.5"),)}),
    ("gpu_busy", "warning", {"gpus": (gpu(memory_used_bytes=9 * GIB),)}),
    ("driver_old", "warning", {"driver_version": "570.86.10"}),
    ("no_gpu_runtime", "blocker", {"docker": _changed(runtimes=("runc",))}),
    (
        "gpu_runtime_unconfigured",
        "warning",
        {"docker": _changed(runtimes=("runc",)), "probe": {"toolkit": Toolkit(ctk=True)}},
    ),
    ("driver_too_old", "blocker", {"driver_version": "470.256.02"}),
    ("gpu_mig", "blocker", {"gpus": (gpu(mig=True),)}),
    ("gpu_mig", "warning", {"gpus": (gpu(mig=True), gpu(1))}),
    ("gpu_too_old", "warning", {"gpus": (gpu(compute_capability="7.5"), gpu(1))}),
    ("docker_fallback", "warning", {"docker": _changed(via="sudo dial-stdio")}),
    ("no_docker", "blocker", {"docker": None}),
    (
        "podman_only",
        "blocker",
        {"docker": None, "probe": {"tools": frozenset({"podman", "setsid", "tar", "curl"})}},
    ),
    (
        "docker_no_daemon",
        "blocker",
        {"docker": None, "probe": {"docker": DockerSigns(cli=True, service="inactive")}},
    ),
    (
        "docker_down",
        "blocker",
        {"docker": None, "probe": {"docker": DockerSigns(cli=True, daemon=True)}},
    ),
    ("docker_permission", "blocker", {"docker": None, "probe": {"denied": "/run/docker.sock"}}),
    (
        "docker_down",
        "blocker",
        {"docker": None, "problem": ("It is down.", "Start it."), "probe": {"socket": "/s"}},
    ),
    ("disk_docker", "warning", {"disks": (Disk(role="docker", path="/", free_bytes=5 * GIB),)}),
    (
        "disk_weights",
        "warning",
        {"disks": (Disk(role="weights", path="/", free_bytes=9 * GIB),)},
    ),
    ("disk_weights", "blocker", {"disks": (Disk(role="weights", path="/", free_bytes=0),)}),
    (
        "is_container",
        "blocker",
        {"is_container": True, "docker": None, "probe": {"container_signs": ("dockerenv",)}},
    ),
    (
        "is_container",
        "warning",
        {"is_container": True, "probe": {"container_signs": ("x",), "socket": "/s"}},
    ),
]


@pytest.mark.parametrize(("code", "level", "arguments"), FOUND)
def test_a_finding(code: str, level: str, arguments: dict[str, Any]) -> None:
    found = _found(**arguments)
    assert found[code].level == level
    assert found[code].what.endswith(".")
    assert found[code].do.endswith(".")


def test_a_container_without_docker_is_one_finding_and_not_two() -> None:
    found = _found(docker=None, is_container=True, probe={"container_signs": ("x",)})
    assert "no_docker" not in found


@pytest.mark.parametrize(
    "box",
    [
        {"driver_version": None}, {"driver_version": "580.65.06"}, {"driver_version": "x"},
        {"gpus": (gpu(compute_capability=None),)}, {"gpus": (gpu(compute_capability="odd"),)},
        {"disks": (Disk(role="docker", path="/"),)},
        {"docker": _changed(runtimes=(), cdi_devices=("nvidia.com/gpu=0",))},
    ],
)  # fmt: skip
def test_what_is_unknown_or_fine_is_no_warning(box: dict[str, Any]) -> None:
    assert {finding.level for finding in _found(**box).values()} == {"ok"}


def test_a_busy_gpu_names_who_is_on_it() -> None:
    process = GpuProcess(pid=4711, name="python3", memory_bytes=9 * GIB)
    found = _found(gpus=(gpu(memory_used_bytes=9 * GIB, processes=(process,)),))
    assert "python3 (pid 4711)" in found["gpu_busy"].what


@pytest.mark.parametrize(
    ("used", "process", "free"),
    [
        (None, None, True), (0, None, True), (500 * MIB, None, True), (600 * MIB, None, True),
        (700 * MIB, None, False),
        (None, 700 * MIB, False), (0, 5 * MIB, True),
    ],
)  # fmt: skip
def test_a_free_gpu(used: int | None, process: int | None, free: bool) -> None:
    processes = (GpuProcess(pid=1, name="x", memory_bytes=process),) if process else ()
    one = gpu(memory_used_bytes=used, processes=processes)
    assert gpu_is_free(one, report(gpus=(one,))) is free


def test_every_code_is_documented() -> None:
    """`docs/preflight.md` has a row for each code that the checks can give, and for no other."""
    root = Path(__file__).parents[2]
    sources = (root / "gptoss_tui/domain/preflight").glob("*.py")
    text = "\n".join(file.read_text("utf-8") for file in sources)
    codes = set(re.findall(r'code=f?"([a-z_{}.]+)"', text))
    codes |= set(re.findall(r'return \(?\s*"([a-z_]+)",', text))
    codes |= set(re.findall(r'"((?:registry|hub)_unreachable)"', text))
    codes = codes - {"disk_{disk.role}"} | {"disk_docker", "disk_weights"}
    page = (root / "docs/preflight.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) == codes


# --- Docker's errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:8000 "
         "failed: port is already allocated", "port"),
        ("listen tcp4 127.0.0.1:8000: bind: address already in use", "port"),
        ('could not select device driver "" with capabilities: [[gpu]]', "Container Toolkit"),
        ("unknown or invalid runtime name: nvidia", "Container Toolkit"),
        ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update "
         "your driver to a newer version", "driver is too old"),
        ("nvidia-container-cli: device error: GPU-x: unknown device: unknown", "chosen GPUs"),
        ("manifest for vllm/vllm-openai:v9 not found: manifest unknown", "does not exist"),
        ("No such image: vllm/vllm-openai:v9", "does not exist"),
        ("pull access denied for x, repository does not exist or may require", "does not exist"),
        ("toomanyrequests: You have reached your pull rate limit", "rate limit"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk is full"),
        ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run",
         "may not use Docker"),
        ("permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
         "may not use Docker"),
        ('Conflict. The container name "/x" is already in use by container "f"', "name is taken"),
        ("short read: expected 10 bytes but got 5: unexpected EOF", "broke off"),
        ("Get https://registry-1.docker.io/v2/: net/http: TLS handshake timeout", "broke off"),
        ("dial tcp: lookup registry-1.docker.io: no such host", "cannot reach the registry"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown", "certificate"),
        ("failed to register layer: unshare: operation not permitted", "unpack"),
        ("client version 1.52 is too new. Maximum supported API version is 1.41", "version"),
        ("No such container: x", "gone"),
    ],
)  # fmt: skip
def test_a_docker_error_in_words(said: str, word: str) -> None:
    sentence, step = failure_of("create", f"Error response from daemon: {said}.")
    assert word in sentence
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert step.endswith(".")


def test_an_unknown_error_is_shown_as_it_is() -> None:
    sentence, _ = failure_of("start", "the moon is in the wrong phase")
    assert sentence == "Docker refused (start): the moon is in the wrong phase."
    assert "without a word" in failure_of("start", "")[0]


KNOWN = ["", *(row.words.pattern.split("|")[0] for row in DOCKER_ROWS)]


@given(st.text(max_size=80), st.sampled_from(KNOWN))
def test_whatever_docker_says_becomes_a_clean_sentence(text: str, known: str) -> None:
    sentence, step = failure_of("pull", f"{text} {known} {{0}} {{x}}")
    assert "\x1b" not in sentence
    assert "\n" not in sentence
    assert sentence
    assert step
