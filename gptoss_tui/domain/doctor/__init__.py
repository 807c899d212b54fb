"""What went wrong: from an engine's log or Docker's words to a cause, its evidence and a fix."""

from gptoss_tui.domain.doctor.causes import CAUSES, Cause
from gptoss_tui.domain.doctor.diagnosis import Change, Diagnosis
from gptoss_tui.domain.doctor.read import Doctor, diagnose
from gptoss_tui.domain.doctor.told import retold

__all__ = ["CAUSES", "Cause", "Change", "Diagnosis", "Doctor", "diagnose", "retold"]
