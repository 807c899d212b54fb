"""What kind of box is simulated: its cards, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gptoss_tui.domain.host import Cloud
from gptoss_tui.sim.faults import Fault


@dataclass(frozen=True)
class Card:
    """A GPU model: memory in MiB as the driver reports it, power in W."""

    name: str
    memory_mib: int
    capability: str
    power_limit_w: int
    idle_w: int
    reserved_mib: int = 480


H100 = Card("NVIDIA H100 80GB HBM3", 81559, "9.0", 700, 71)
H200 = Card("NVIDIA H200", 143771, "9.0", 700, 76, 616)
A100 = Card("NVIDIA A100-SXM4-80GB", 81920, "8.0", 400, 58)
L40S = Card("NVIDIA L40S", 46068, "8.9", 350, 33)
RTX4090 = Card("NVIDIA GeForce RTX 4090", 24564, "8.9", 450, 19, 357)
B200 = Card("NVIDIA B200", 183359, "10.0", 1000, 140, 729)
PRO6000 = Card("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887, "12.0", 600, 31)


@dataclass(frozen=True)
class Profile:
    """One box. `foreign_mib` is what somebody else's process holds on the last GPU.

    `cloud` makes it a spot box of that one. `starts_at_once`: a server's start takes no time there.
    """

    hostname: str
    cards: tuple[Card, ...] = (H100, H100)
    foreign_mib: int = 0
    is_container: bool = False
    cloud: Cloud | None = None
    image_cached: bool = False
    weights_cached: bool = False
    starts_at_once: bool = False
    faults: frozenset[str] = frozenset()

    @property
    def warm(self) -> Profile:
        """The same box with nothing to wait for: image and weights are there, a start takes no time."""
        return replace(self, image_cached=True, weights_cached=True, starts_at_once=True)

    def has(self, fault: Fault) -> bool:
        return fault in self.faults

    @property
    def lacks_docker(self) -> bool:
        """Whether nothing answers where Docker should."""
        return self.is_container or bool(self.faults & {"no_docker", "docker_down", "podman_only"})

    @property
    def lacks_runtime(self) -> bool:
        """Whether Docker knows no way to give GPUs to containers."""
        return bool(self.faults & {"no_toolkit", "no_runtime"})


def docker_root(profile: Profile) -> str:
    """Where its Docker keeps images."""
    snap = profile.has("docker_snap")
    return "/var/snap/docker/common/var-lib-docker" if snap else "/var/lib/docker"


_KINDS: tuple[Profile, ...] = (
    Profile("h100-2x", (H100, H100)),
    Profile("rtx4090", (RTX4090,)),
    Profile("h100-8x", (H100,) * 8),
    Profile("bare", (L40S,), faults=frozenset({"no_toolkit", "disk_full", "gpu_hot"})),
    Profile("l40s-4x", (L40S,) * 4, foreign_mib=31_240),
    Profile("a100", (A100,), image_cached=True, weights_cached=True),
    Profile("b200-8x", (B200,) * 8),
    Profile("pod", (PRO6000,), is_container=True),
    Profile("h200", (H200,)),
)


def profiles(count: int, faults: frozenset[str] = frozenset()) -> tuple[Profile, ...]:
    """`count` boxes of different kinds, all with `faults` besides their own."""
    return tuple(
        replace(
            _KINDS[number % len(_KINDS)],
            hostname=f"{_KINDS[number % len(_KINDS)].hostname}-{number + 1}",
            faults=_KINDS[number % len(_KINDS)].faults | faults,
        )
        for number in range(count)
    )
