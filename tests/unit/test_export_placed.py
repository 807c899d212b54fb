"""Which GPUs of another box an exported launch takes."""

from __future__ import annotations

import msgspec
import pytest

from gptoss_tui.domain.export.again import placed
from gptoss_tui.domain.gpu import GIB
from gptoss_tui.domain.host import DockerInfo
from gptoss_tui.errors import DoesNotFitError
from tests.unit.make import gpu, report, spec

DOCKER = DockerInfo(version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia",))


def test_elsewhere_it_takes_a_gpu_that_is_free_and_can_be_used() -> None:
    exported = msgspec.structs.replace(spec(), gpu_ids=("GPU-of-another-box",))
    gpus = (gpu(0, usable=False), gpu(1, mig=True), gpu(2, memory_used_bytes=9 * GIB), gpu(3))
    made = placed(exported, report=report(docker=DOCKER, gpus=gpus), others=())
    assert made.gpu_ids == ("GPU-3",)
    with pytest.raises(DoesNotFitError, match="takes 1 GPUs; 0 can be had"):
        placed(exported, report=report(docker=DOCKER, gpus=gpus[:3]), others=())
