"""The whole job in the app, on a real box with a real vLLM, by the keys shown on screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptoss_tui.cli.session import new_hub
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.paths import paths
from tests.app.support import at_app
from tests.real.box import RealBox
from tests.real.test_serve import ANSWER


@pytest.mark.timeout(500)
async def test_connect_launch_chat_and_stop(
    box: RealBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    monkeypatch.delenv("TMUX", raising=False)
    seen = box.log_of_sshd()
    options = FleetOptions(config_file=box.ssh_config, with_local=False)
    async with Fleet(new_hub(), paths(), options) as fleet, at_app(fleet, (140, 44)) as operator:
        await operator.sees("box", "○ not contacted")
        await operator.press("enter")
        await operator.sees("● connected", "2 x H100", seconds=30)
        await operator.press("w")
        await operator.at("WizardScreen")
        await operator.sees("✓ fits", "docker run")
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        await operator.sees("http://127.0.0.1:8000/v1", seconds=300)

        await operator.press("d")
        await operator.at("DashboardScreen")
        await operator.sees("41", "Application startup complete", seconds=30)
        await operator.press("c")
        await operator.write("Say hello")
        await operator.press("enter")
        await operator.until(lambda: ANSWER in operator.flat, "the answer", 60)
        await operator.press("ctrl+g", "s")
        await operator.at("AskDialog")
        await operator.press("y")
        await operator.hears("was stopped", seconds=60)

        assert seen.count("^Connection from") == seen.count("^Accepted publickey") == 1
        assert seen.most_sessions_at_once() <= 6
    assert box.containers() == []
