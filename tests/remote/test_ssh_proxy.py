"""ProxyCommand with real programs, of which `ssh -W` is the one that people use."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from gptoss_tui.errors import BoxError, UnreachableError
from gptoss_tui.remote.ssh_config import resolve
from gptoss_tui.remote.ssh_proxy import Proxy, proxy_command
from gptoss_tui.remote.target import Target
from tests.remote.ssh_parts import Door, Laptop, laptop, opened
from tests.remote.support import alive, until


def _box(made: Laptop, door: Door, command: str, *lines: str) -> None:
    made.knows(door)
    key = f"IdentityFile {made.folder}/id"
    made.hosts(made.host("box", door, f"ProxyCommand {command}", key, *lines))


def _runs(pid_file: Path) -> bool:
    """Whether the process that wrote its number there still runs."""
    said = pid_file.read_text() if pid_file.exists() else ""
    return bool(said) and alive(int(said))


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's ssh")
async def test_ssh_w_through_a_bastion(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        (tmp_path / "id").chmod(0o600)
        bastion, box = Door(keys=(print_,)), Door(keys=(print_,))
        async with opened(bastion, box):
            made.knows(bastion)
            (tmp_path / "jump").write_text(
                made.host("bastion", bastion, f"IdentityFile {tmp_path}/id", "LogLevel DEBUG")
                + made.head
            )
            _box(made, box, f"ssh -F {tmp_path}/jump -W %h:%p bastion")
            got = await made.connect("box")
            assert (bastion.logins, box.logins) == (1, 1)
            got.connection.close()
            await got.connection.wait_closed()
            await until(lambda: bastion.sides[0].is_closed(), "the program ended")


async def test_a_proxy_command(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            made.knows(door)
            (tmp_path / "pipe.py").write_text(
                "import socket, sys, threading, os\n"
                "print('a word of warning', file=sys.stderr, flush=True)\n"
                "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
                "def up():\n"
                "    while data := os.read(0, 65536): s.sendall(data)\n"
                "threading.Thread(target=up, daemon=True).start()\n"
                "while data := s.recv(65536): os.write(1, data)\n"
            )
            line = f"ProxyCommand python3 '{tmp_path}/pipe.py' %h %p"
            made.hosts(made.host("box", door, line, f"IdentityFile {tmp_path}/id"))
            got = await made.connect("box")
            assert got.connection.get_extra_info("username") == "me"
            assert door.logins == 1


async def test_its_last_words_are_the_reason(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            words = r"printf 'a banner\nno route \033]0;evil\007to it.\n' >&2"
            _box(made, door, f'sh -c "{words}; exit 1"')
            with pytest.raises(UnreachableError) as refusal:
                await made.connect("box")
            assert refusal.value.message == (
                "box cannot be reached by its ProxyCommand: no route to it."
            )
            assert door.connections == 0


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
async def test_a_program_that_says_nothing_is_ended_with_all_it_started(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            (tmp_path / "hang").write_text(
                f"echo $$ >{tmp_path}/parent\n"
                f"sh -c 'echo $$ >{tmp_path}/child; exec sleep 600' & wait\n"
            )
            _box(made, door, f"sh {tmp_path}/hang", "ConnectTimeout 1")
            with pytest.raises(UnreachableError, match="does not answer in 1 s"):
                await made.connect("box")
            await made.dialer.aclose()
            assert (tmp_path / "child").exists()
            assert not _runs(tmp_path / "parent")
            await until(lambda: not _runs(tmp_path / "child"), "its child ended")


async def test_a_flood_of_errors_is_bounded(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            _box(made, door, "sh -c 'yes | head -c 3000000 >&2; echo full >&2; exit 1'")
            with pytest.raises(UnreachableError, match="ProxyCommand: full"):
                await made.connect("box")


@pytest.mark.parametrize(
    "evil", ["$(id)", "a b", "a;id", "-oProxyCommand=id", "`id`", "a'b", "a|b"]
)
@pytest.mark.parametrize("token", ["%h", "%n", "%r", "%k"])
def test_no_name_becomes_shell(tmp_path: Path, token: str, evil: str) -> None:
    keyword = {"%h": "HostName", "%r": "User", "%k": "HostKeyAlias"}.get(token)
    named = f'{keyword} "{evil}"\n' if keyword else ""
    (tmp_path / "config").write_text(f"{named}ProxyCommand nc {token} %p\n")
    config = resolve(Target("box" if keyword else evil), tmp_path / "config")
    with pytest.raises(BoxError, match="a shell would read it"):
        proxy_command(config)
    (tmp_path / "config").write_text(f"{named}ProxyCommand nc fixed 22\n")
    config = resolve(Target("box" if keyword else evil), tmp_path / "config")
    assert proxy_command(config) is not None


@pytest.mark.parametrize("token", ["%h", "%r", "%k"])
def test_no_name_becomes_shell_in_a_match(tmp_path: Path, token: str) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "config").write_text(
        f'Host box\n  HostName "$(touch${{IFS}}{mark})"\n  User "$(touch${{IFS}}{mark})"\n'
        f'  HostKeyAlias "$(touch${{IFS}}{mark})"\nMatch exec "test -f {token}"\n  Port 5\n'
    )
    with pytest.raises(BoxError, match="a shell would read it"):
        resolve(Target("box"), tmp_path / "config")
    assert not mark.exists()


@pytest.mark.parametrize("turns", range(6))
async def test_a_start_that_is_given_up_ends_at_once_and_leaves_no_process(
    tmp_path: Path, turns: int
) -> None:
    pid_file = tmp_path / "pid"
    command = ["/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"]
    starting = asyncio.create_task(Proxy.start(command))
    for _ in range(turns):
        await asyncio.sleep(0)
    if starting.done():
        await (await starting).wait_stopped()
    starting.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(starting, return_exceptions=True)
    await until(
        lambda: not any("proxy command" in task.get_name() for task in asyncio.all_tasks()),
        "nothing of it is left",
    )
    assert not _runs(pid_file)
