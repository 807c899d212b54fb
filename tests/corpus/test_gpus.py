"""nvidia-smi's real outputs against a second, simpler reading of the same text."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from gptoss_tui.domain.gpu import MIB, GpuSample
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.dmon import DmonParser, Round
from tests.corpus.support import each, files, text

Row = tuple[int, float | None, float | None, float | None]


def _rounds(file: Path) -> list[Round]:
    parser = DmonParser()
    rounds = [made for line in text(file).splitlines() for made in parser.feed(line)]
    return [*rounds, *parser.flush()]


def _samples(file: Path) -> list[tuple[GpuSample, ...]]:
    return [made.gpus for made in _rounds(file)]


def _figure(word: str | None) -> float | None:
    return float(word) if word and re.fullmatch(r"-?[\d.]+", word) else None


def _second_reading(file: Path) -> list[Row]:
    """Index, power, SM and memory of every row, by splitting at blanks."""
    found: list[Row] = []
    header: list[str] = []
    for line in text(file).splitlines():
        words = line.replace("#", " ").split()
        if "gpu" in words and "Idx" not in words:
            header = words
        elif header and len(words) == len(header):
            row = dict(zip(header, words, strict=True))
            if row["gpu"].isdigit():
                figures = (_figure(row.get(name)) for name in ("pwr", "sm", "fb"))
                found.append((int(row["gpu"]), *figures))  # type: ignore[arg-type]
    return found


@each("a_dmon/*.txt", "pmon")
def test_every_row_of_dmon(file: Path) -> None:
    rounds = _samples(file)
    read = [
        (
            sample.index,
            sample.power_w,
            sample.sm_pct,
            None if sample.memory_used_bytes is None else sample.memory_used_bytes / MIB,
        )
        for samples in rounds
        for sample in samples
    ]
    assert read == _second_reading(file)
    assert read
    sizes = [len(samples) for samples in rounds]
    assert len(set(sizes[:-1])) <= 1, "every round has all GPUs"
    assert all(len({s.index for s in samples}) == len(samples) for samples in rounds)


@each("a_dmon/*-o_*D*.txt")
def test_the_times_of_dmon(file: Path) -> None:
    stamps = re.findall(r"(?m)^ (\d{8}) +([\d:]{8}) ", text(file))
    assert stamps
    assert [made.at and made.at.strftime("%Y%m%d %H:%M:%S") for made in _rounds(file)] == [
        f"{day} {clock}" for day, clock in stamps
    ]


@each("a_dmon/pmon*.txt")
def test_pmon_is_no_dmon(file: Path) -> None:
    assert _rounds(file) == []
    assert "pid" in text(file)


# --- queries ------------------------------------------------------------------------------------


def _cells(file: Path) -> list[dict[str, str]]:
    """A whole `--query-gpu … --format=csv` by its header, units off the names."""
    lines = list(csv.reader(text(file).splitlines(), skipinitialspace=True))
    header = [re.sub(r" \[.*\]$", "", name).strip() for name in lines[0]]
    return [
        dict(zip(header, (cell.strip() for cell in line), strict=True))
        for line in lines[1:]
        if len(line) == len(header)
    ]


def _asked(rows: list[dict[str, str]], fields: tuple[str, ...]) -> str:
    """What the same driver would have answered to our own query."""
    return "\n".join(", ".join(row.get(field, "[N/A]") for field in fields) for row in rows)


def _known(cell: str | None) -> float | None:
    match = re.match(r"-?\d+(\.\d+)?", cell or "")
    return float(match[0]) if match else None


@each("b_smi/query-gpu-all-*.csv")
def test_the_gpus_of_a_query(file: Path) -> None:
    rows = _cells(file)
    gpus = nvidia_smi.parse_gpus(_asked(rows, nvidia_smi.GPU_FIELDS))
    assert len(gpus) == len(rows) > 0
    for gpu, row in zip(gpus, rows, strict=True):
        assert (gpu.index, gpu.name) == (int(row["index"]), row["name"])
        assert gpu.memory_total_bytes == _mib(row["memory.total"])
        assert gpu.memory_used_bytes == _mib(row["memory.used"])
        assert gpu.compute_capability == row["compute_cap"]
        assert gpu.mig is (row["mig.mode.current"] == "Enabled")


@each("b_smi/query-gpu-all-*.csv")
def test_the_sample_of_a_query(file: Path) -> None:
    rows = _cells(file)
    samples = nvidia_smi.parse_samples(_asked(rows, nvidia_smi.SAMPLE_FIELDS))
    assert len(samples) == len(rows)
    for sample, row in zip(samples, rows, strict=True):
        assert sample.power_w == _known(row.get("power.draw"))
        assert sample.gpu_temp_c == _known(row["temperature.gpu"])
        assert sample.memory_temp_c == _known(row.get("temperature.memory"))
        assert sample.sm_pct == _known(row["utilization.gpu"])
        assert sample.memory_used_bytes == _mib(row["memory.used"])


def _mib(cell: str | None) -> int | None:
    value = _known(cell)
    return None if value is None else round(value * MIB)


@each("b_smi/query-compute-apps-*.csv")
def test_the_processes_of_a_query(file: Path) -> None:
    rows = _cells(file)
    fields = ("gpu_uuid", "pid", "process_name", "used_gpu_memory")
    apps = nvidia_smi.parse_compute_apps(_asked(rows, fields))
    assert [app.pid for app in apps] == [int(row["pid"]) for row in rows]
    assert [app.name for app in apps] == [row["process_name"] for row in rows]
    assert [app.memory_bytes for app in apps] == [_mib(row["used_gpu_memory"]) for row in rows]


def test_some_figures_are_unknown_in_the_corpus_and_none_is_zero_for_it() -> None:
    rows = [row for file in files("b_smi/query-gpu-all-*.csv") for row in _cells(file)]
    samples = nvidia_smi.parse_samples(_asked(rows, nvidia_smi.SAMPLE_FIELDS))
    unknown = [row for row in rows if _known(row.get("temperature.memory")) is None]
    assert unknown
    assert sum(sample.memory_temp_c is None for sample in samples) == len(unknown)


# --- tables and errors --------------------------------------------------------------------------

_NAMED = re.compile(r"-(\d{3}\.\d[\d.]*\d)(?:-idle|-load)?\.txt$")


@pytest.mark.parametrize(
    "file", [file for file in files("b_smi/*table*.txt") if _NAMED.search(file.name)],
    ids=lambda file: file.name,
)  # fmt: skip
def test_the_versions_in_a_table(file: Path) -> None:
    named = _NAMED.search(file.name)
    assert named is not None
    assert nvidia_smi.parse_driver_version(text(file)) == named[1]
    cuda = nvidia_smi.parse_cuda_version(text(file))
    assert (cuda is None) is ("CUDA" not in text(file).split("===")[0])


FAILURES = {
    "err-gpu-lost": "lost a GPU",
    "err-has-failed": "no NVIDIA driver is running",
    "err-mismatch": "kernel module",
    "err-none-found": "finds no GPU",
    "err-unknown-error": "",
}


@each("b_smi/err-*.txt")
def test_an_error_of_the_driver_is_explained(file: Path) -> None:
    told = nvidia_smi.explain_failure(text(file), 9)
    assert told is not None
    word = next(word for start, word in FAILURES.items() if file.name.startswith(start))
    assert word in told[0]
    assert nvidia_smi.parse_gpus(text(file)) == ()


@each("b_smi/t-err-bogus-field.txt")
def test_the_unknown_field_is_named(file: Path) -> None:
    field = nvidia_smi.bad_field(text(file))
    assert field
    assert f'"{field}"' in text(file)


@each("b_smi/*.txt")
def test_no_other_output_is_taken_for_rows(file: Path) -> None:
    assert nvidia_smi.parse_gpus(text(file)) == ()
    assert nvidia_smi.parse_samples(text(file)) == ()
    assert nvidia_smi.parse_compute_apps(text(file)) == ()
