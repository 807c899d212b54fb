"""Log lines as they are drawn: vLLM's long head is shortened, a progress bar is drawn once."""

from __future__ import annotations

import pytest

from gptoss_tui.app.widgets.log_text import entry, settled


@pytest.mark.parametrize(
    ("raw", "drawn"),
    [
        (
            "(EngineCore pid=271) INFO 11-25 19:50:17 [default_loader.py:384] Loading took 3 s",
            "19:50:17 INFO Loading took 3 s",
        ),
        ("(APIServer pid=1) INFO:     Started", "INFO:     Started"),
        ("(EngineCore pid=9) ValueError: no", "ValueError: no"),
        ("(EngineCore_DP0 pid=9) WARNING 11-25 01:02:03 [a.py:1] x", "01:02:03 WARNING x"),
        ("a line of somebody else", "a line of somebody else"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_message_comes_first_and_the_whole_line_is_kept(raw: str, drawn: str) -> None:
    line = entry(raw)
    assert (line.text, line.whole) == (drawn, raw)


def test_the_level_is_still_known() -> None:
    line = entry("(EngineCore pid=9) ERROR 11-25 01:02:03 [core.py:1] it broke")
    assert line.ink == "bad"
    assert line.text[slice(*line.level)] == "ERROR"


def test_of_a_progress_bar_only_the_last_state_is_kept() -> None:
    bar = "(EngineCore pid=1) Loading safetensors checkpoint shards: {:3d}% Completed | {}/3"
    lines = [
        "before", bar.format(33, 1), bar.format(66, 2), bar.format(100, 3), "between",
        "Capturing CUDA graphs: 10%|#  | 1/10", "Capturing CUDA graphs: 20%|## | 2/10",
        "80% of nothing", "90% of nothing",
        "Capturing batches (bs=8 avail_mem=6.01 GB):  25%|##  | 1/4",
        "Capturing batches (bs=4 avail_mem=5.97 GB):  50%|#### | 2/4",
    ]  # fmt: skip
    drawn = [line.text for line in settled(entry(line) for line in lines)]
    assert drawn == [
        "before", "Loading safetensors checkpoint shards: 100% Completed | 3/3", "between",
        "Capturing CUDA graphs: 20%|## | 2/10", "80% of nothing", "90% of nothing",
        "Capturing batches (bs=4 avail_mem=5.97 GB):  50%|#### | 2/4",
    ]  # fmt: skip
