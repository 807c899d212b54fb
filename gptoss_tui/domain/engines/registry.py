"""Which engines there are. A new one is one file beside `vllm.py` and one line here."""

from __future__ import annotations

from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.ollama import Ollama
from gptoss_tui.domain.engines.sglang import Sglang
from gptoss_tui.domain.engines.vllm import Vllm
from gptoss_tui.errors import UsageError

ENGINES: dict[str, Engine] = {"vllm": Vllm(), "sglang": Sglang(), "ollama": Ollama()}


def engine_named(name: str) -> Engine:
    """The engine of that name. Raises `UsageError`."""
    try:
        return ENGINES[name]
    except KeyError:
        raise UsageError(
            f"The engine {name!r} is not known.", f"Choose one of: {', '.join(ENGINES)}."
        ) from None


def engine_of(image: str, command: tuple[str, ...]) -> Engine | None:
    """The engine that a foreign container or process looks like; None for anything else."""
    for engine in ENGINES.values():
        if engine.recognises(image, command):
            return engine
    return None
