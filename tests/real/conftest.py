"""The real parts: one registry and one box for a process, each test leaving the box clean.

Without the parts the tests skip and say why; with GPTOSS_TUI_REQUIRE_REAL=1 they then fail
(tests/require_real.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.box import RealBox, real_box
from tests.real.cli import Cli
from tests.real.parts import lab, missing
from tests.real.registry import registry
from tests.real.relay import Relay

HERE = Path(__file__).parent
VLLM = ("test_app", "test_drain", "test_serve", "test_vllm_flags", "test_vllm_kv")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)
            # In one process: what a file starts for its tests; and never two real vLLMs at a time.
            group = "vllm" if item.path.stem in VLLM else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))  # a busy machine pulls and loads slowly


@pytest.fixture(scope="session")
def _parts() -> Path:
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = lab()
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def relay(_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The way to the registry, which a test can close."""
    with (
        registry(_parts / "registry", tmp_path_factory.mktemp("registry")) as port,
        Relay("0.0.0.0", ("127.0.0.1", port)) as opened,  # the box comes from its own network
    ):
        yield opened


@pytest.fixture(scope="session")
def _box(relay: Relay) -> Iterator[RealBox]:
    with real_box(relay.port) as started:
        yield started


@pytest.fixture
def box(_box: RealBox, relay: Relay) -> Iterator[RealBox]:
    yield _box
    relay.release()
    _box.clear()


@pytest.fixture
def ssh(box: RealBox, tmp_path: Path) -> Iterator[Cli]:
    """`gptoss-tui` on the laptop; its box is called `box` (with -F ssh_config)."""
    cli = Cli(tmp_path)
    yield cli
    cli.end()


@pytest.fixture
def local(box: RealBox, tmp_path: Path) -> Iterator[Cli]:
    """`gptoss-tui` run on the box itself; its box is called `local`."""
    cli = Cli(tmp_path, box.enter(), box.environment())
    yield cli
    cli.end()
