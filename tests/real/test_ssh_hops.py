"""Real OpenSSH behind real jump hosts: networks that can only be reached through one another."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.errors import AuthError, ChangedHostKeyError, GptossError, UnreachableError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.keeper import Keeper
from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer
from gptoss_tui.remote.target import parse_target
from tests.real.box import Kind, RealBox, real_box
from tests.real.cli import Cli
from tests.real.faults import eventually
from tests.remote.ssh_parts import Person
from tests.remote.support import paths_in

BARE = Kind(docker=False, gpu_runtime=False)
BOXES = 32
MAX_STARTUPS = "10:30:60"


@pytest.fixture(scope="module")
def chain(_parts: Path) -> Iterator[tuple[RealBox, RealBox, RealBox]]:
    """Three boxes in a row: the second hangs on the first, the third on the second."""
    with ExitStack() as stack:
        outer, inner, last = (stack.enter_context(real_box(1, BARE)) for _ in range(3))
        _cable(outer, inner, 1)
        _cable(inner, last, 2)
        yield outer, inner, last


def _cable(one: RealBox, two: RealBox, number: int) -> None:
    subprocess.run(
        ["ip", "link", "add", f"hop{number}", "netns", str(one.pid), "type", "veth",
         "peer", "name", f"hop{number}", "netns", str(two.pid)],
        check=True,
    )  # fmt: skip
    for box, end in ((one, 1), (two, 2)):
        box.run("ip", "address", "add", f"198.19.{number}.{end}/30", "dev", f"hop{number}")
        box.run("ip", "link", "set", f"hop{number}", "up")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _rewrite(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new, 1))


def _put_before(file: Path, text: str) -> None:
    file.write_text(text + file.read_text())


def _host(name: str, box: RealBox, address: str, port: int, *lines: str) -> str:
    own = "".join(f"  {line}\n" for line in (*lines, f"IdentityFile {box.folder}/id"))
    return f"Host {name}\n  HostName {address}\n  Port {port}\n  User root\n{own}"


@pytest.fixture
def config(chain: tuple[RealBox, RealBox, RealBox], tmp_path: Path) -> Iterator[Path]:
    """`last` behind `inner` behind `outer`, none of which but `outer` can be reached from here."""
    outer, inner, last = chain
    outer.sshd(2200, MaxStartups=MAX_STARTUPS)
    inner.sshd(2201, ListenAddress="198.19.1.2")
    last.sshd(2202, ListenAddress="198.19.2.2")
    file = tmp_path / "config"
    file.write_text(
        _host("outer", outer, outer.address, 2200)
        + _host("inner", inner, "198.19.1.2", 2201, "ProxyJump outer")
        + _host("last", last, "198.19.2.2", 2202, "ProxyJump inner")
        + f"Host *\n  UserKnownHostsFile {tmp_path}/known_hosts\n  IdentityAgent none\n"
    )
    yield file
    for box in chain:
        for server in box._servers:
            box.run("kill", server, check=False)
        box._servers.clear()


@asynccontextmanager
async def dialing(config: Path, *, accept_new: bool = True) -> AsyncIterator[Dialer]:
    options = ConnectOptions(config.parent / "own", config, accept_new=accept_new)
    dialer = Dialer(options)
    try:
        yield dialer
    finally:
        for opened in dialer.opened.values():
            opened.connection.close()
            await opened.connection.wait_closed()
        await dialer.aclose()


async def test_two_jump_hosts(chain: tuple[RealBox, RealBox, RealBox], config: Path) -> None:
    logs = [box.log_of_sshd(port) for box, port in zip(chain, (2200, 2201, 2202), strict=True)]
    async with dialing(config) as dialer:
        opened = await dialer.connect("last", parse_target("last"))
        assert opened.hops == ("outer", "inner")
        done = await opened.connection.run("ip -o address show hop2")
        assert "198.19.2.2" in str(done.stdout)
        await dialer.connect("inner", parse_target("inner"))
    assert [log.count("Accepted publickey") for log in logs] == [1, 2, 1]
    assert len((config.parent / "own").read_text().splitlines()) == 3  # each one's key was judged


async def test_a_changed_key_of_the_second_hop_ends_it_there(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    outer, _, last = chain
    wrong = " ".join((outer.folder / "host_key.pub").read_text().split()[:2])
    (config.parent / "known_hosts").write_text(f"[198.19.1.2]:2201 {wrong}\n")
    log = last.log_of_sshd(2202)
    async with dialing(config) as dialer:
        with pytest.raises(ChangedHostKeyError) as refusal:
            await dialer.connect("last", parse_target("last"))
    assert f"{config.parent}/known_hosts line 1" in refusal.value.message
    assert "ssh-keygen -R '[198.19.1.2]:2201'" in refusal.value.next_step
    assert log.count("Connection from") == 0
    # What the sentence says to run does away with it.
    _run("ssh-keygen", "-R", "[198.19.1.2]:2201", "-f", f"{config.parent}/known_hosts")
    async with dialing(config) as dialer:
        await dialer.connect("last", parse_target("last"))


async def test_hashed_names_as_ssh_keygen_writes_them(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    known = config.parent / "known_hosts"
    lines = [
        f"{name} {' '.join((box.folder / 'host_key.pub').read_text().split()[:2])}\n"
        for box, name in zip(
            chain,
            (f"[{chain[0].address}]:2200", "[198.19.1.2]:2201", "[198.19.2.2]:2202"),
            strict=True,
        )
    ]
    known.write_text("".join(lines))
    _run("ssh-keygen", "-H", "-f", str(known))
    assert "198.19" not in known.read_text()
    async with dialing(config, accept_new=False) as dialer:
        await dialer.connect("last", parse_target("last"))


async def test_an_encrypted_key_of_ssh_keygen(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    outer = chain[0]
    key = config.parent / "locked"
    key.write_bytes((outer.folder / "id").read_bytes())
    key.chmod(0o600)
    _run("ssh-keygen", "-q", "-p", "-P", "", "-N", "hush", "-f", str(key))
    _rewrite(config, f"{outer.folder}/id\n", f"{key}\n")
    person = Person("wrong", "hush")
    dialer = Dialer(ConnectOptions(config.parent / "own", config, accept_new=True), lambda: person)
    opened = await dialer.connect("outer", parse_target("outer"))
    assert [request.again for request in person.asked] == [False, True]
    opened.connection.close()
    await opened.connection.wait_closed()


async def test_a_server_that_wants_no_more_wrong_keys(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    chain[0].sshd(2203, MaxAuthTries="2")
    for number in range(4):
        file = config.parent / f"key{number}"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file))
    keys = "".join(f"  IdentityFile {config.parent}/key{number}\n" for number in range(4))
    _put_before(
        config, f"Host strict\n  HostName {chain[0].address}\n  Port 2203\n  User root\n{keys}"
    )
    async with dialing(config) as dialer:
        with pytest.raises(AuthError, match="Too many authentication failures"):
            await dialer.connect("strict", parse_target("strict"))


async def test_a_jump_host_that_may_not_forward(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    chain[0].sshd(2204, AllowTcpForwarding="no")
    _rewrite(config, "Port 2200", "Port 2204")
    async with dialing(config) as dialer:
        with pytest.raises(UnreachableError, match="jump host could not reach"):
            await dialer.connect("inner", parse_target("inner"))


async def test_32_boxes_behind_one_bastion(
    chain: tuple[RealBox, RealBox, RealBox], config: Path
) -> None:
    """As the app keeps them: all come up, and again after the bastion dropped them all."""
    outer, inner, _ = chain
    ports = range(3000, 3000 + BOXES)
    for port in ports:
        inner.sshd(port, ListenAddress="198.19.1.2", MaxStartups=MAX_STARTUPS)
    hosts = (_host(f"b{port}", inner, "198.19.1.2", port, "ProxyJump outer") for port in ports)
    _put_before(config, "".join(hosts))
    bastion = outer.log_of_sshd(2200)
    logs = [inner.log_of_sshd(port) for port in ports]
    options = FleetOptions(config_file=config, accept_new=True, with_local=False)
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths_in(config.parent), options) as fleet:
        kept = [WatchedBox(fleet, f"b{port}") for port in ports]
        tasks = [asyncio.create_task(one.run(), name=f"keep {one.name}") for one in kept]
        try:
            for times in (1, 2):
                await eventually("all are up", lambda: all(one.fresh for one in kept), 100)
                assert bastion.count("Connection from") == times
                assert bastion.count("Accepted publickey") == times
                assert [log.count("Connection from") for log in logs] == [times] * BOXES
                assert [log.count("Accepted publickey") for log in logs] == [times] * BOXES
                if times == 1:
                    outer.run("pkill", "-9", "-f", "^sshd: root")  # the one that all go through
                    await eventually("all are lost", lambda: all(one.losses for one in kept), 30)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert [error for one in kept for error in one.failures] == []


class WatchedBox:
    """A keeper, and whether figures came since the box is up."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self.fresh = False
        self.losses = 0
        self.failures: list[GptossError] = []
        self._keeper = Keeper(name, fleet, self._watch)
        fleet.hub.tap(self._tap)

    async def run(self) -> None:
        await self._keeper.run(self.failures.append)

    def _tap(self, fact: AnyFact) -> None:
        if fact.box == self.name and isinstance(fact.body, LinkState) and fact.body.phase == "lost":
            self.losses, self.fresh = self.losses + 1, False

    async def _watch(self, box: Box) -> None:
        async with aclosing(cast("Any", box.watch_gpus(Cadence(period_s=10.0)))) as facts:
            async for _ in facts:
                self.fresh = True


