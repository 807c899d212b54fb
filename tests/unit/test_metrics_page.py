"""A metrics page read by its series: the same samples as the library reads, whatever the labels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gptoss_tui.domain.engines.prometheus import families

WANTED = frozenset({"vllm:running", "vllm:tokens", "vllm:ttft_seconds"})
NAMES = ("vllm:running", "vllm:tokens_total", "vllm:ttft_seconds_bucket", "vllm:ttft_seconds_sum",
         "vllm:other", "process_cpu_seconds_total")  # fmt: skip

_text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
_values = st.one_of(st.floats(allow_nan=False), st.sampled_from((math.inf, -math.inf, 0.0)))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


@st.composite
def lines(draw: st.DrawFn) -> str:
    labels = draw(st.dictionaries(st.sampled_from(("le", "engine", "model_name")), _text))
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    value = draw(_values)
    shown = "+Inf" if value == math.inf else "-Inf" if value == -math.inf else repr(value)
    stamp = draw(st.sampled_from(("", " 1700000000000")))
    return draw(st.sampled_from(NAMES)) + (f"{{{inside}}}" if labels else "") + f" {shown}{stamp}"


@given(st.lists(lines(), max_size=12))
def test_the_samples_are_those_of_the_library(page: list[str]) -> None:
    read = families("\n".join(["# HELP vllm:running Requests.", *page]), WANTED)
    ours = sorted((s.name, sorted(s.labels.items()), s.value) for ss in read.values() for s in ss)
    theirs = sorted(
        (sample.name, sorted(sample.labels.items()), sample.value)
        for family in text_string_to_metric_families("\n".join(page) + "\n")
        for sample in family.samples
        if sample.name.startswith("vllm:") and sample.name != "vllm:other"
    )
    assert ours == theirs


@pytest.mark.parametrize(
    "line",
    ["vllm:running", "vllm:running ", "vllm:running one", "vllm:running{", 'vllm:running{a="1"',
     'vllm:running{a="1} 2', "vllm:running{a=1} 2"],
)  # fmt: skip
def test_a_torn_line_is_left_out_and_the_others_count(line: str) -> None:
    read = families(f"vllm:tokens_total 5\n{line}\nvllm:tokens_total 7\n", WANTED)
    assert [sample.value for sample in read["vllm:tokens"]] == [5, 7]
    assert not read.get("vllm:running")


def test_a_value_is_read_anew_where_the_series_is_known() -> None:
    line = 'vllm:running{model_name="m"} '
    seen = [families(line + str(value), WANTED)["vllm:running"][0].value for value in (1, 2, 3)]
    assert seen == [1, 2, 3]
