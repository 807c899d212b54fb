"""`nvidia-smi` asked by field: rows, odd words for unknown, errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import GIB, MIB, GpuProcess
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.nvidia_smi import parse_compute_apps, parse_gpus, parse_samples

H100 = "0, GPU-1234, 81559 MiB, 4 MiB, 474 MiB, 9.0, 700.00 W, Disabled, NVIDIA H100 80GB HBM3"
UNKNOWN = [
    "[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "[GPU is lost]", "-", "", "[ N/A ]",
    "[Insufficient Permissions]", "[GPU requires reset]",
]  # fmt: skip


def test_a_gpu() -> None:
    [gpu] = parse_gpus(H100)
    assert (gpu.index, gpu.uuid, gpu.name) == (0, "GPU-1234", "NVIDIA H100 80GB HBM3")
    assert gpu.memory_total_bytes == 81559 * MIB
    assert (gpu.memory_used_bytes, gpu.compute_capability) == (4 * MIB, "9.0")
    assert gpu.memory_reserved_bytes == 474 * MIB
    assert (gpu.power_limit_w, gpu.mig) == (700.0, False)


def test_units_may_be_missing() -> None:
    assert parse_gpus(H100.replace(" MiB", "").replace(" W", "")) == parse_gpus(H100)


@pytest.mark.parametrize("word", UNKNOWN)
def test_unknown_is_none_and_not_zero(word: str) -> None:
    [gpu] = parse_gpus("2" + f", {word}" * 8)
    assert (gpu.uuid, gpu.memory_total_bytes, gpu.memory_used_bytes) == (None, None, None)
    assert (gpu.compute_capability, gpu.power_limit_w, gpu.mig) == (None, None, False)
    assert gpu.name == "unknown GPU"
    [sample] = parse_samples(f"2, {word}, {word}, {word}, {word}, {word}, {word}, {word}, {word}")
    figures = {name: getattr(sample, name) for name in sample.__struct_fields__ if name != "index"}
    assert set(figures.values()) == {None}


def test_mig_and_a_name_with_a_comma() -> None:
    [gpu] = parse_gpus("1, GPU-x, 1 MiB, 0 MiB, 0 MiB, 8.0, 1 W, Enabled, Grid, the second")
    assert (gpu.mig, gpu.name) == (True, "Grid, the second")


def test_an_error_line_among_the_rows_costs_no_row() -> None:
    text = f"Unable to determine the device handle for GPU 0000:0A:00.0: GPU is lost.\n{H100}\n\n"
    assert len(parse_gpus(text)) == 1


def test_a_sample() -> None:
    [sample] = parse_samples("3, 81559, 61234, 97, 42, 438.17, 63, 71, NVIDIA H100 80GB HBM3")
    assert (sample.index, sample.memory_used_bytes) == (3, 61234 * MIB)
    assert (sample.sm_pct, sample.memory_pct, sample.power_w) == (97, 42, 438.17)
    assert (sample.gpu_temp_c, sample.memory_temp_c) == (63, 71)
    assert sample.memory_total_bytes == 81559 * MIB > 79 * GIB


def test_processes() -> None:
    text = (
        "GPU-1, 4711, /usr/bin/python3, 61000 MiB\n"
        "GPU-1, 4712, C:\\a, b.exe, [N/A]\n"
        "GPU-2, 12, [Not Found], 5 MiB\nno running processes\n"
    )
    assert parse_compute_apps(text) == (
        GpuProcess(pid=4711, name="/usr/bin/python3", gpu_uuid="GPU-1", memory_bytes=61000 * MIB),
        GpuProcess(pid=4712, name="C:\\a, b.exe", gpu_uuid="GPU-1"),
        GpuProcess(pid=12, name="[Not Found]", gpu_uuid="GPU-2", memory_bytes=5 * MIB),
    )


@pytest.mark.parametrize(
    ("banner", "driver", "cuda"),
    [
        ("| NVIDIA-SMI 590.48.01 Driver Version: 590.48.01 CUDA Version: 13.1 |", "590.48.01", "13.1"),
        ("| NVIDIA-SMI 610.57  KMD Version: 610.57.04  CUDA UMD Version: 13.4 |", "610.57.04", "13.4"),
        ("| NVIDIA-SMI 390.12                 Driver Version: 390.12          |", "390.12", None),
        ("| NVIDIA-SMI 510.00  Driver Version: 510.06  CUDA Version: N/A |", "510.06", None),
        ("NVIDIA-SMI has failed because", None, None),
    ],
)  # fmt: skip
def test_the_banner(banner: str, driver: str | None, cuda: str | None) -> None:
    assert nvidia_smi.parse_driver_version(banner) == driver
    assert nvidia_smi.parse_cuda_version(banner) == cuda


def test_the_field_that_a_driver_does_not_know() -> None:
    text = 'Field "compute_cap" is not a valid field to query.\n\n'
    assert nvidia_smi.bad_field(text) == "compute_cap"
    assert nvidia_smi.bad_field(H100) is None


@pytest.mark.parametrize(
    ("text", "status", "word"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library 1", 18, "Reboot"),
        ("Unable to determine the device handle for GPU0: GPU is lost.", 15, "Reboot"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "driver"),
        ("No devices were found", 6, "attached"),
        ("Failed to initialize NVML: Unknown Error", 255, "NVIDIA runtime"),
        ("Failed to initialize NVML: Insufficient Permissions", 4, "/dev/nvidia"),
        ("sh: 1: nvidia-smi: not found", 127, "driver"),
        ("bash: line 1: nvidia-smi: command not found", 127, "driver"),
        ("", 127, "driver"),
    ],
)  # fmt: skip
def test_a_failure_has_a_next_step(text: str, status: int, word: str) -> None:
    told = nvidia_smi.explain_failure(text, status)
    assert told is not None
    assert told[0].endswith(".")
    assert word in told[1]


def test_an_unknown_failure_is_not_explained_away() -> None:
    assert nvidia_smi.explain_failure("something else", 3) is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.5 W", 1.5), (" 7", 7.0), ("-3 C", -3.0), ("", None), (None, None), ("x1", None)],
)
def test_a_number(cell: str | None, value: float | None) -> None:
    assert nvidia_smi.number(cell) == value


@given(st.text())
def test_odd_text_never_raises(text: str) -> None:
    for odd in (text, f"{text}, 1, 2, 3, 4, 5, 6, 7, 8", f"0,{text},{text},{text},5,6,7,8,9"):
        parse_gpus(odd)
        parse_samples(odd)
        parse_compute_apps(odd)
        nvidia_smi.explain_failure(odd)
    assert parse_gpus("\u00b2, 1, 2, 3, 4, 5, 6, 7") == ()
