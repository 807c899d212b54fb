"""The preflight: what a look at a box means for a launch. One file for each thing that is looked at.

`docs/preflight.md` lists the codes.
"""

from gptoss_tui.domain.preflight.assess import findings
from gptoss_tui.domain.preflight.gpus import MIG_SENTENCE, MIG_STEP
from gptoss_tui.domain.preflight.images import image_finding
from gptoss_tui.domain.preflight.occupants import gpu_is_free

__all__ = [
    "MIG_SENTENCE",
    "MIG_STEP",
    "findings",
    "gpu_is_free",
    "image_finding",
]
