"""What must never happen: a secret in sight, a box's escape sequence on screen, a forbidden change."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gptoss_tui.domain.chat import ChatMessage, ChatRequest
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import EngineError, NotFoundError, ReadOnlyError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.sim.docker_api import inspect
from gptoss_tui.sim.shell import Shell
from tests.remote.support import (
    WARM,
    Rig,
    bodies,
    fleet_of,
    opened,
    serving,
    simulated,
    spec_on,
    taken,
    until,
    watched,
)

HI = ChatRequest(messages=(ChatMessage(role="user", content="hi"),))
HF_TOKEN = "hf_TopSecretTokenOfTheUser"
API_KEY = "sk-top-secret-api-key"
# Sets the title, wipes the screen, paints, breaks the line, writes the clipboard, turns text round.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r\n\x1b]52;c;ZXZpbA==\x07\x9b5n\u202eevil\x00"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every command line that the box is given from now on."""
    seen: list[str] = []
    run = Shell.run

    async def remember(shell: Shell, command: str) -> int:
        seen.append(command)
        return await run(shell, command)

    monkeypatch.setattr(Shell, "run", remember)
    return seen


def unclean(text: str) -> list[str]:
    """The characters of `text` that may not reach a terminal."""
    allowed = {"\n", "\t"}
    return [char for char in text if not char.isprintable() and char not in allowed]


def texts(value: Any) -> Iterator[str]:
    """Every string in a fact's body."""
    plain = msgspec.to_builtins(value)
    queue = [plain]
    while queue:
        item = queue.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            queue += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            queue += item


async def test_secrets_are_seen_nowhere(rig: Rig, commands: list[str]) -> None:
    box, world = await rig.box(), rig.sim.boxes[0].world
    facts: list[AnyFact] = []
    rig.fleet.hub.tap(facts.append)
    spec = await spec_on(box, api_key=True, has_token=True)
    await box.launch(spec, Secrets(hf_token=Secret(HF_TOKEN), api_key=Secret(API_KEY)))
    await watched(box, spec.launch_id)
    await bodies(box.chat(spec.name, HI, Secret(API_KEY)))
    await bodies(box.logs(spec.name, tail=None))
    await box.instances()
    container = next(iter(world.containers.values()))
    places = {
        "commands": "\n".join(commands),
        "environment, arguments, labels": json.dumps(inspect(container)),
        "container log": "\n".join(text for _, text in container.log),
        "launch log": "".join(launch.log.decode() for launch in world.launches.values()),
        "launch variables": repr([launch.variables for launch in world.launches.values()]),
        "facts": "\n".join(text for fact in facts for text in texts(fact.body)),
        "spec": msgspec.json.encode(spec).decode(),
    }
    assert len(commands) >= 3
    assert len(facts) > 10
    leaks = [name for name, text in places.items() if HF_TOKEN in text or API_KEY in text]
    assert leaks == []
    # … but they did arrive, as files in the container, and the launch's own copy is gone.
    assert container.files["run/gptoss-tui/hf_token"] == HF_TOKEN.encode()
    assert container.files["run/gptoss-tui/api_key"] == API_KEY.encode()
    assert [launch.secrets for launch in world.launches.values()] == [None]


async def test_without_secrets_none_are_handed_over(rig: Rig) -> None:
    await serving(await rig.box())
    assert next(iter(rig.sim.boxes[0].world.containers.values())).files == {}


async def test_a_wrong_key_is_not_repeated_in_the_error(box: Box) -> None:
    await serving(box, Secrets(api_key=Secret(API_KEY)), api_key=True)
    with pytest.raises(EngineError) as caught:
        await bodies(box.chat("gpt-oss-20b", HI, Secret("sk-the-wrong-one")))
    assert "sk-" not in str(caught.value)
    assert "sk-" not in json.dumps(caught.value.as_dict())


def test_secrets_print_as_stars() -> None:
    secrets = Secrets(hf_token=Secret(HF_TOKEN), api_key=Secret(API_KEY))
    assert f"{secrets} {secrets!r}" == "Secrets(***) Secrets(***)"


