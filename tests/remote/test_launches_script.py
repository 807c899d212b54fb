"""What a look brings of the launches on a box: the script itself, in folders as helpers leave them."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.remote import launcher
from gptoss_tui.remote.launcher import LaunchRecord
from gptoss_tui.remote.transport import Completed
from tests.remote.support import serving, simulated, transport_of

T0 = 1_790_000_000
KEPT_BYTES = 60_000


class Shell:
    """A transport that runs commands here, and counts what they print."""

    def __init__(self, state: Path) -> None:
        self._environment = os.environ | {"XDG_STATE_HOME": str(state)}
        self.brought = 0

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        process = await asyncio.create_subprocess_exec(
            *argv, env=self._environment, stdout=PIPE, stderr=PIPE
        )
        stdout, stderr = await process.communicate()
        assert not stderr
        self.brought += len(stdout)
        return Completed(process.returncode, stdout, stderr)


class Launches:
    """The folder of the launches, and a look at it that knows what the last one told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "gptoss-tui" / "launches"
        self.shell = Shell(folder)
        self._known: dict[str, LaunchRecord] = {}
        self._chance = random.Random(7)

    def add(self, number: int, *, kept_bytes: int = KEPT_BYTES) -> Path:
        """One that has ended; the newest so far."""
        folder = self._folder / f"20260101-000000-{number:06x}"
        folder.mkdir(parents=True)
        lines = (f'begin {{"name": "gpt-{number}", "engine": "vllm"}}', "wait", "ready", "end")
        (folder / "log").write_text("".join(f"@{T0 + number} {line}\n" for line in lines))
        noise = self._chance.randbytes(kept_bytes)
        (folder / "server.log.gz").write_bytes(gzip.compress(noise))
        (folder / "ended").touch()
        os.utime(folder, (T0 + number, T0 + number))
        return folder

    async def look(self) -> tuple[tuple[str, ...], int]:
        """The names that it tells, newest first, and the bytes that came."""
        before = self.shell.brought
        found = await launcher.records(self.shell, self._known)  # type: ignore[arg-type]
        self._known = {record.launch_id: record for record in found}
        return tuple(record.progress.name for record in found), self.shell.brought - before


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(tmp_path)


async def test_what_was_told_does_not_come_again(launches: Launches) -> None:
    for number in range(12):
        launches.add(number)
    names = tuple(f"gpt-{number}" for number in reversed(range(12)))
    told, first = await launches.look()
    assert told == names
    assert 8 * KEPT_BYTES < first < 12 * KEPT_BYTES  # in base64, of the newest eight
    told, again = await launches.look()
    assert told == names
    assert again < 12 * 40


async def test_only_what_is_new_or_has_changed_comes(launches: Launches) -> None:
    folders = [launches.add(number) for number in range(10)]
    await launches.look()
    newest = launches.add(10)
    told, brought = await launches.look()
    assert told[0] == "gpt-10"
    assert KEPT_BYTES < brought < 2 * KEPT_BYTES  # the one that left the newest eight is known
    with (folders[0] / "log").open("a") as log:
        log.write(f"@{T0 + 60} left something\n")
    (newest / "server.log.gz").write_bytes(b"x" * 100)
    os.utime(newest, (T0 + 10, T0 + 10))
    _, brought = await launches.look()
    assert 100 < brought < 2000


async def test_one_alone_is_told_whole(launches: Launches) -> None:
    launches.add(1)
    launches.add(2)
    await launches.look()
    before = launches.shell.brought
    record = await launcher.one_record(launches.shell, "20260101-000000-000001")  # type: ignore[arg-type]
    assert (record.progress.name, record.alive) == ("gpt-1", False)
    assert launches.shell.brought - before > KEPT_BYTES


async def test_a_simulated_box_tells_it_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        await serving(box, gpus=("0",))
        await serving(box, gpus=("1",))
        transport = transport_of(box)
        run, brought = transport.run, []

        async def counted(argv: Sequence[str], **more: Any) -> Completed:
            done = await run(argv, **more)
            brought.append(len(done.stdout))
            return done

        monkeypatch.setattr(transport, "run", counted)
        first, again = [[fact.body for fact in await box.launches()] for _ in range(2)]
        assert first == again
        assert len(first) == 2
        assert brought[1] == 2 * len("@@known 20260101-000000-000001\n") < brought[0]


async def test_a_new_connection_knows_what_the_last_one_was_told(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        await serving(box)
        first = await box.launches()
        await rig.fleet.disconnect("sim-1")
        transport, brought = transport_of(box := await rig.box()), []
        run = transport.run

        async def counted(argv: Sequence[str], **more: Any) -> Completed:
            done = await run(argv, **more)
            brought.append(len(done.stdout))
            return done

        transport.run = counted  # type: ignore[method-assign]
        again = await box.launches()
    assert [fact.body for fact in again] == [fact.body for fact in first]
    assert brought == [len("@@known 20260101-000000-000001\n")]
