"""The planner's KV arithmetic against vLLM's own code: every figure, exactly.

A folder of `GPTOSS_TUI_LAB` with another release of vLLM can be compared too, by hand.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.domain.plan.kv import KvSettings, kv_plan, longest_context, null_blocks
from gptoss_tui.domain.plan.models import GIB, MODELS
from gptoss_tui.domain.plan.versions import parse
from tests.real.parts import lab

GRID = Path(__file__).with_name("vllm_kv_grid.py")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = lab()
    python = folder / "vllm/bin/python" if folder else None
    if python is None or not python.exists():
        pytest.skip("GPTOSS_TUI_LAB holds no vLLM: make one by .ci/lab/vllm.sh DIR")
    done = subprocess.run(
        [python, GRID, tmp_path_factory.mktemp("shapes") / "models"],
        capture_output=True,
        text=True,
        timeout=280,  # half a minute where nothing else runs
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_every_figure_of_the_grid_agrees(rows: list[dict[str, Any]]) -> None:
    assert len(rows) > 3000
    different = [row for row in rows if _ours(row) != {key: row[key] for key in _ours(row)}]
    assert different == []


def test_the_grid_holds_what_fits_and_what_does_not(rows: list[dict[str, Any]]) -> None:
    assert {"blocks" in row for row in rows} == {True, False}
    assert {row["model"] for row in rows} == {"20b", "120b"}


def _ours(row: dict[str, Any]) -> dict[str, Any]:
    """The planner's figures for the flags of a row, under the same names."""
    settings = KvSettings(
        model=MODELS[row["model"]],
        version=parse(row["version"]),
        context=row["context"],
        batched_tokens=row["batch"],
        tensor_parallel=row["parallel"],
        kv_cache_dtype="fp8" if row["fp8"] else None,
        block_tokens=row["block"],
        async_scheduling=row["overlapping"],
        hybrid=row["hybrid"],
    )
    made = kv_plan(settings, row["memory"])
    longest = longest_context(settings, row["memory"])
    found: dict[str, Any] = {
        "needed": round(made.needed_gib_for_one_request * GIB),
        "block_bytes": made.block_bytes,
        "longest": longest,
    }
    kept = null_blocks(settings)
    assert kept == 1
    starts = (made.blocks - kept) * made.block_bytes >= found["needed"]
    assert starts == ("blocks" in row)
    if starts:
        return found | {
            "blocks": made.blocks,
            "tokens": made.tokens,
            "concurrency": made.max_concurrency,
        }
    available = row["memory"] - kept * made.block_bytes
    return found | {
        "printed_needed": str(round(made.needed_gib_for_one_request, 2)),
        "printed_available": str(round(available / GIB, 2)),
        "printed_longest": str(longest),
    }
