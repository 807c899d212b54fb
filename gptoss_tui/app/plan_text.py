"""A plan as a place of the app writes it: the verdict, what it holds, what else would fit. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from gptoss_tui.app.wizard_state import Outcome
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.flags import changes
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import is_older
from gptoss_tui.domain.plan.types import Alternative, Plan
from gptoss_tui.domain.plan.versions import beyond
from gptoss_tui.domain.preflight.images import driver_needed
from gptoss_tui.domain.words import plural

_SIGNS = {
    "fits": ("✓ fits", "$success bold"),
    "tight": ("▲ tight", "$warning bold"),
    "does_not_fit": ("✗ does not fit", "$error bold"),
    "unsupported": ("✗ not supported", "$error bold"),
}


def stop_lines(stops: Iterable[str]) -> list[Content]:
    """What keeps a launch from coming about, a line each."""
    return [Content.assemble(("✗ ", "$error bold"), stop) for stop in stops]


def warning_line(text: str) -> Content:
    return Content.assemble(("▲ ", "$warning"), text)


def verdict_line(plan: Plan) -> Content:
    sign, style = _SIGNS[plan.verdict]
    return Content.assemble((sign, style), f"  {plan.reason}")


def brief_line(plan: Plan | None, stops: tuple[str, ...]) -> Content:
    """The verdict in one line, for screens that show the form alone; or the first of the stops."""
    if stops or plan is None:
        more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
        return Content.assemble(("✗ ", "$error bold"), *stops[:1], more)
    sign, style = _SIGNS[plan.verdict]
    memory = plan.memory_gib
    return Content.assemble(
        (sign, style), f"  weights {memory.weights:.0f}, KV {max(0.0, memory.kv_cache):.0f} "
        f"of {memory.device_total:.0f} GiB",
    )  # fmt: skip


def release_lines(outcome: Outcome, driver: str | None) -> list[Content]:
    """What another version than the pinned one changes: its flags, its memory, its image's CUDA."""
    plan, meant, spec = outcome.plan, outcome.release, outcome.spec
    if plan is None or meant is None:
        return []
    lines: list[Content] = []
    if not meant.told:
        text = f"The image does not tell its version: it is planned as {meant.version}."
        lines.append(warning_line(text))
    if unknown := beyond(meant.version, plan.request.engine):
        lines.append(warning_line(unknown))
    elif outcome.pinned is not None:
        lines.append(Content(_against(outcome.pinned, plan)))
    if lines and spec is not None and (needed := driver_needed(spec.image)) is not None:
        has = f"the box has {driver}" if driver else "the box does not tell its own"
        text = f"Its image is built for {needed[1]}: driver {needed[0]} or newer, {has}."
        lines.append(Content(text))
    return lines


def _against(pinned: Plan, plan: Plan) -> str:
    """One sentence of what differs from the pinned version's plan."""
    old, new = pinned.request.engine_version, plan.request.engine_version
    different = [*changes(pinned.command[1:], plan.command[1:]), *_memory(pinned, plan)]
    said = ", ".join(different) or "the same flags and the same memory"
    return f"{'Older' if is_older(new, old) else 'Newer'} than the pinned {old}: {said}."


def _memory(before: Plan, after: Plan) -> list[str]:
    """Not in tokens: what vLLM counts as "GPU KV cache size" has changed with its versions."""
    figures = (
        (before.memory_gib.kv_cache, after.memory_gib.kv_cache, "GiB of KV cache"),
        (before.kv_cache.max_concurrency, after.kv_cache.max_concurrency, "requests at once"),
    )
    told = ((f"{max(0.0, old):.1f}", f"{max(0.0, new):.1f}", what) for old, new, what in figures)
    return [f"{old} → {new} {what}" for old, new, what in told if old != new]


def notes(plan: Plan | None) -> Content:
    """What stands below the memory; a release beyond all known ones is told above it."""
    if plan is None:
        return Content("")
    unknown = beyond(plan.request.engine_version, plan.request.engine)
    warnings = [text for text in plan.warnings if text != unknown]
    lines = [
        *_requests(plan),
        *(_instead(other) for other in plan.alternatives),
        *_speed_and_cost(plan),
        f"Download: {plan.download_bytes / 1e9:.1f} GB of weights, "
        f"{plan.disk_bytes / 1e9:.0f} GB of disk with the image",
        *(f"▲ {text}" for text in (*warnings, *limits(engine_named(plan.request.engine)))),
    ]
    return Content("\n".join(lines))


def limits(engine: Engine) -> list[str]:
    """What this engine lacks, of what a server launched here otherwise has."""
    found: list[str] = []
    if engine.metrics_path is None:
        found.append(
            f"{engine.title} has no figures: the engine pane stays empty, and a stop cannot tell "
            "how many requests it cuts."
        )
    if not engine.takes_key:
        found.append(f"{engine.title} takes no API key: it is published on 127.0.0.1 alone.")
    return found


def _requests(plan: Plan) -> list[str]:
    """How many requests run at once, of those who want it; nothing where none does."""
    if not plan.fits_requests:
        return []
    context, users = plan.request.max_model_len or 0, plan.request.users
    limit, shorter = _limit(plan)
    up_to = "Up to" if users is None else f"For {plural(users, 'user')}: up to"
    return [
        f"{up_to} {plural(_at_once(plan), 'request')} of {context:,} tokens at once "
        f"({limit})" + (", more of shorter ones." if shorter else "."),
        f"KV cache: {plan.kv_cache.tokens:,} tokens, estimated to ± {plan.band_gib:.1f} GiB.",
    ]


def _at_once(plan: Plan) -> int:
    """Ollama has a slot of the whole context for each user, and fills no other."""
    slots = plan.request.users or 1
    return min(slots, plan.fits_requests) if plan.request.engine == "ollama" else plan.fits_requests


def _limit(plan: Plan) -> tuple[str, bool]:
    """What holds the number of requests down, and whether shorter ones are more."""
    if plan.request.engine == "ollama":
        return f"OLLAMA_NUM_PARALLEL {plan.request.users or 1} is the limit", False
    seqs = plan.request.max_num_seqs
    if seqs is not None and seqs <= plan.kv_cache.max_concurrency:
        return f"--max-num-seqs {seqs} is the limit", False
    return "the KV cache is the limit", True


def _instead(other: Alternative) -> str:
    """What to change, with all flags that change by it."""
    flags = f" with {' '.join(other.flags)}" if other.flags else ""
    return f"→ instead: {other.change}{flags} ({other.verdict}, room for {other.fits_requests})"


def _speed_and_cost(plan: Plan) -> list[str]:
    if not plan.fits_requests:
        return []
    lines: list[str] = []
    if plan.throughput is not None:
        speed = plan.throughput.all_users
        lines.append(
            f"Speed: {speed.low:,.0f} to {speed.high:,.0f} tokens/s for "
            f"{plural(plan.throughput.users, 'user')} together (roofline)."
        )
        if (seen := plan.throughput.seen_here) is not None:
            lines.append(
                f"This box has done {seen.tokens_per_s:,.0f} tokens/s with "
                f"{plural(round(seen.requests), 'request')} at once."
            )
    if plan.cost is not None:
        lines.append(
            f"Cost: about ${plan.cost.usd_per_hour:.2f} an hour, "
            f"${plan.cost.always_on_usd_per_month:,.0f} a month always on."
        )
    return lines
