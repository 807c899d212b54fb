"""What facts show of a box is kept for its next plans and launches.

That is how far a plan was off, how fast its servers generate, and how long the phases of a start take.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.progress import LaunchProgress, durations
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.startup import correction_gib
from gptoss_tui.errors import StateError
from gptoss_tui.state import measurements
from gptoss_tui.state.debug_log import NAME
from gptoss_tui.state.paths import paths

# A speed is written when it is so much above the last one written: not with every scrape.
_STEP = 1.1


class Measuring:
    """A tap of the hub."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], str] = {}
        self._fastest: dict[tuple[str, str], float] = {}
        self._unpacked: set[str] = set()
        self._started: dict[str, LaunchProgress] = {}
        self._gpus: dict[str, frozenset[str]] = {}

    def __call__(self, fact: AnyFact) -> None:
        body = fact.body
        if isinstance(body, LaunchProgress):
            self._start(fact.box, body)
        elif isinstance(body, BoxReport):
            self._machine(fact.box, body)
        elif isinstance(body, InstanceList):
            for instance in body.instances:
                if instance.spec is not None and instance.spec.planned is not None:
                    self._keys[fact.box, instance.name] = instance.spec.planned.key
        elif isinstance(body, EngineSnapshot):
            self._speed(fact.box, self._keys.get((fact.box, fact.instance or "")), body)

    def _machine(self, box: str, report: BoxReport) -> None:
        gpus = frozenset(gpu.uuid for gpu in report.gpus if gpu.uuid)
        if gpus and self._gpus.get(box) != gpus:
            self._gpus[box] = gpus
            self._fastest = {key: rate for key, rate in self._fastest.items() if key[0] != box}
            with _logged(box):
                measurements.forget_others(paths().measurements_file, box, gpus)

    def _is_elsewhere(self, box: str, spec: LaunchSpec | None) -> bool:
        """Whether the box has none of the GPUs any more that a launch was for."""
        asked = {gpu for gpu in spec.gpu_ids if gpu.startswith("GPU-")} if spec else set()
        known = self._gpus.get(box)
        return bool(asked and known and not asked & known)

    def _start(self, box: str, progress: LaunchProgress) -> None:
        if self._is_elsewhere(box, progress.spec):
            return
        self._image(box, progress)
        if progress.state != "ready" or progress.planned is None:
            return
        if self._started.get(progress.launch_id) == progress:
            return  # a look at the box tells of it again
        self._started[progress.launch_id] = progress
        took = durations(progress)
        if took.keys() - {"warmup"}:  # else the server's own log was not kept: it tells nothing
            key = progress.planned.start_key
            self._keep(box, partial(measurements.remember_start, key=key, phases_s=took))
        difference = correction_gib(progress.planned, progress.measured)
        if difference is not None:
            key = progress.planned.key
            self._keep(box, partial(measurements.remember, key=key, difference_gib=difference))

    def _image(self, box: str, progress: LaunchProgress) -> None:
        """Once for each pull, when it is over."""
        pull = next((one for one in progress.phases if one.name == "pull"), None)
        if pull is None or pull.state != "done" or pull.unpack_bytes_per_s is None:
            return
        if progress.launch_id not in self._unpacked:
            self._unpacked.add(progress.launch_id)
            rate = pull.unpack_bytes_per_s
            self._keep(box, partial(measurements.remember_unpacking, bytes_per_s=rate))

    def _speed(self, box: str, key: str | None, snapshot: EngineSnapshot) -> None:
        rate = snapshot.rates.generation_tokens_per_s if snapshot.rates else None
        if key is None or not rate or not snapshot.running:
            return
        if rate > _STEP * self._fastest.get((box, key), 0.0):
            self._fastest[box, key] = rate
            ran = snapshot.running
            self._keep(
                box,
                partial(measurements.remember_speed, key=key, tokens_per_s=rate, requests=ran),
            )

    def _keep(self, box: str, remember: Callable[..., None]) -> None:
        file = paths().measurements_file
        with _logged(box):
            remember(file, box)
            if box in self._gpus:
                measurements.remember_machine(file, box, self._gpus[box])


@contextmanager
def _logged(box: str) -> Iterator[None]:
    """A measurement that cannot be kept is no failure of what is being done."""
    try:
        yield
    except StateError as error:
        logging.getLogger(NAME).warning("measurement of %s: %s", box, error)
