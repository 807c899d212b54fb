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
