"""All that one look brought, as the checks take it."""

from __future__ import annotations

from dataclasses import dataclass

from gptoss_tui.domain.host import BoxReport, DockerInfo
from gptoss_tui.domain.parse.probe import Probe


@dataclass(frozen=True)
class Seen:
    """The probe, the Engine's own word, or the sentence and next step why it said nothing."""

    probe: Probe
    docker: DockerInfo | None = None
    docker_problem: tuple[str, str] | None = None

    @property
    def report(self) -> BoxReport:
        return self.probe.report

    @property
    def elsewhere(self) -> bool:
        """Whether the Engine may have other files than those that were read."""
        desktop = self.docker is not None and self.docker.desktop
        return desktop or (self.report.is_container and not self.probe.docker.runs_here)

    @property
    def cards_missing(self) -> int:
        """How many cards on the bus the driver does not tell of.

        Those that are passed on to a virtual machine are not its own, and a container may be given
        some of the host's alone.
        """
        cards = [card for card in self.probe.hardware.cards if card.driver != "vfio-pci"]
        return 0 if self.report.is_container else max(0, len(cards) - len(self.report.gpus))
