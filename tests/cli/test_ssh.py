"""The way to a box by the commands: prompts on a terminal, notes of `check`, `forget-key`."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest

from gptoss_tui.cli import prompts
from gptoss_tui.cli.prompts import TerminalPrompter
from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.remote import known_hosts
from gptoss_tui.remote.ssh_config import resolve
from gptoss_tui.remote.ssh_notes import _WHY, USED, ignored_in
from gptoss_tui.remote.target import parse_target
from tests.cli.conftest import Background, Cli
from tests.remote.support import until


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input and error are a terminal; its other end."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r+b", buffering=0) as raw:
        text = open(raw.fileno(), closefd=False)  # noqa: SIM115
        told = open(raw.fileno(), "w", closefd=False)  # noqa: SIM115
        # Not on `sys` itself, where pytest puts its own between set-up and test.
        monkeypatch.setattr(prompts, "sys", SimpleNamespace(stdin=text, stderr=told))
        yield ours
        text.close()
        told.close()
    os.close(ours)


def _echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


async def _answered(terminal: int, typed: bytes, *, echo: bool = False) -> tuple[str | None, str]:
    """What was answered, and what stood on the terminal."""
    request = PromptRequest("box", "password", "title", "Password of box:", echo)
    task = asyncio.create_task(TerminalPrompter().ask(request))
    await until(lambda: _echoes(terminal) == echo, "the terminal is set")
    await asyncio.sleep(0.01)
    os.write(terminal, typed)
    answer = await asyncio.wait_for(task, 5)
    assert _echoes(terminal)
    return (None if answer is None else answer.reveal()), os.read(terminal, 4096).decode()


@pytest.mark.parametrize("echo", [False, True])
async def test_a_secret_is_read_from_the_terminal(terminal: int, echo: bool) -> None:
    answer, seen = await _answered(terminal, b"correct horse\n", echo=echo)
    assert answer == "correct horse"
    assert "Password of box:" in seen
    assert ("horse" in seen) == echo


async def test_the_end_of_input_is_no_answer(terminal: int) -> None:
    assert (await _answered(terminal, b"\x04"))[0] is None
    assert (await _answered(terminal, b"\n"))[0] == ""


async def test_a_terminal_is_left_as_it_was_when_the_login_ends(terminal: int) -> None:
    task = asyncio.create_task(TerminalPrompter().ask(PromptRequest("b", "password", "t", "P:")))
    await until(lambda: not _echoes(terminal), "the terminal is set")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert _echoes(terminal)


async def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = SimpleNamespace(stdin=io.StringIO("x\n"), stderr=io.StringIO())
    monkeypatch.setattr(prompts, "sys", streams)
    prompter = TerminalPrompter()
    assert prompter.absent
    assert await prompter.ask(PromptRequest("b", "password", "t", "P:")) is None
    assert streams.stderr.getvalue() == ""


def test_check_tells_what_of_the_config_has_no_effect(
    cli: Cli, warm: Background, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host sim-1\n  ControlMaster auto\n{Path(warm.config).read_text()}")
    people = cli("check", "sim-1", "-F", str(config))
    assert "controlmaster auto" in people.out
    assert "one connection" not in people.err
    ssh = cli("check", "sim-1", "-F", str(config), "--json").document["ssh"]
    assert ssh["ignored"][0]["place"] == f"{config} line 2"
    assert ssh["known_as"].startswith("[127.0.0.1]:")


def test_check_of_this_machine_has_no_way_to_tell(cli: Cli) -> None:
    assert cli("check", "local", "--json").document["ssh"] is None


def test_a_key_is_forgotten(cli: Cli, warm: Background) -> None:
    port = warm.do(lambda box: box.port)
    old = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
    own = cli.home / "data" / "known_hosts"
    known_hosts.accept(own, known_hosts.entry("127.0.0.1", port, old))
    warm.sim.known_hosts.write_text("")
    refused = cli("check", "sim-1", "-F", warm.config)
    assert f"gptoss-tui forget-key '[127.0.0.1]:{port}'" in refused.err
    assert cli("forget-key", f"[127.0.0.1]:{port}", "--json").document["forgotten"] == 1
    assert own.read_text() == ""
    known_hosts.accept(own, known_hosts.entry("127.0.0.1", port, old))
    assert cli("forget-key", "sim-1", "-F", warm.config).code == 0
    again = cli("forget-key", "sim-1", "-F", warm.config)
    assert again.code == 7
    assert "ssh-keygen -R" in again.err
    assert cli("check", "sim-1", "-F", warm.config, "--accept-new").code == 0


def test_a_password_file_that_is_not_there(cli: Cli) -> None:
    result = cli("check", "box", "--password-file", "/nowhere/pw", "--json")
    assert result.document["error"]["code"] == "state"


def test_every_directive_that_is_followed_is_not_listed(tmp_path: Path) -> None:
    assert not USED & set(_WHY)
    file = tmp_path / "config"
    file.write_text(
        "Port 3\nUser x\nFooBar \x1b]0;evil\x07 1\nMatch localnetwork 10.0.0.0/8\n  Port 9\n"
    )
    config = resolve(parse_target("box"), file)
    found = {one.directive: one for one in ignored_in(config)}
    assert set(found) == {"foobar", "match localnetwork"}
    assert found["foobar"].why == "gptoss-tui does not know it"
    assert "\x1b" not in found["foobar"].value
    assert config.port == 3
