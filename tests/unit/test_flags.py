"""The flags of a command line, held against argparse itself, which the engines read them with."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.engines.flags import (
    changes,
    flags_of,
    human_int,
    human_int_or_auto,
    parts_of,
    value_of,
    without,
)

VALUED = {
    "--max-model-len": ("--max-model-len", "--max_model_len"),
    "--tensor-parallel-size": ("--tensor-parallel-size", "-tp"),
    "--quantization": ("--quantization", "-q"),
}
SWITCHES = ("--async-scheduling", "--enable-prefix-caching")
MODEL = "openai/gpt-oss-20b"


def argparse_reads(command: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model", nargs="?")
    for name, written in VALUED.items():
        parser.add_argument(name, *written[1:])
    for name in SWITCHES:
        parser.add_argument(name, action=argparse.BooleanOptionalAction)
    return parser.parse_args(command)


def plain(text: str) -> bool:
    """What argparse takes for a value behind a flag, whatever stands there."""
    return not text.startswith("-")


words = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1)
values = words.filter(plain) | st.sampled_from(("-1", "-0.5", "a b", "--x y", "x=y", "-"))


@st.composite
def flags(draw: st.DrawFn) -> list[str]:
    """One flag in one of the forms that it may be written in."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(SWITCHES))
        return [draw(st.sampled_from((name, name.replace("--", "--no-", 1))))]
    written = draw(st.sampled_from([word for forms in VALUED.values() for word in forms]))
    if written == "-q" and draw(st.booleans()):
        return [f"-q{draw(words.filter(lambda text: '=' not in text and plain(text)))}"]
    if draw(st.booleans()):
        return [f"{written}={draw(words)}"]
    return [written, draw(values)]


@given(st.booleans(), st.lists(flags()))
def test_flags_are_read_as_argparse_reads_them(model: bool, written: list[list[str]]) -> None:
    command = [*([MODEL] if model else []), *(word for flag in written for word in flag)]
    read = argparse_reads([word.replace("max_model_len", "max-model-len") for word in command])
    found = flags_of(tuple(command))
    for name in VALUED:
        flag = found.get(name)
        expected = getattr(read, name[2:].replace("-", "_"))
        assert (flag.value if flag else None) == expected
        assert value_of(name, tuple(command)) == expected
    for name in SWITCHES:
        flag = found.get(name)
        expected = getattr(read, name[2:].replace("-", "_"))
        assert (None if flag is None else not flag.off) == expected


@given(st.lists(st.text(max_size=12)))
def test_no_word_is_lost_and_none_invented(written: list[str]) -> None:
    command = tuple(written)
    assert tuple(word for part in parts_of(command) for word in part.words) == command
    assert changes(command, command) == ()
    assert flags_of(without(command, flags_of(command))) == {}


def test_what_is_left_out_goes_with_its_values() -> None:
    command = (MODEL, "--dtype=half", "-tp", "2", "--lora-modules", "a", "b", "--no-x", "--", "-q")
    assert without(command, ("--tensor_parallel_size", "--no-x")) == (
        MODEL, "--dtype=half", "--lora-modules", "a", "b", "--", "-q",
    )  # fmt: skip
    assert without(command, ("--lora-modules", "--dtype", "--quantization")) == (
        MODEL, "-tp", "2", "--no-x", "--", "-q",
    )  # fmt: skip


def test_changes_are_said_flag_by_flag() -> None:
    before = ("--max-model-len", "4096", "--eager", "--async-scheduling", "-tp=2", "--port", "1")
    after = (
        "--max_model_len=8192",
        "--no-async-scheduling",
        "--tensor-parallel-size",
        "2",
        "--new",
    )
    assert changes(before, (*after, "--port", "1")) == (
        "--max-model-len 4096 → 8192",
        "without --eager",
        "--async-scheduling → --no-async-scheduling",
        "with --new",
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32768", 32_768), ("1k", 1000), ("1K", 1024), ("32k", 32_000), ("32K", 32_768),
        ("25.6k", 25_600), ("1m", 10**6), ("1M", 2**20), ("2g", 2 * 10**9), ("1G", 2**30),
        ("1T", 2**40), (" 8k ", 8000),
    ],
)  # fmt: skip
def test_human_readable_numbers_are_vllms(text: str, number: int) -> None:
    assert human_int(text) == human_int_or_auto(text) == number


@pytest.mark.parametrize("text", ["", "much", "1.5K", "1.5", "1kk", "k", "1 k", "-1k"])
def test_what_vllm_does_not_take_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        human_int(text)


def test_auto_is_the_longest_context() -> None:
    assert human_int_or_auto("auto") == human_int_or_auto("-1") == -1
