"""The engines, one file each behind one seam (`base.Engine`)."""

from gptoss_tui.domain.engines.base import Call, Engine, PhaseMark
from gptoss_tui.domain.engines.registry import ENGINES, engine_named, engine_of

__all__ = ["ENGINES", "Call", "Engine", "PhaseMark", "engine_named", "engine_of"]
