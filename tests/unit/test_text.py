"""What may reach a terminal."""

from __future__ import annotations

import time
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import Gpu, GpuProcess
from gptoss_tui.text import clean, clean_line, clean_struct, decode


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("plain äöü 漢字 🙂", "plain äöü 漢字 🙂"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("10%\r20%", "10%20%"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[?1049h\x1b[2J\x1b[38:2::1:2:3mx", "x"),
        ("\x9b31mred", "red"),
        ("copy\x1b]52;c;ZXZpbA==\x07 that", "copy that"),
        ("copy\x1b]52;c;ZXZpbA==\x1b\\ that", "copy that"),
        ("title\x9d0;evil\x9c!", "title!"),
        ("link \x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", "link here"),
        ("dcs\x1bP1$r0m\x1b\\!", "dcs!"),
        ("c1 dcs\x90q#0\x9c!", "c1 dcs!"),
        ("apc\x1b_Gi=1;AAAA\x1b\\!", "apc!"),
        ("pm\x1b^x\x1b\\ sos\x1bXy\x1b\\", "pm sos"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("\x1bcreset", "reset"),
        ("bell\x07 null\x00 del\x7f back\x08", "bell null del back"),
        ("c1\x85\x80\x8d", "c1"),
        ("bidi \u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c", "bidi evil x "),
        ("lines\u2028\u2029", "lines"),
        ("sur\ud800rogate", "surrogate"),
        ("", ""),
    ],
)
def test_clean(raw: str, left: str) -> None:
    assert clean(raw) == left


@pytest.mark.parametrize("start", ["\x1b]52;c;", "\x1bP", "\x9d0;", "\x1b[", "\x1b_", "\x1b"])
def test_an_unterminated_sequence_swallows_no_later_line(start: str) -> None:
    text = clean(f"before {start}AAAA\nthe next line\nand the one after it")
    assert text.startswith("before ")
    assert text.endswith("\nthe next line\nand the one after it")
    assert "\x1b" not in text


def _seconds(text: str) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        clean(text)
        best = min(best, time.perf_counter() - begun)
    return best


@pytest.mark.parametrize(
    "sign",
    ["\x9d", "\x90", "\x98", "\x9e", "\x9f", "\x9b", "\x1b]", "\x1b[", "\x1bP", "\x1b", "\x1b ",
     "\x9d0;", "\x9b0;1", "\x90\x9d", "\x9b  "],
)  # fmt: skip
def test_many_unterminated_sequences_cost_no_more_than_their_length(sign: str) -> None:
    # Reading each sign up to 4096 times made it more than 1000 times.
    line = (sign * 65536)[:65536]
    assert _seconds(line) < 60 * _seconds("a\x00" * 32768)


def test_a_sequence_put_together_by_cleaning_is_gone_too() -> None:
    assert "\x1b" not in clean("\x1b\x00[31m \x1b\x1b[0m[31m \x1b]\x0752;c;x\x07")


# Exactly what a terminal acts upon: controls, separators of lines, overrides of direction.
def _harmless(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and (
        unicodedata.bidirectional(char)
        not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    )


_NASTY = st.text(st.sampled_from("\x1b\x9b\x9d\x90\x9c\x07[]P\\;0m?Aa \n\r\x00\x7f\u202e\ud800"))


@given(st.one_of(st.text(), _NASTY))
def test_nothing_that_a_terminal_acts_upon_is_left(text: str) -> None:
    cleaned = clean(text)
    assert all(_harmless(char) for char in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.binary())
def test_bytes_never_raise_and_come_out_clean(data: bytes) -> None:
    assert all(_harmless(char) for char in decode(data))


def test_bytes_that_are_no_utf8_are_marked() -> None:
    assert decode(b"caf\xe9 \xff\xfe") == "caf\ufffd \ufffd\ufffd"
    assert decode(b"\xed\xa0\x80") == "\ufffd" * 3


@given(st.text(), st.integers(2, 40))
def test_a_clean_line_is_one_short_line(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert "\n" not in line
    assert "\t" not in line
    assert len(line) <= limit
    assert line == line.strip()


def test_a_cut_line_says_so() -> None:
    assert clean_line("one\n two\tthree", 9) == "one two …"
    assert clean_line("one\n two", 7) == "one two"


def test_a_struct_is_cleaned_at_every_depth_and_only_where_it_must() -> None:
    clean_gpu = Gpu(index=0, name="H100", processes=(GpuProcess(pid=1, name="python"),))
    assert clean_struct(clean_gpu) is clean_gpu
    dirty = msgspec.structs.replace(
        clean_gpu, processes=(GpuProcess(pid=1, name="py\x1b[31mthon"),)
    )
    assert clean_struct(dirty) == clean_gpu
    assert clean_struct({"a\x00": ("b\x00", 1)}) == {"a": ("b", 1)}
