"""Jump hosts: one connection to each, shared; each with its own config and host key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gptoss_tui.domain.facts import Hub
from gptoss_tui.errors import AuthError, BoxError, UnknownHostKeyError, UnreachableError
from gptoss_tui.remote import link
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.remote.target import Target
from tests.remote.ssh_parts import PASSWORD, Door, Laptop, Person, laptop, opened
from tests.remote.support import paths_in, until

BOXES = 32


def _behind(made: Laptop, bastion: Door, *boxes: Door, jump: str = "bastion") -> None:
    """Boxes b0 … behind the bastion, all known."""
    for door in (bastion, *boxes):
        made.knows(door)
    key = f"IdentityFile {made.folder}/id"
    text = made.host("bastion", bastion, key)
    for number, door in enumerate(boxes):
        text += made.host(f"b{number}", door, key, f"ProxyJump {jump}")
    made.hosts(text)


async def test_32_boxes_behind_one_bastion(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion = Door(keys=(print_,))
        boxes = [Door(keys=(print_,)) for _ in range(BOXES)]
        async with opened(bastion, *boxes):
            _behind(made, bastion, *boxes)
            names = [f"b{number}" for number in range(BOXES)]
            got = await asyncio.gather(*(made.connect(name) for name in names))
            assert (bastion.connections, bastion.logins) == (1, 1)
            assert [(door.connections, door.logins) for door in boxes] == [(1, 1)] * BOXES
            assert {one.hops for one in got} == {("bastion",)}


async def test_two_hops_each_with_its_own_config_and_kept_alive(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        outer, inner, box = Door(keys=(made.key("one"),)), Door(keys=(made.key("two"),)), Door()
        box.keys = (made.key("three"),)
        async with opened(outer, inner, box):
            for door in (outer, inner, box):
                made.knows(door)
            made.hosts(
                made.host("outer", outer, f"IdentityFile {tmp_path}/one", "User ann")
                + made.host("inner", inner, f"IdentityFile {tmp_path}/two", "ProxyJump outer")
                + made.host("box", box, f"IdentityFile {tmp_path}/three", "ProxyJump inner")
                + made.host("same", box, f"IdentityFile {tmp_path}/three", "ProxyJump outer,inner")
            )
            first, second = await made.connect("box"), await made.connect("same")
            assert first.hops == second.hops == ("outer", "inner")
            assert (outer.logins, inner.logins, box.logins) == (1, 1, 2)
            assert [side.get_extra_info("username") for side in outer.sides] == ["ann"]
            for hop in made.dialer.hops._hops.values():
                assert hop.opening is not None
                assert hop.opening.result()._keepalive_interval == link.KEEPALIVE_S


async def test_a_hop_with_an_unknown_key_is_asked_about_and_logged_in_once(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, box = Door(keys=(print_,)), Door(keys=(print_,))
        async with opened(bastion, box):
            _behind(made, bastion, box)
            made.known.write_text("")
            for door in (bastion, box):
                with pytest.raises(UnknownHostKeyError) as refusal:
                    await made.connect("b0")
                assert refusal.value.fingerprint == door.host_key.get_fingerprint()
                made.dialer._logins._keep(refusal.value.key)
            await made.connect("b0")
            assert (bastion.logins, box.logins) == (1, 1)


async def test_the_loss_of_a_hop_is_the_loss_of_its_boxes_and_is_mended_once(
    tmp_path: Path,
) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, one, two = (Door(keys=(print_,)) for _ in range(3))
        async with opened(bastion, one, two):
            _behind(made, bastion, one, two)
            before = [await made.connect(name) for name in ("b0", "b1")]
            bastion.sides[0].abort()
            await until(lambda: all(one.connection.is_closed() for one in before), "the boxes went")
            assert len(made.dialer.hops) == 0
            await asyncio.gather(made.connect("b0"), made.connect("b1"))
            assert bastion.logins == 2


async def test_a_hop_ends_after_its_last_box(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.dialer.hops._linger_s = 0.05
        print_ = made.key()
        bastion, one, two = (Door(keys=(print_,)) for _ in range(3))
        async with opened(bastion, one, two):
            _behind(made, bastion, one, two)
            first, second = [await made.connect(name) for name in ("b0", "b1")]
            first.connection.close()
            await first.connection.wait_closed()
            await asyncio.sleep(0.15)
            assert len(made.dialer.hops) == 1
            second.connection.close()
            await until(lambda: len(made.dialer.hops) == 0, "the hop is given up")
            await asyncio.wait_for(bastion.sides[0].wait_closed(), 5)


async def test_a_hop_that_refuses_refuses_all_who_wait_once(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.key()
        bastion, *boxes = (Door(methods=("password",)) for _ in range(6))
        async with opened(bastion, *boxes):
            _behind(made, bastion, *boxes)
            person = made.prompter = Person(None)
            ended = await asyncio.gather(
                *(made.connect(f"b{n}") for n in range(5)), return_exceptions=True
            )
            assert [type(error) for error in ended] == [AuthError] * 5
            assert len(person.asked) == 1
            assert "bastion" in person.asked[0].title
            assert bastion.connections == 1
            assert len(made.dialer.hops) == 0


async def test_whoever_gives_up_while_a_hop_is_opened_ends_it_for_nobody_else(
    tmp_path: Path,
) -> None:
    async with laptop(tmp_path) as made:
        bastion, box = Door(methods=("password",)), Door(keys=(made.key(),))
        async with opened(bastion, box):
            _behind(made, bastion, box)
            person = made.prompter = Person(PASSWORD)
            typed = asyncio.get_running_loop().create_future()
            person.before = lambda: asyncio.ensure_future(asyncio.shield(typed))
            first = asyncio.create_task(made.connect("b0", "first"))
            await until(lambda: bool(person.asked), "the bastion asks")
            second = asyncio.create_task(made.connect("b0", "second"))
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            typed.set_result(None)
            await second
            assert bastion.logins == 1


async def test_forbidden_forwarding_names_the_jump_host(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, box = Door(keys=(print_,), forwards=False), Door(keys=(print_,))
        async with opened(bastion, box):
            _behind(made, bastion, box)
            with pytest.raises(UnreachableError) as refusal:
                await made.connect("b0")
            assert "jump host" in refusal.value.message
            assert box.connections == 0


async def test_jump_hosts_in_a_circle_are_a_sentence(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.hosts("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
        with pytest.raises(BoxError, match="in a circle"):
            await made.connect("a")


async def test_no_hop_is_kept_for_a_chain_that_fails_behind_it(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.dialer.hops._linger_s = 0.05
        first = Door(keys=(made.key(),))
        async with opened(first):
            made.knows(first)
            made.hosts(
                made.host("first", first, f"IdentityFile {tmp_path}/id")
                + "Host second\n  Port 99999\nHost box\n  ProxyJump first,second\n"
            )
            for _ in range(3):
                with pytest.raises(BoxError, match="99999"):
                    await made.connect("box")
            await until(lambda: len(made.dialer.hops) == 0, "the first hop is given up")
            assert first.logins == 1


async def test_no_hop_is_kept_for_a_chain_whose_reading_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with laptop(tmp_path) as made:
        made.dialer.hops._linger_s = 0.05
        first = Door(keys=(made.key(),))
        async with opened(first):
            made.knows(first)
            made.hosts(
                made.host("first", first, f"IdentityFile {tmp_path}/id")
                + "Host box\n  ProxyJump first,second\n"
            )
            resolve = made.dialer._resolve
            reached = asyncio.Event()

            async def stuck(target: Target, identity: str | None) -> Config:
                if target.host == "second":
                    reached.set()
                    await asyncio.get_running_loop().create_future()
                return await resolve(target, identity)

            monkeypatch.setattr(made.dialer, "_resolve", stuck)
            connecting = asyncio.create_task(made.connect("box"))
            await reached.wait()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await until(lambda: len(made.dialer.hops) == 0, "the first hop is given up")


async def test_a_silent_hop_is_given_up_as_a_silent_box_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "DEGRADED_S", 0.1)
    monkeypatch.setattr(link, "LOST_S", 0.3)
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, box = Door(keys=(print_,)), Door(keys=(print_,))
        async with opened(bastion, box):
            _behind(made, bastion, box)
            first = await made.connect("b0")
            transport = bastion.sides[0]._transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()  # the network forgot the connection: nothing is answered
            await until(first.connection.is_closed, "the box is lost with its hop")
            assert len(made.dialer.hops) == 0
            await made.connect("b0")
            assert (bastion.logins, box.logins) == (2, 2)


async def test_a_box_that_was_given_up_is_told_nothing_of_its_hop(tmp_path: Path) -> None:
    """Another one waits for the hop; what it asks is no state of who is not connecting any more."""
    bastion, box = Door(methods=("password",)), Door(methods=("password",))
    async with opened(bastion, box), laptop(tmp_path) as made:
        for door in (bastion, box):
            made.knows(door)
        text = made.host("bastion", bastion)
        text += "".join(made.host(name, box, "ProxyJump bastion") for name in ("one", "two"))
        made.hosts(text)
        said: list[tuple[str, str]] = []
        hub = Hub(lambda: datetime.now(UTC))
        hub.tap(lambda fact: said.append((fact.box, getattr(fact.body, "phase", ""))))
        options = FleetOptions(config_file=made.config, with_local=False)
        async with Fleet(hub, paths_in(tmp_path), options) as fleet:
            person = fleet.prompter = Person(PASSWORD, PASSWORD)
            typed = asyncio.get_running_loop().create_future()
            person.before = lambda: asyncio.ensure_future(asyncio.shield(typed))
            first = asyncio.create_task(fleet.connect("one"))
            await until(lambda: ("one", "needs_you") in said, "the bastion asks")
            second = asyncio.create_task(fleet.connect("two"))
            dialer = fleet._dialer
            assert dialer is not None
            await until(
                lambda: [hop.users for hop in dialer.hops._hops.values()] == [2], "both wait"
            )
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            before = [phase for name, phase in said if name == "one"]
            typed.set_result(None)
            await second
            assert [phase for name, phase in said if name == "one"] == before
            assert bastion.logins == 1
