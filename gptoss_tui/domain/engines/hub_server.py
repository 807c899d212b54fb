"""What vLLM and SGLang have in common: they fetch from Hugging Face at start, and speak OpenAI's."""

from __future__ import annotations

from typing import Literal

from gptoss_tui.domain.engines import parts
from gptoss_tui.domain.engines.base import Call, Environment
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.types import PlanRequest


class HubServer:
    """The part of `Engine` that is the same for both."""

    cache_mount = "/root/.cache/huggingface/hub"
    health_path = "/health"
    metrics_path: str | None = "/metrics"
    fetches: Literal["at_start", "after_start"] = "at_start"
    takes_key = True

    def cache_dir(self, report: BoxReport) -> str | None:
        return report.cache_dir

    def settings(self, request: PlanRequest) -> Environment:
        return ()

    def environment(self, spec: LaunchSpec) -> Environment:
        return (*spec.environment, *parts.hub_environment(spec))

    def fetch(self, spec: LaunchSpec) -> Call | None:
        return None

    def model_present(self, spec: LaunchSpec) -> Call | None:
        return None

    def load(self, spec: LaunchSpec) -> Call | None:
        return None

    def question(self, spec: LaunchSpec) -> Call:
        return parts.chat_question(spec)
