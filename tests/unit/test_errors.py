"""The sentences of errors, whatever foreign words they end with."""

from __future__ import annotations

import pytest

from gptoss_tui.errors import GptossError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("It answered 500: see the root cause..", "It answered 500: see the root cause."),
        ("It failed: nothing.. What remains: a file.", "It failed: nothing. What remains: a file."),
        ("It said: really?.", "It said: really?"),
        ("It waits ...", "It waits ..."),
        ("Go up: cd ..", "Go up: cd .."),
        ("See a..b and 1.2.3.4.", "See a..b and 1.2.3.4."),
    ],
)  # fmt: skip
def test_a_sentence_ends_with_one_point(said: str, told: str) -> None:
    error = GptossError(said, said)
    assert (error.message, error.next_step) == (told, told)
