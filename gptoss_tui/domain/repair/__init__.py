"""Repairs: what can be mended on a box, each a pure value with the script that does it."""

from gptoss_tui.domain.repair.build import Offer, make, offers
from gptoss_tui.domain.repair.types import (
    NAMES,
    Repair,
    RepairEnded,
    RepairLine,
    RepairName,
    RepairResult,
    Survey,
)

__all__ = [
    "NAMES",
    "Offer",
    "Repair",
    "RepairEnded",
    "RepairLine",
    "RepairName",
    "RepairResult",
    "Survey",
    "make",
    "offers",
]