async def test_hostile_names_labels_and_images_come_out_clean(rig: Rig) -> None:
    box, world = await rig.box(), rig.sim.boxes[0].world
    facts: list[AnyFact] = []
    rig.fleet.hub.tap(facts.append)
    body = {
        "Image": f"vllm/vllm-openai:{HOSTILE}",
        "Cmd": [f"openai/gpt-oss-20b{HOSTILE}"],
        "Labels": {"io.gptoss-tui.spec": HOSTILE, "io.gptoss-tui.launch": HOSTILE},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "", "HostPort": "9000"}]}},
    }
    container = world.create(f"evil{HOSTILE}", body)
    world.start(container)
    container.say(world.clock.now(), HOSTILE)
    container.say(world.clock.now(), "x" * 300_000)
    await until(lambda: container.engine is not None, "it is up")
    (instance,) = (await box.instances()).body.instances
    assert instance.name == "evilred evil"
    assert instance.managed is False
    assert "\x1b" not in (instance.image or "")
    lines = await bodies(box.logs(instance.name, tail=None))
    assert any("red" in line.text for line in lines)
    assert max(len(line.text) for line in lines) <= 64 * 1024
    await taken(box.watch_engine(instance.name, Cadence(period_s=0.01)), 1)
    with pytest.raises(NotFoundError) as caught:
        await box.stop("nobody")
    assert "(there: evilred evil)" in caught.value.message
    assert unclean(str(caught.value)) == []
    dirty = [text for fact in facts for text in texts(fact.body) if unclean(text)]
    assert dirty == []


async def test_a_hostile_box_comes_out_clean_in_everything_it_says(tmp_path: Path) -> None:
    profile = replace(WARM, hostname=f"host{HOSTILE}", faults=frozenset({"hostile_text"}))
    async with simulated(tmp_path, profile) as rig:
        box = await rig.box()
        facts: list[AnyFact] = []
        rig.fleet.hub.tap(facts.append)
        report = (await box.look()).body
        await taken(box.watch_gpus(Cadence()), 3)
        await serving(box)
        lines = await bodies(box.logs("gpt-oss-20b", tail=None))
        pieces = await bodies(box.chat("gpt-oss-20b", HI))
    assert report.gpus[0].name == "NVIDIA H100 80GB HBM3 [/x]"  # markup is no concern here
    assert report.hostname.startswith("host")
    odd = next(line.text for line in lines if "not markup" in line.text)
    assert odd.endswith("[/bold] {not markup}  bad \ufffd byte")
    answer = "".join(piece.text for piece in pieces[:-1] if piece.channel == "answer")
    # The sequence came in several pieces: its litter stays, its effect does not.
    assert "[bold]not markup[/x] Hello! The connection works end to end" in answer
    assert unclean(answer) == []
    dirty = [text for fact in facts for text in texts(fact.body) if unclean(text)]
    assert dirty == []


async def test_a_hostile_launch_log_comes_out_clean(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=1.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        launch = next(iter(rig.sim.boxes[0].world.launches.values()))
        launch.log += (
            b"@1 left " + HOSTILE.encode().replace(b"\n", b"") + b"\n@x y\n{broken\n\xff\n"
        )
        progress = (await box.launches())[0].body
    assert progress.state == "running"
    assert progress.leftovers
    assert [text for text in texts(progress) if unclean(text)] == []


async def test_a_read_only_box_can_be_watched(rig: Rig, tmp_path: Path) -> None:
    await serving(await rig.box())
    async with fleet_of(rig.sim, tmp_path / "other", read_only=True) as fleet:
        box = await fleet.connect("sim-1")
        assert fleet.read_only
        assert (await box.look()).body.gpus
        assert (await box.engine("gpt-oss-20b")).body.healthy
        assert await bodies(box.logs("gpt-oss-20b", tail=1))
        assert len(await box.launches()) == 1
        assert len(await taken(box.watch_gpus(Cadence()), 2)) == 2


async def test_a_read_only_box_cannot_be_changed(
    rig: Rig, tmp_path: Path, commands: list[str]
) -> None:
    spec = await serving(await rig.box())
    async with fleet_of(rig.sim, tmp_path / "other", read_only=True) as fleet:
        box = await fleet.connect("sim-1")
        commands.clear()
        with pytest.raises(ReadOnlyError) as caught:
            await box.launch(spec, Secrets())
        with pytest.raises(ReadOnlyError):
            await box.stop(spec.name)
        with pytest.raises(ReadOnlyError):
            await box.cancel(spec.launch_id)
        with pytest.raises(ReadOnlyError):
            box.forward(spec.name)
        with pytest.raises(ReadOnlyError):
            box.chat(spec.name, HI)
        assert commands == []  # nothing even reached the box
    assert "--read-only" in caught.value.next_step
    assert len(rig.sim.boxes[0].world.containers) == 1


async def test_commands_are_words_and_never_shell(rig: Rig, commands: list[str]) -> None:
    """A name that would be a command if anybody put it into a shell line."""
    box = await rig.box()
    nasty = "$(touch /tmp/pwned); `id` '\"\n"
    with pytest.raises(NotFoundError):
        await watched(box, nasty)
    with pytest.raises(NotFoundError):
        async with opened(box.logs(nasty)) as lines:
            await anext(lines)
    given = [shlex.split(command) for command in commands]
    assert any(nasty in words for words in given)
    assert all(words[0] == "sh" and words[1] == "-c" for words in given)