def test_check_tells_the_way_and_what_has_no_effect(
    chain: tuple[RealBox, RealBox, RealBox], config: Path, tmp_path: Path
) -> None:
    more = "  ControlMaster auto\n  LocalForward 8080 localhost:80\n  RemoteCommand top\n"
    _rewrite(config, "Host last\n", f"Host last\n{more}")
    cli = Cli(tmp_path / "home")
    (fact,) = cli.json("check", "last", "-F", str(config), "--accept-new", code=1)
    ssh = fact["ssh"]
    assert ssh["hops"] == ["outer", "inner"]
    assert (ssh["host"], ssh["port"], ssh["user"]) == ("198.19.2.2", 2202, "root")
    ignored = {one["directive"]: one for one in ssh["ignored"]}
    assert set(ignored) == {"controlmaster", "localforward", "remotecommand"}
    assert "one connection" in ignored["controlmaster"]["why"]
    assert ignored["localforward"]["value"] == "8080 localhost:80"
    assert ignored["localforward"]["place"].startswith(f"{config} line ")
    assert ssh["fallbacks"] == []


def test_check_tells_of_forbidden_forwarding(
    chain: tuple[RealBox, RealBox, RealBox], config: Path, tmp_path: Path
) -> None:
    chain[0].sshd(2205, AllowTcpForwarding="no")
    _rewrite(config, "Port 2200", "Port 2205")
    cli = Cli(tmp_path / "home")
    (fact,) = cli.json("check", "outer", "-F", str(config), "--accept-new", code=1)
    (fallback,) = fact["ssh"]["fallbacks"]
    assert "AllowTcpForwarding" in fallback
