"""How long a pull still takes: true at a steady rate, told when it is known, never a step back."""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.parse.docker_pull import Layer
from gptoss_tui.domain.progress import Phase
from gptoss_tui.domain.pull_time import (
    EACH_BYTES,
    FIRST_BYTES_PER_S,
    Unpacking,
    known_left_s,
    left_s,
)
from gptoss_tui.domain.timeline import LaunchLog

MIB = 1024**2
T0 = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())

# --- what is left -------------------------------------------------------------------------------

_LAYERS = st.lists(
    st.builds(
        lambda size, share, finished: Layer(size=size, loaded=int(size * share), finished=finished),
        st.integers(1, 10**10),
        st.floats(0, 1),
        st.booleans(),
    ),
    max_size=12,
)


@given(_LAYERS, st.floats(1e3, 1e9), st.floats(1e6, 1e9))
def test_what_is_left_is_at_least_each_part_and_at_most_both(
    layers: list[Layer], rate: float, unpacking: float
) -> None:
    left = left_s(layers, rate, unpacking)
    load = sum(one.left for one in layers) / rate
    unpack = sum(one.packed + EACH_BYTES for one in layers if not one.finished) / unpacking
    assert max(load, unpack) * 0.999 <= left + 1e-9
    assert left <= (load + unpack) * 1.001 + 1e-9


@given(_LAYERS, st.floats(1e3, 1e9), st.floats(1e6, 1e9), st.floats(0, 1e5))
def test_work_that_tells_no_bytes_never_adds_to_what_is_left(
    layers: list[Layer], rate: float, unpacking: float, waited: float
) -> None:
    assert 0 <= left_s(layers, rate, unpacking, waited) <= left_s(layers, rate, unpacking)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.booleans()), max_size=60))
def test_how_fast_a_box_unpacks_is_always_a_rate(steps: list[tuple[int, int, bool]]) -> None:
    unpacking, at, unpacked = Unpacking(), 0, 0
    for pause, size, busy in steps:
        at, unpacked = at + pause, unpacked + size
        unpacking.note(at, unpacked, busy)
        assert 0 < unpacking.rate <= FIRST_BYTES_PER_S + unpacked
        assert 0 <= unpacking.waited_s <= at


def test_the_last_layer_is_unpacked_when_it_has_come() -> None:
    each, mega = EACH_BYTES, 10**6
    layers = [Layer(size=10 * mega), Layer(size=10 * mega), Layer(size=1000 * mega)]
    assert left_s(layers, 10e6, 1e9) == pytest.approx(102 + 1 + each / 1e9)
    layers.reverse()  # the base is the last to come
    assert left_s(layers, 10e6, 1e9) == pytest.approx(102 + 1.02 + 3 * each / 1e9)
    assert left_s([], 10, 10) == 0


def test_how_fast_a_box_unpacks_is_learned() -> None:
    unpacking = Unpacking()
    first = unpacking.rate
    for second in range(60):
        unpacking.note(second, 10 * MIB * second, True)
    assert first == FIRST_BYTES_PER_S
    assert unpacking.rate == pytest.approx(10 * MIB, rel=0.25)
    unpacking.note(1000, 10 * MIB * 59, False)  # it waited for the next layer in between
    unpacking.note(2000, 10 * MIB * 59, False)
    idle = unpacking.rate
    unpacking.note(3000, 10 * MIB * 59, False)
    assert unpacking.rate == idle


# --- a whole pull, second by second -------------------------------------------------------------


def _pull(progress: LaunchLog) -> Phase:
    return next(phase for phase in progress.progress.phases if phase.name == "pull")


