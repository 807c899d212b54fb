"""`nvidia-smi dmon`: columns by name, rounds by index."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import MIB, GpuSample
from gptoss_tui.domain.parse.dmon import DmonParser, Round

PUM = """\
# gpu    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg    ofa     fb   bar1   ccpm
# Idx      W      C      C      %      %      %      %      %      %     MB     MB     MB
"""
OLD = """\
# gpu   pwr  temp    sm   mem   enc   dec  mclk  pclk
# Idx     W     C     %     %     %     %   MHz   MHz
"""
Rounds = list[tuple[GpuSample, ...]]


def _fed(text: str, parser: DmonParser) -> Rounds:
    return [made.gpus for line in text.splitlines() for made in parser.feed(line)]


def _made(text: str) -> list[Round]:
    parser = DmonParser()
    rounds = [made for line in text.splitlines() for made in parser.feed(line)]
    return [*rounds, *parser.flush()]


def _all(text: str) -> Rounds:
    return [made.gpus for made in _made(text)]


def _row(index: int, power: float = 100) -> str:
    return f"    {index}  {power}  41  45  97  30  0  0  0  0  61000  5  0\n"


def test_every_column_of_pum() -> None:
    [[sample]] = _all(PUM + "    0   438     63     71     97     42      1      2      3      4"
                      "  61234      7      8\n")  # fmt: skip
    assert sample == GpuSample(
        index=0, power_w=438, gpu_temp_c=63, memory_temp_c=71, sm_pct=97, memory_pct=42,
        encoder_pct=1, decoder_pct=2, jpeg_pct=3, optical_flow_pct=4,
        memory_used_bytes=61234 * MIB, bar1_used_bytes=7 * MIB, confidential_used_bytes=8 * MIB,
    )  # fmt: skip


def test_a_dash_is_unknown_and_not_zero() -> None:
    [[sample]] = _all(PUM + "    0     -     63      -      0      -      0      0      -      -"
                      "      0      7      -\n")  # fmt: skip
    assert (sample.power_w, sample.memory_temp_c, sample.memory_pct) == (None, None, None)
    assert (sample.sm_pct, sample.memory_used_bytes) == (0, 0)


def test_old_drivers_have_one_temperature_and_fewer_columns() -> None:
    [[sample]] = _all(OLD + "    0    43    35     0     0     0     0  2505  1075\n")
    assert (sample.power_w, sample.gpu_temp_c, sample.memory_used_bytes) == (43, 35, None)


def test_columns_in_another_order_go_by_their_names() -> None:
    text = (
        "# gpu     fb   bar1     sm    pwr\n# Idx     MB     MB      %      W\n  0  10 20 30 40\n"
    )
    [[sample]] = _all(text)
    assert (sample.memory_used_bytes, sample.sm_pct, sample.power_w) == (10 * MIB, 30, 40)


TIMED = "#Date       Time        gpu    pwr\n#YYYYMMDD   HH:MM:SS    Idx      W\n"


def test_a_round_has_the_time_of_its_first_row() -> None:
    rounds = _made(
        TIMED + " 20261231   23:59:59      0     77\n 20270101   00:00:00      1     78\n"
        " 20270101   00:00:00      0     79\n"
    )
    assert [made.at for made in rounds] == [
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    assert [sample.power_w for made in rounds for sample in made.gpus] == [77, 78, 79]


@pytest.mark.parametrize(
    "text",
    [
        PUM + "    0   438     63     71     97     42      1      2      3      4   61   7   8\n",
        "#Time        gpu    pwr\n 10:11:12      0     77\n",  # of which day?
        TIMED + " 20260230   10:11:12      0     77\n",
        TIMED + " 20260228   10:11:61      0     77\n",
        TIMED + " -   -      0     77\n",
        TIMED + " 99999999999999999999   1:1:1      0     77\n",
    ],
)
def test_a_time_that_is_none_is_unknown(text: str) -> None:
    [made] = _made(text)
    assert made.at is None
    assert len(made.gpus) == 1


def test_a_refusal_is_no_table() -> None:
    parser = DmonParser()
    assert _fed("Invalid combination of input arguments.\nSee gpu options.\n", parser) == []
    assert not DmonParser().began
    _fed(PUM, parser)
    assert parser.began


def test_the_first_round_ends_where_the_second_begins() -> None:
    parser = DmonParser()
    assert _fed(PUM + _row(0) + _row(1), parser) == []
    [first] = _fed(_row(0), parser)
    assert [sample.index for sample in first] == [0, 1]


def test_later_rounds_are_complete_with_their_last_row() -> None:
    parser = DmonParser()
    _fed(PUM + _row(0) + _row(1) + _row(0, 1), parser)
    [second] = _fed(_row(1, 2), parser)
    assert [sample.power_w for sample in second] == [1, 2]
    [third] = _fed(_row(0, 3) + _row(1, 4), parser)
    assert [sample.power_w for sample in third] == [3, 4]
    assert parser.flush() == []


def test_a_resumed_header_and_blank_lines_change_nothing() -> None:
    rounds = _all(PUM + _row(0, 1) + "\n" + PUM + "\n" + _row(0, 2) + PUM + _row(0, 3))
    assert [samples[0].power_w for samples in rounds] == [1, 2, 3]


def test_a_header_with_other_columns_is_taken() -> None:
    rounds = _all(PUM + _row(0, 1) + OLD + "    0   9   35   0   0   0   0  2505  1075\n")
    assert [samples[0].power_w for samples in rounds] == [1, 9]


def test_a_torn_row_is_dropped() -> None:
    rounds = _all(PUM + _row(0, 1) + "    0   99     63\n" + _row(0, 2))
    assert [samples[0].power_w for samples in rounds] == [1, 2]


def test_a_gpu_that_appears_or_goes_costs_no_sample() -> None:
    two, three = _row(0) + _row(1), _row(0) + _row(1) + _row(2)
    rounds = _all(PUM + two + two + three + three + two + two)
    assert sum(len(samples) for samples in rounds) == 14
    assert [len(samples) for samples in rounds][-1] == 2


def test_pmon_and_rows_without_a_header_are_no_gpus() -> None:
    pmon = (
        "# gpu        pid  type    sm   mem   command\n    0     4711     C     9     2  python\n"
    )
    assert _all(pmon) == []
    assert _all(_row(0)) == []
    assert _all(PUM + pmon) == []


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
def test_no_sample_is_lost_or_doubled(gpus: int) -> None:
    rounds = _all(PUM + "".join(_row(i, 10 * r + i) for r in range(4) for i in range(gpus)))
    assert [[s.power_w for s in samples] for samples in rounds] == [
        [10 * r + i for i in range(gpus)] for r in range(4)
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60)))
def test_odd_lines_never_raise(lines: list[str]) -> None:
    parser = DmonParser()
    for line in [*PUM.splitlines(), *lines, "\u00b2 " * 13, "9" * 5000, "0 nan inf" + " 1" * 10]:
        parser.feed(line)
    for sample in [sample for made in parser.flush() for sample in made.gpus]:
        assert sample.power_w is None or math.isfinite(sample.power_w)
