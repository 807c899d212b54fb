"""What somebody tries who owns a box, or stands between: the app and the commands, a real sshd."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptoss_tui.app.messages import ActionFailed
from gptoss_tui.cli.session import new_hub
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.debug_log import open_debug_log
from gptoss_tui.state.paths import paths
from tests.app.support import assert_clean, at_app
from tests.real import faults
from tests.real.light_box import SSH_PORT, LightBox, config_of, light_box
from tests.real.waiting import until

HUSH = "passphrase-that-nobody-may-see"
API_KEY = "sk-attack-0123456789"
# OSC 52 writes the clipboard, DCS and an unterminated sequence swallow, C1 and CSI paint.
EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1bPevil\x1b\\\u009b31m\x1b[2J\x00\u202e [bold]B[/nope] "
    "$(touch PWNED) `touch PWNED` ; touch PWNED ' \" -rf --help \x1b]0;owned"
)
SEQUENCE = re.compile(rb"\x1b[\]P^_X]|\x1b\[2J|\xc2\x9b|\xe2\x80\xae|\x00|\x07")


@pytest.fixture
def hostile(_parts: Path) -> Iterator[LightBox]:
    """Everything that it says has `EVIL` in it: GPUs, its server's name and log, an answer."""
    with light_box() as light:
        folder = light.box.folder
        evil = EVIL.replace("PWNED", str(folder / "pwned"))
        (folder / "evil.new").write_text(evil)
        (folder / "evil.new").rename(folder / "evil")
        smi = folder / "bin" / "nvidia-smi"
        old = "name) echo 'NVIDIA H100 80GB HBM3' ;;"
        assert old in smi.read_text()
        smi.write_text(smi.read_text().replace(old, f"name) cat {folder}/evil; echo ;;"))
        yield light
        assert not (folder / "pwned").exists()


async def test_a_hostile_box_and_a_swapped_host_key(
    hostile: LightBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    open_debug_log(paths().debug_log)
    locked(hostile)
    options = FleetOptions(config_file=config_of({"box": hostile}, tmp_path), with_local=False)
    async with Fleet(new_hub(), paths(), options) as fleet, at_app(fleet, (200, 60)) as operator:
        await operator.press("enter")
        await operator.until(lambda: "passphrase" in operator.flat.lower(), "it asks", 30)
        await operator.write(HUSH)
        pictures = [operator.app.export_screenshot()]
        await operator.press("enter")
        await operator.sees("● connected", "[bold]B[/nope]", seconds=30)
        assert_clean(operator.lines)
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.sees("said", "GPU 0", "touch", seconds=30)
        assert_clean(operator.lines)
        pictures.append(operator.app.export_screenshot())

        fingerprints = swap_host_key(hostile)
        log = hostile.box.log_of_sshd(SSH_PORT)
        faults.signal_sshd(hostile.box, signal.SIGKILL)
        await operator.sees("Changed host key", "has CHANGED", *fingerprints, seconds=30)
        refusal = operator.said(ActionFailed)[-1].error.message
        assert f"{tmp_path}/known_hosts line 1" in refusal
        refused = log.count("^Connection from")
        began = time.monotonic()
        await operator.until(lambda: time.monotonic() > began + 4, "nothing happens")
        assert log.count("^Connection from") == refused == 1  # never tried again by itself
        assert log.count("^Accepted") == 0
        assert_clean(operator.lines)
        pictures.append(operator.app.export_screenshot())
    for picture in pictures:
        assert HUSH not in picture
        assert SEQUENCE.search(picture.encode()) is None
    for content in kept_in(tmp_path):
        assert HUSH.encode() not in content
        assert SEQUENCE.search(content) is None
    assert paths().debug_log.exists()


def locked(light: LightBox) -> None:
    """Its key gets a passphrase."""
    key = light.box.folder / "id"
    argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", HUSH, "-f", str(key)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def swap_host_key(light: LightBox) -> tuple[str, str]:
    """Another key from the next connection on; the fingerprints of the new and of the old one."""
    folder = light.box.folder
    for server in light.box._servers:
        light.box.run("kill", server)  # the one that listens; connections go on
    light.box._servers.clear()
    new = folder / "other_host_key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(new)]
    subprocess.run(argv, check=True)
    light.box.sshd(SSH_PORT, HostKey=str(new))
    return fingerprint(new), fingerprint(folder / "host_key")


def fingerprint(key: Path) -> str:
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True
    )
    return listed.stdout.split()[1]


def kept_in(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def test_secrets_are_in_no_argument_and_no_environment_here_or_there(
    hostile: LightBox, tmp_path: Path
) -> None:
    """While a chat streams on a terminal: every process of both sides, and all that was kept."""
    locked(hostile)
    given, home = tmp_path / "given", tmp_path / "home"
    given.mkdir()
    config = config_of({"box": hostile}, given)
    files = {}
    for name, secret in (("passphrase", HUSH), ("api-key", API_KEY)):
        files[name] = given / name
        files[name].write_text(secret)
    words = [str(Path(sys.executable).parent / "gptoss-tui"), "chat", "box", "-F", str(config)]
    words += ["-p", "hi", "--passphrase-file", str(files["passphrase"])]
    words += ["--api-key-file", str(files["api-key"])]
    ours, theirs = os.openpty()
    environment = {**os.environ, "GPTOSS_TUI_HOME": str(home), "TERM": "xterm-256color"}
    with subprocess.Popen(
        words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as chat:
        os.close(theirs)
        try:
            said = bytearray()
            os.set_blocking(ours, False)
            until("the answer streams", lambda: read_on(ours, said).count(b"[bold]B") > 5, 60)
            assert seen_in_proc(HUSH, API_KEY) == []
        finally:
            chat.kill()
            os.close(ours)
    assert SEQUENCE.search(bytes(said)) is None, bytes(said[:2000])
    for content in (bytes(said), *kept_in(home), *kept_in(hostile.box.home)):
        assert HUSH.encode() not in content
        assert API_KEY.encode() not in content
    until("the box is as before", lambda: not faults.ours_on(hostile.box), 30)


def read_on(terminal: int, said: bytearray) -> bytearray:
    with contextlib.suppress(BlockingIOError):
        said += os.read(terminal, 65536)
    return said


def seen_in_proc(*secrets: str) -> list[str]:
    """Which processes show one; those of the box are processes of this machine as well."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for part in ("cmdline", "environ"):
            try:
                content = (process / part).read_bytes()
            except OSError:
                continue  # it has ended
            if any(secret.encode() in content for secret in secrets):
                found.append(f"{process}/{part}")
    return found
