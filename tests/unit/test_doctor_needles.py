"""The quick look for plain words before the expressions: it may never lose a row."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.doctor.needles import Sieve, needles
from gptoss_tui.domain.doctor.rows import row
from gptoss_tui.domain.doctor.table import TABLE
from tests.unit.test_doctor_areas import KNOWN
from tests.unit.test_doctor_sources import SAID


@pytest.mark.parametrize(("pattern", "words"), [
    ("No space left", {"no space left"}),
    (r"[Ff]ailed to (?:load|open) libcuda", {" libcuda"}),
    (r"\b(?:oom-kill|no memory)\b", {"oom-kill", "no memory"}),
    (r"(?i)port\b.{0,30}\b(?:in use|occupied)", {"in use", "occupied"}),
    (r"(?:missing )?(?:one)+ named", {" named"}),
    ("(?<!no )error(?=:)", {"error"}),
    # Nothing is asked for in every text that matches, or too little.
    (r"(?:certain)?\d+", set()),
    (r"\d|long word", set()),
    ("no", set()),
])  # fmt: skip
def test_the_words_of_which_one_is_in_every_match(pattern: str, words: set[str]) -> None:
    assert needles(pattern) == words


def test_no_row_of_the_table_is_asked_at_every_line() -> None:
    assert [one.cause for one in TABLE if not needles(one.words.pattern, one.words.flags)] == []


def test_the_rows_are_those_that_match_whatever_the_case() -> None:
    sieve = Sieve(TABLE)
    for _, line in (*KNOWN, *SAID):
        for said in (line, line.upper(), line.lower()):
            matching = [one for one in TABLE if one.words.search(said)]
            rows = sieve.rows(said)
            assert [one for one in rows if one.words.search(said)] == matching


def test_a_row_without_such_words_is_always_asked() -> None:
    odd, plain = row("killed", r"\d\d"), row("crashed", "long word")
    sieve = Sieve([plain, odd])
    assert sieve.rows("short") == [odd]
    assert sieve.rows("a long word") == [plain, odd]
