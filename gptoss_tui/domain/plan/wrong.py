"""The error for a request that makes no sense."""

from __future__ import annotations

from gptoss_tui.errors import UsageError


class PlanInputError(UsageError):
    """A request that makes no sense, in one sentence."""

    code = "plan_input"
