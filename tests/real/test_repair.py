"""Repairs on a machine with real apt, dpkg, sudo, sshd and Docker; the packages are stand-ins."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.box import USER, RealBox
from tests.real.cli import Cli, Document
from tests.real.relay import Relay
from tests.real.repair_parts import PASSWORD, bare_machine, image, package_mirror
from tests.real.waiting import until

for _program in ("gpg", "openssl"):
    if shutil.which(_program) is None:
        pytest.skip(f"there is no {_program}", allow_module_level=True)


@pytest.fixture(scope="module")
def bare(relay: Relay) -> Iterator[RealBox]:
    with bare_machine(relay.port) as started:
        yield started


@pytest.fixture(scope="module")
def mirror(bare: RealBox) -> str:
    return package_mirror(bare.folder / "mirror")


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


@pytest.fixture
def where(bare: RealBox) -> tuple[str, ...]:
    return ("box", "-F", str(bare.ssh_config))


@pytest.fixture
def started(bare: RealBox, cli: Cli, where: tuple[str, ...]) -> RealBox:
    """The machine with Docker running: started by the repair itself, where it is not."""
    if not bare.docker("version", "--format", "{{.Server.Version}}", check=False)[:1].isdigit():
        documents = cli.json("repair", *where, "docker-start", "--yes")
        assert documents[-1]["body"]["status"] == 0
    return bare


def said(documents: list[Document]) -> str:
    return "\n".join(
        document["body"]["text"]
        for document in documents
        if document["body"]["kind"] == "repair_line"
    )


def purge(box: RealBox) -> None:
    """Take the toolkit away again, if it is there."""
    box.run("sh", "-c", "apt-get purge -y -q 'nvidia-container-*' 'libnvidia-container*' || :")


def repairs_on(box: RealBox) -> list[str]:
    return [line for line in box.processes() if "gptoss-repair" in line]


def test_docker_is_started_and_started_again_does_no_harm(
    bare: RealBox, cli: Cli, where: tuple[str, ...]
) -> None:
    first = cli.json("repair", *where, "docker-start", "--yes")
    assert first[-1]["body"] | {"text": ""} == {
        "kind": "repair", "repair": "docker-start", "status": 0, "fixed": True, "text": "",
        "remaining": [],
    }  # fmt: skip
    assert bare.docker("version", "--format", "{{.Server.Version}}")[:1].isdigit()
    again = cli.json("repair", *where, "docker-start", "--yes")
    assert "Docker runs already." in said(again)
    until("nothing of it is left", lambda: not repairs_on(bare))


def test_the_toolkit_is_installed_by_apt_and_seen_from_a_container(
    started: RealBox, mirror: str, cli: Cli, where: tuple[str, ...]
) -> None:
    image(started, "ubuntu:latest")
    idle = ("--stop-timeout", "1", "ubuntu:latest", "sleep", "600")
    started.docker("run", "-d", "--name", "bystander", *idle)
    words = ("repair", *where, "toolkit", "--yes", "--toolkit-repository", mirror)
    (shown,) = cli.json(*words, "--dry-run")
    assert "stops every running container: bystander" in shown["warnings"][0]

    documents = cli.json(*words)
    text = said(documents)
    assert documents[-1]["body"]["fixed"], text
    assert "Setting up nvidia-container-toolkit (1.20.0-1)" in text
    assert "bystander (ubuntu:latest)" in text  # named before Docker restarts
    assert "GPU 0: seen from the container" in text
    source = started.run("cat", "/etc/apt/sources.list.d/nvidia-container-toolkit.list")
    assert source.splitlines()[0].startswith("deb [signed-by=/usr/share/keyrings/nvidia-")
    assert f"{mirror}/stable/deb/$(ARCH)" in source
    assert "nvidia" in json.loads(started.docker("info", "--format", "{{json .Runtimes}}"))
    assert started.docker("ps", "-q") == ""  # the restart stopped it, as was said

    # A second run finds everything done, and restarts nothing.
    started.docker("start", "bystander")
    again = started.run("sh", "-c", shown["script"])
    assert "installed already" in again
    assert "it is not restarted" in again
    assert started.docker("ps", "--format", "{{.Names}}").split() == ["bystander"]
    started.docker("rm", "-f", "bystander")


def test_a_mirror_with_another_key_is_refused_by_apt(
    bare: RealBox, mirror: str, cli: Cli, where: tuple[str, ...]
) -> None:
    other = bare.folder / "other"
    forged = package_mirror(other)
    (other / "gpgkey").write_text((bare.folder / "mirror" / "gpgkey").read_text())
    purge(bare)
    words = ("repair", *where, "toolkit", "--yes", "--toolkit-repository")
    documents = cli.json(*words, forged, code=1)
    assert documents[-1]["body"]["fixed"] is False
    assert "Setting up" not in said(documents)
    assert "signature" in said(documents) or "NO_PUBKEY" in said(documents)


def test_a_package_run_that_was_cut_off_is_finished_first(
    started: RealBox, mirror: str, cli: Cli, where: tuple[str, ...]
) -> None:
    """As when a box was switched off while it updated itself: apt refuses everything."""
    purge(started)
    started.run("sh", "-c", "dpkg -s coreutils >/var/lib/dpkg/updates/0000")
    refused = started.run("sh", "-c", "apt-get install -y coreutils 2>&1 || :")
    assert "dpkg was interrupted" in refused
    words = ("repair", *where, "toolkit", "--yes", "--toolkit-repository", mirror)
    documents = cli.json(*words)
    assert documents[-1]["body"]["fixed"], said(documents)


def test_a_runtime_that_docker_looks_for_elsewhere_is_told_and_set_right(
    started: RealBox, mirror: str, cli: Cli, where: tuple[str, ...]
) -> None:
    """What a GPU Operator or a moved installation leaves behind."""
    image(started, "ubuntu:latest")
    words = ("--yes", "--toolkit-repository", mirror)
    assert cli.json("repair", *where, "toolkit", *words)[-1]["body"]["status"] == 0
    gone = "/usr/local/nvidia/toolkit/nvidia-container-runtime"
    settings = json.dumps({"runtimes": {"nvidia": {"path": gone}}})
    started.run("sh", "-c", f"echo '{settings}' >/etc/docker/daemon.json; service docker restart")
    until("Docker answers", lambda: started.docker("info", "-f", "{{.ID}}", check=False).strip())
    (fact,) = cli.json("check", *where, code=1)
    (blocker,) = (each for each in fact["body"]["findings"] if each["level"] == "blocker")
    assert (blocker["code"], blocker["repair"]) == ("gpu_runtime_unconfigured", "runtime")
    assert gone in blocker["what"]
    documents = cli.json("repair", *where, "runtime", "--yes")
    assert documents[-1]["body"]["fixed"], said(documents)


def runs_on(box: RealBox) -> list[str]:
    """The detached runners: one for each repair that is under way."""
    return [line for line in repairs_on(box) if "gptoss-repair-run /" in line]


_HOLD = """
import fcntl, sys
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_package_run(box: RealBox) -> Iterator[None]:
    """Somebody else holds the lock of the package database, as a new box that updates itself."""
    holder = subprocess.Popen(
        box.enter("/usr/bin/python3", "-c", _HOLD),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def test_a_connection_that_is_lost_does_not_tear_the_installation(
    started: RealBox, mirror: str, cli: Cli, where: tuple[str, ...]
) -> None:
    purge(started)
    words = ("repair", *where, "toolkit", "--yes", "--toolkit-repository", mirror)
    with another_package_run(started):
        begun = cli.start(*words, "--json")
        assert begun.stdout is not None
        until("apt waits", lambda: "Waiting for cache lock" in begun.stdout.readline())  # type: ignore[union-attr]
        begun.kill()
        begun.wait()
        until("nobody listens", lambda: "repair-log" not in "".join(repairs_on(started)))
        (still,) = runs_on(started)
        joining = cli.start(*words, "--json")
        assert joining.stdout is not None
        until("it is joined", lambda: "Waiting for cache lock" in joining.stdout.readline())  # type: ignore[union-attr]
        assert runs_on(started) == [still]
    out, _ = joining.communicate(timeout=100)
    assert json.loads(out.splitlines()[-1])["body"]["fixed"], out[-3000:]
    assert out.count("Setting up nvidia-container-toolkit (1.20.0-1)") == 1


def test_only_stopped_containers_of_ours_go(
    started: RealBox, cli: Cli, where: tuple[str, ...]
) -> None:
    image(started, "ubuntu:latest")
    ours = ("--label", "io.gptoss-tui.spec={}")
    started.docker("run", "--name", "ended", *ours, "ubuntu:latest", "sh", "-c", ":")
    started.docker("run", "--name", "theirs", "ubuntu:latest", "sh", "-c", ":")
    idle = ("--stop-timeout", "1", "ubuntu:latest", "sleep", "600")
    started.docker("run", "-d", "--name", "runs", *ours, *idle)
    try:
        (shown,) = cli.json("repair", *where, "stale-containers", "--dry-run")
        assert [line.split()[0] for line in shown["preview"]] == ["ended"]
        documents = cli.json("repair", *where, "stale-containers", "--yes")
        assert "removed ended" in said(documents)
        assert sorted(started.containers()) == ["runs", "theirs"]
        assert "is gone already" in started.run("sh", "-c", shown["script"])
    finally:
        for name in started.containers():
            started.docker("rm", "-f", name)


def test_sudo_asks_and_the_password_is_nowhere_afterwards(
    started: RealBox, cli: Cli, tmp_path: Path
) -> None:
    user = (f"{USER}@box", "-F", str(started.ssh_config))
    words = ("repair", *user, "docker-group", "--yes")
    (refused,) = cli.json(*words, code=3)
    assert "asks for a password" in refused["error"]["message"]
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    wrong.write_text("hunter2\n")
    right.write_text(f"{PASSWORD}\n")
    (refused,) = cli.json(*words, "--sudo-password-file", str(wrong), code=3)
    assert USER not in started.run("getent", "group", "docker")

    documents = cli.json(*words, "--sudo-password-file", str(right))
    assert documents[-1]["body"]["fixed"], said(documents)
    assert "from the next login on" in said(documents)
    assert USER in started.run("getent", "group", "docker")
    both = ("docker-group", "stale-containers", "--dry-run")
    group, stale = cli.json("repair", *user, *both)
    assert not stale["root"]  # Docker's socket is open to this user now
    assert "in the group docker already" in started.run("sh", "-c", group["script"])

    kept = [
        file
        for folder in (started.user_home, tmp_path)
        for file in folder.rglob("*")
        if file.is_file() and PASSWORD.encode() in file.read_bytes()
    ]
    assert kept == [right]
    until("nothing of it is left", lambda: not repairs_on(started))
