"""How a server is stopped within the time that a notice leaves."""

from __future__ import annotations

from gptoss_tui.domain.draining import StopPlan, stop_plan
from gptoss_tui.domain.instance import Instance

MARGIN_S = 3  # the way there, and Docker's own work
END_S = 5  # from the last request to the end of the process


def drain_plan(instance: Instance, within_s: float) -> StopPlan:
    """As `stop_plan`, with all of it over `within_s` seconds from now: nothing is left to a box
    that is switched off in the middle. Without room for a drain the server gets its signal at once.
    """
    drain_s = max(0, int(within_s) - MARGIN_S - END_S)
    plan = stop_plan(instance, drain_s)
    return stop_plan(instance, drain_s, plan.engine_s + END_S)
