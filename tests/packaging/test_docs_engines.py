"""The tables of docs/engines.md that are of SGLang and Ollama say what the code says."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.engines import sglang_metrics
from gptoss_tui.domain.engines.parts import VOCABULARY_MOUNT, WEIGHTS_MOUNT
from gptoss_tui.domain.engines.registry import ENGINES
from tests.packaging.documents import ROOT, table, ticked

TEXT = (ROOT / "docs" / "engines.md").read_text("utf-8")


@pytest.mark.parametrize("place", [2, 3])
def test_the_table_of_engines(place: int) -> None:
    engine = list(ENGINES.values())[place - 1]
    rows = {row[0]: row[place] for row in table(TEXT, "What | vLLM")}
    assert engine.image(engine.default_version) in ticked(rows["image"])
    assert str(engine.container_port) in ticked(rows["port in the container"])
    assert engine.health_path in ticked(rows["health"])
    assert engine.cache_mount in ticked(rows["model folder"])
    assert (engine.metrics_path is None) == (rows["metrics"] == "none")
    assert engine.takes_key == (not rows["API key"].startswith("none"))


def test_the_table_of_metrics() -> None:
    rows = table(TEXT, "Figure")
    assert {name for row in rows for name in ticked(row[2])} == sglang_metrics._WANTED


def test_the_mounts() -> None:
    assert f"`{WEIGHTS_MOUNT}`" in TEXT
    assert f"`{VOCABULARY_MOUNT}`" in TEXT