class Pull:
    """A box that loads three layers at `rate`, and unpacks them one by one; whole seconds."""

    def __init__(
        self, sizes: list[int], rate: int, unpacking: int, known: bool, counted: bool = True
    ) -> None:
        self.log = LaunchLog("id")
        self.counted = counted
        self.sizes, self.rate, self.unpacking = sizes, rate, unpacking
        self.loaded = [0] * len(sizes)
        self.unpacked = [0] * len(sizes)
        self.at = T0
        self.seen: list[Phase] = []
        self.log.feed(f"@{T0} pull")
        if known:
            told = " ".join(f"layer{n}:{size}" for n, size in enumerate(sizes))
            self.log.feed(f"@{T0} layers {told}")
        for n in range(len(sizes)):
            self._say(n, "Pulling fs layer")

    def _say(self, n: int, status: str, current: int | None = None) -> None:
        self._feed(
            n, status, {} if current is None else {"current": current, "total": self.sizes[n]}
        )

    def _feed(self, n: int, status: str, detail: dict[str, object]) -> None:
        self.log.feed(json.dumps({"id": f"layer{n}", "status": status, "progressDetail": detail}))

    def second(self) -> bool:
        """One more second; False when the pull is over."""
        todo = [n for n, size in enumerate(self.sizes) if self.unpacked[n] < size]
        if not todo:
            return False
        budget = self.unpacking
        for n in todo:
            if self.loaded[n] < self.sizes[n] or budget <= 0:
                break
            step = min(budget, self.sizes[n] - self.unpacked[n])
            self.unpacked[n] += step
            budget -= step
            if self.counted:
                self._say(n, "Extracting", self.unpacked[n])
            else:  # as the image store of containerd does
                self._feed(n, "Extracting", {"current": self.at - T0, "units": "s"})
            if self.unpacked[n] == self.sizes[n]:
                self._say(n, "Pull complete")
        self._load()
        self.at += 1
        self.log.feed(f"@{self.at} tick")
        self.seen.append(_pull(self.log))
        return True

    def _load(self) -> None:
        budget = self.rate
        while budget > 0:
            loading = [n for n, size in enumerate(self.sizes) if self.loaded[n] < size][:3]
            if not loading:
                return
            share = max(1, budget // len(loading))
            for n in loading:
                step = min(share, self.sizes[n] - self.loaded[n], budget)
                self.loaded[n] += step
                budget -= step
                self._say(n, "Downloading", self.loaded[n])
                if self.loaded[n] == self.sizes[n]:
                    self._say(n, "Download complete")


_SIZES = st.lists(st.integers(1, 400).map(lambda n: n * MIB), min_size=1, max_size=9)


@given(_SIZES, st.integers(4, 60), st.integers(5, 300), st.booleans())
def test_at_a_steady_rate_the_time_left_is_true_and_nothing_goes_back(
    sizes: list[int], rate: int, unpacking: int, known: bool
) -> None:
    pull = Pull(sizes, rate * MIB, unpacking * MIB, known)
    while pull.second() and len(pull.seen) < 2000:
        pass
    took = len(pull.seen)
    fractions = [phase.fraction for phase in pull.seen if phase.fraction is not None]
    assert all(later >= earlier for earlier, later in pairwise(fractions))
    assert all(fraction < 1 for fraction in fractions)
    totals = {phase.total_bytes for phase in pull.seen if phase.total_bytes is not None}
    assert totals <= {sum(sizes)}
    assert not any(phase.stalled_s for phase in pull.seen)
    lefts = [(n + 1, phase.left_s) for n, phase in enumerate(pull.seen) if phase.left_s is not None]
    assert all(left >= 0 for _, left in lefts)
    if known and unpacking > 3 * rate and 2 * rate * MIB < FIRST_BYTES_PER_S:
        # What loads decides, and its rate is known. How fast the box unpacks is not, at first:
        # neither the layers that load together, nor what each layer costs besides.
        unsure = (3 * max(sizes) + len(sizes) * EACH_BYTES) / FIRST_BYTES_PER_S
        for second, left in lefts:
            assert abs(second + left - took) <= 3 + 0.1 * took + unsure


@pytest.mark.parametrize("unpacking", [10, 25, 60])
def test_a_pull_of_a_few_seconds_shows_no_guess(unpacking: int) -> None:
    pull = Pull([60 * MIB], 12 * MIB, unpacking * MIB, known=True)
    while pull.second():
        pass
    took = len(pull.seen)
    told = [(n, phase.left_s) for n, phase in enumerate(pull.seen, 1) if phase.left_s is not None]
    assert all(n > took / 2 for n, _ in told)
    assert all(abs(left - (took - n)) <= 2 for n, left in told)


def test_a_box_that_has_unpacked_before_knows_sooner() -> None:
    def told(first: float | None) -> bool:
        unpacking = Unpacking(first)
        layers = [Layer(size=1000 * MIB), Layer(size=1000 * MIB)]
        return known_left_s(layers, 100 * MIB, 1.05, unpacking) is not None

    assert (told(None), told(30 * MIB)) == (False, True)


@given(_LAYERS, st.floats(1e3, 1e9), st.floats(1, 2))
def test_a_time_left_that_is_told_is_the_likely_one(
    layers: list[Layer], rate: float, unsure: float
) -> None:
    unpacking = Unpacking()
    left = known_left_s(layers, rate, unsure, unpacking)
    assert left in (None, left_s(layers, rate, unpacking.rate))
    assert left is None or not all(layer.finished for layer in layers)


@pytest.mark.parametrize("unpacking", [15, 40, 120])
def test_unpacking_that_tells_no_bytes_counts_down_all_the_same(unpacking: int) -> None:
    pull = Pull([MIB * n for n in (30, 600, 1200)], 60 * MIB, unpacking * MIB, True, counted=False)
    while pull.second():
        pass
    took = len(pull.seen)
    lefts = [(n, phase.left_s) for n, phase in enumerate(pull.seen, 1) if phase.left_s is not None]
    off = [abs(left - (took - n)) for n, left in lefts if n > took / 2]
    assert statistics.median(off) < 0.15 * took


def test_a_pull_without_a_manifest_has_no_total_until_all_sizes_are_told() -> None:
    pull = Pull([MIB * 100] * 6, 10 * MIB, 100 * MIB, known=False)
    while pull.second():
        pass
    known = [phase.total_bytes is not None for phase in pull.seen]
    assert not known[0]
    assert known[-1]
    assert sorted(known) == known
    assert pull.seen[5].rate_bytes_per_s == pytest.approx(10 * MIB, rel=0.1)


def test_a_manifest_of_something_else_is_left_aside() -> None:
    log = LaunchLog("id")
    log.feed(f"@{T0} pull")
    log.feed(f"@{T0} layers aaa:500 bbb:x ccc:")
    log.feed('{"id": "zzz", "status": "Downloading", "progressDetail": {"current": 1, "total": 9}}')
    assert (_pull(log).done_bytes, _pull(log).total_bytes) == (1, 9)


def test_layers_that_are_there_count_as_done() -> None:
    log = LaunchLog("id")
    log.feed(f"@{T0} pull")
    log.feed('{"id": "aaa", "status": "Already exists", "progressDetail": {}}')
    log.feed(f"@{T0} layers aaa:500 bbb:100")
    log.feed('{"id": "bbb", "status": "Downloading", "progressDetail": {"current": 1}}')
    assert (_pull(log).done_bytes, _pull(log).total_bytes) == (501, 600)


def test_a_pull_that_breaks_tells_why_and_goes_on() -> None:
    pull = Pull([100 * MIB], 10 * MIB, 100 * MIB, known=True)
    for _ in range(5):
        pull.second()
    pull.log.feed(f"@{pull.at} retry 4 unexpected EOF")
    broken = _pull(pull.log)
    assert broken.retries == 1
    assert "unexpected EOF: again in 4 s" in broken.detail
    done = broken.done_bytes
    pull.loaded = [0]  # the layer comes anew
    while pull.second():
        assert (pull.seen[-1].done_bytes or 0) >= (done or 0)
        assert "EOF" not in pull.seen[-1].detail
    assert pull.seen[-1].retries == 1
    log = pull.log
    log.feed(f"@{pull.at} pulled")
    assert (_pull(log).left_s, _pull(log).stalled_s) == (None, None)
