"""`upgrade` where it must not come about: the same again, what blocks, somebody else's server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gptoss_tui.cli import upgrade_command
from gptoss_tui.domain.launch import LABEL_LAUNCH, LABEL_SPEC
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.run import SimBox
from tests.cli.conftest import Background, Cli, Result

OLD, NEW = "0.31.0", "0.32.0"


def containers(box: SimBox) -> list[Container]:
    return list(box.world.containers.values())


def ailing(*faults: str) -> object:
    def do(box: SimBox) -> None:
        box.world.profile = replace(box.world.profile, faults=frozenset(faults))

    return do


class Served:
    """gpt-oss-20b on sim-1 by an older version, and what is done to it."""

    def __init__(self, cli: Cli, boxes: Background) -> None:
        self.cli, self.boxes = cli, boxes
        boxes.do(lambda box: box.world.images.add(f"vllm/vllm-openai:v{OLD}"))
        started = self("launch", "--yes", "--wait", "--engine-version", OLD)
        assert started.code == 0, started.err
        (self.container,) = boxes.do(containers)
        self.began = self.container.started

    def __call__(self, command: str, *words: str) -> Result:
        return self.cli(command, "sim-1", "-F", self.boxes.config, *words)

    def upgrade(self, *words: str) -> Result:
        return self("upgrade", "--yes", "--wait", *words)

    @property
    def untouched(self) -> bool:
        there = self.boxes.do(containers) == [self.container]
        return there and self.container.started == self.began and self.container.state == "running"


@pytest.fixture
def served(cli: Cli, warm: Background) -> Served:
    return Served(cli, warm)


def test_the_same_version_again_changes_nothing_unless_forced(served: Served) -> None:
    refused = served.upgrade("--engine-version", OLD)
    assert refused.code == 2
    assert f"gpt-oss-20b runs {OLD} with these flags already." in refused.err
    assert "gptoss-tui restart -F" in refused.err
    assert refused.out == ""  # before any plan is shown
    assert served.untouched
    assert served("upgrade", "--engine-version", OLD, "--dry-run").code == 0
    forced = served.upgrade("--engine-version", OLD, "--force")
    assert forced.code == 0, forced.err
    assert not served.untouched


def test_a_downgrade_is_said_and_done(served: Served) -> None:
    older = "0.17.0"
    served.boxes.do(lambda box: box.world.images.add(f"vllm/vllm-openai:v{older}"))
    done = served.upgrade("--engine-version", older)
    assert done.code == 0, done.err
    assert "It is older than what runs." in done.out
    assert "without --shutdown-timeout 60" in done.out
    (now,) = served.boxes.do(containers)
    assert now.body["Image"] == f"vllm/vllm-openai:v{older}"
    assert "--shutdown-timeout" not in now.arguments
    assert any(f"vLLM API server version {older}" in text for _, text in now.log)


def test_a_driver_too_old_for_the_image_stops_it_before_the_server_is_touched(
    served: Served,
) -> None:
    served.boxes.do(ailing("driver_old"))  # type: ignore[arg-type]
    image = f"vllm/vllm-openai:v{NEW}"
    refused = served.upgrade("--engine-version", NEW, "--image", image)
    assert refused.code == 4
    assert f"is too old for {image}: it is built for CUDA 13" in refused.err
    assert served.untouched
    words = ("--gpu-ids", "1", "--yes", "--engine-version", NEW, "--image", image)
    assert served("launch", *words).err == refused.err  # in the same words


@pytest.mark.parametrize("fault", ["no_toolkit", "no_gpu", "driver_mismatch"])
def test_what_blocks_a_launch_blocks_an_upgrade_in_the_same_words(
    served: Served, fault: str
) -> None:
    served.boxes.do(ailing(fault))  # type: ignore[arg-type]
    launched = served("launch", "--gpu-ids", "1", "--yes", "--engine-version", OLD)
    upgraded = served.upgrade("--engine-version", NEW, "--force")
    assert launched.code == 4, launched.out
    assert (upgraded.code, upgraded.err) == (launched.code, launched.err)
    assert served.untouched


def test_two_operators_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has planned for a server that the first one replaces before he says yes."""

    def slow(*_: object) -> bool:
        def replaced(box: SimBox) -> None:
            labels = served.container.body["Labels"]
            spec = json.loads(labels[LABEL_SPEC])
            spec |= {"launch_id": "20260304-120000-00beef", "created_by": "bob@desk"}
            labels |= {LABEL_SPEC: json.dumps(spec), LABEL_LAUNCH: spec["launch_id"]}

        served.boxes.do(replaced)
        return True

    monkeypatch.setattr(upgrade_command, "agreed", slow)
    refused = served.upgrade("--engine-version", NEW)
    assert refused.code == 4
    assert "gpt-oss-20b was replaced meanwhile by bob@desk" in refused.err
    assert served.untouched


def test_a_server_that_does_not_run_is_launched_anew_instead(served: Served) -> None:
    served.boxes.do(lambda box: box.world.stop(served.container))
    refused = served.upgrade("--engine-version", NEW)
    assert refused.code == 4
    assert "gpt-oss-20b does not run: there is nothing to go back to." in refused.err
    assert served.boxes.do(containers) == [served.container]


def test_nonsense_is_refused_in_a_sentence(served: Served) -> None:
    for words, said in (
        (("--engine-version", "newest"), "'newest' is no vLLM version."),
        (("--engine-version", NEW, "--image", "No Image"), "'No Image' is no image name."),
        (("--engine-version", NEW, "--image", "ollama/ollama:0.13.3"), "is an image of Ollama"),
    ):
        refused = served.upgrade(*words)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert served.untouched
