"""This machine as a box: the same waist, by child processes and plain sockets."""

from __future__ import annotations

import asyncio

import httpcore
import pytest

from gptoss_tui.errors import CommandError
from gptoss_tui.remote.local_transport import LocalTransport
from tests.remote.support import alive, until


async def test_a_command_runs_with_its_input_and_status() -> None:
    done = await LocalTransport().run(("sh", "-c", "cat; echo no >&2; exit 3"), stdin=b"in\n")
    assert (done.status, done.stdout, done.stderr) == (3, b"in\n", b"no\n")


async def test_arguments_are_words_and_never_shell() -> None:
    done = await LocalTransport().run(("printf", "%s", "$(id) `id`; id"))
    assert done.stdout == b"$(id) `id`; id"


async def test_a_program_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(CommandError, match=r"no-such-program cannot be run on this machine: No"):
        await LocalTransport().run(("no-such-program",))


async def test_a_command_that_hangs_is_ended_with_its_children() -> None:
    with pytest.raises(CommandError, match=r"did not end in 0 s: sh"):
        await LocalTransport().run(("sh", "-c", "sleep 60 & wait"), timeout_s=0.2)


async def test_leaving_a_followed_command_ends_it() -> None:
    argv = ("sh", "-c", "echo $$; sleep 60 & echo $!; wait")
    async with LocalTransport().follow(argv) as lines:
        pids = [int(await anext(lines)), int(await anext(lines))]
        assert all(alive(pid) for pid in pids)
    await until(lambda: not alive(pids[0]), "the command is gone")


async def test_a_followed_command_ends_the_lines_with_itself() -> None:
    async with LocalTransport().follow(("printf", "one\ntwo")) as lines:
        assert [line async for line in lines] == [b"one", b"two"]


async def test_a_socket_of_this_machine_is_opened_or_refused() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stream = await LocalTransport().open_tcp("127.0.0.1", port)
    assert await stream.read(100) == b"hello"
    await stream.aclose()
    server.close()
    await server.wait_closed()
    with pytest.raises(httpcore.ConnectError):
        await LocalTransport().open_tcp("127.0.0.1", port)
    with pytest.raises(httpcore.ConnectError):
        await LocalTransport().open_unix("/no/such/socket")


async def test_the_port_of_a_local_server_is_its_own() -> None:
    transport = LocalTransport()
    async with transport.listen(0, ("127.0.0.1", 8000)) as port:
        assert port == 8000
    with pytest.raises(CommandError, match="already listens on this machine, at port 8000"):
        async with transport.listen(9000, ("127.0.0.1", 8000)):
            pass
    assert transport.ssh_target is None
    assert transport.link.phase == "up"
