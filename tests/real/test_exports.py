"""Exported files through the tools that they are for: docker-compose, and systemd's own parser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.domain.export import container, export
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.render import engine_api_body
from tests.unit.make import spec

SYSTEMD = "/lib/systemd/systemd"
HOSTILE = (
    "a b", "'q'", '"dq"', "$HOME", "${HOME}", "$$", "$$$", "%", "%%", "%n%i", "\\", "\\n", "a\\", "#c",
    "; x", ";", "a\nb", "tab\tx", "-d", "--label", "yes", "no", "1e3", "0x1f", "~", "null", "{a: b}",
    "[x]", "- x", "? x", "a: b", "*a", "&a", "!x", "|", ">", "@x", "`x`", "é😀", "\x7f\x85\u2028\ufeff",
    "{{.X}}", "a\rb", "\x01", " lead", "trail ", "12:34:56",
)  # fmt: skip
VARIANTS = (
    {"arguments": HOSTILE, "needs_api_key": True, "has_token": True},
    {"environment": tuple((f"V{n}", word) for n, word in enumerate(HOSTILE))},
    {"gpu_access": "cdi", "cdi_devices": ("nvidia.com/gpu=0", "nvidia.com/gpu=1"), "bind": "::1"},
    {"gpu_access": "runtime", "gpu_ids": ("0", "1"), "restart_once_ready": False},
    {"security_opt": ("label=disable",), "host_user": True},
    {"engine": "sglang", "engine_version": "0.5.23", "image": "lmsysorg/sglang:v0.5.23",
     "needs_api_key": True},
    {"engine": "ollama", "engine_version": "0.13.3", "image": "ollama/ollama:0.13.3",
     "cache_dir": "/home/a b/$x %n"},
)  # fmt: skip


def _need(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not here: apt install {package}")
    return found


def _variants() -> list[LaunchSpec]:
    return [spec(**{"created_by": "ann@lap", **given}) for given in VARIANTS]


# --- Compose ------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", _variants(), ids=lambda made: f"{made.engine}-{made.gpu_access}")
def test_compose_reads_the_container_that_we_would_create(made: LaunchSpec, tmp_path: Path) -> None:
    """`docker-compose config` validates by the Compose schema, and prints what it understood."""
    compose = _need("docker-compose", "docker-compose")
    file = tmp_path / "compose.yaml"
    file.write_text(export(made, "compose"), "utf-8")
    said = subprocess.run(
        [compose, "-f", str(file), "config"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    service = _yaml(said.stdout)["services"][made.name]
    body = engine_api_body(made)
    assert service["image"] == body["Image"]
    assert service["command"] == body["Cmd"]
    assert service.get("entrypoint") == body.get("Entrypoint")
    assert {f"{key}={value}" for key, value in service.get("environment", {}).items()} == {
        *body["Env"]
    }
    assert service["labels"] == body["Labels"]
    assert int(service["shm_size"]) == body["HostConfig"]["ShmSize"]
    _same_host_side(made, service)


def _same_host_side(made: LaunchSpec, service: dict[str, Any]) -> None:
    address = f"[{made.bind}]" if ":" in made.bind else made.bind
    assert [str(port).removesuffix("/tcp").replace("[::1]", "::1") for port in service["ports"]] == [
        f"{address}:{made.port}:{next(iter(engine_api_body(made)['ExposedPorts'])).split('/')[0]}"
        .replace("[::1]", "::1")
    ]  # fmt: skip
    mounted = {
        volume["source"]: volume["target"] if isinstance(volume, dict) else ""
        for volume in service.get("volumes", [])
        if isinstance(volume, dict)
    }
    assert mounted == dict(container.secret_files(made))
    assert service["restart"] == ("unless-stopped" if made.restart_once_ready else "no")
    assert service.get("security_opt", []) == [*made.security_opt]
    assert service.get("userns_mode") == ("host" if made.host_user else None)
    if made.gpu_access == "runtime":
        assert service["runtime"] == "nvidia"
    elif made.gpu_access == "cdi":
        assert [device.partition(":")[0] for device in service["devices"]] == [*made.cdi_devices]
    else:
        (asked,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert asked["device_ids"] == [*made.gpu_ids]


def _yaml(text: str) -> Any:
    """As the interpreter of docker-compose reads it; `$$` is how it prints a dollar."""
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program], input=text, capture_output=True, text=True, check=True
    )
    return _plain(json.loads(done.stdout))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


# --- systemd ------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """One unit for each variant, where a user without rights can read them."""
    _need("systemd-analyze", "systemd")
    folder = tmp_path / "units"
    folder.mkdir()
    for number, made in enumerate(_variants()):
        (folder / f"gptoss-{number}.service").write_text(export(made, "systemd"), "utf-8")
    for parent in (folder, *folder.parents):
        if parent.owner() == folder.owner() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    return folder


def test_systemd_verifies_the_units(units: Path) -> None:
    files = sorted(map(str, units.iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    broken = units / "broken.service"
    broken.write_text("[Service]\nExecStart=/no/such/program %\n")
    seen = subprocess.run(
        ["systemd-analyze", "verify", str(broken)], capture_output=True, text=True, check=False
    )
    assert seen.returncode != 0, "verify finds nothing at all"


def test_systemd_reads_the_words_that_docker_run_wants(units: Path) -> None:
    """`systemd --test` prints the command lines that it understood."""
    if os.geteuid() != 0:
        pytest.skip("systemd --test is run as nobody, by root")
    (units / "all.target").write_text(
        "[Unit]\n" + "".join(f"Wants={file.name}\n" for file in units.glob("*.service"))
    )
    dump = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", SYSTEMD, "--test",
         "--system", "--unit=all.target"],
        env={"HOME": "/", "PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    for number, made in enumerate(_variants()):
        unit = dump.partition(f"-> Unit gptoss-{number}.service:")[2].partition("\t-> Unit ")[0]
        line = unit.partition("Command Line: /usr/bin/docker run")[2]
        line = line.partition("\n\t\t\tAllowFileDescriptors")[0].partition("\n\t\t-> Exec")[0]
        words = ["docker", "run", *_printed(line)]
        assert words == list(container.words(made, "docker", "run", "--rm"))


def _printed(line: str) -> list[str]:
    """The words of a command line as systemd prints them: C strings where they need quotes.

    It expands variables only when it executes: `$$` is a dollar.
    """
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    spelt = {"n": "\n", "r": "\r", "t": "\t"}

    def meant(escape: re.Match[str]) -> str:
        if escape[1]:
            return chr(int(escape[1], 8))
        return spelt.get(escape[2], escape[2])

    words = (re.sub(r"\\(?:([0-7]{3})|(.))", meant, quoted) or plain for quoted, plain in found)
    return [word.replace("$$", "$") for word in words]
