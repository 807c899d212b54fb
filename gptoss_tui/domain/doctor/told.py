"""From the sentence that a launch kept of its failure back to the cause it was made of."""

from __future__ import annotations

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.changes import change_for
from gptoss_tui.domain.doctor.diagnosis import Diagnosis


def retold(sentence: str, next_step: str, said: str = "", *, engine: str = "") -> Diagnosis:
    """The diagnosis of a launch of which nothing but its last words is left.

    `said` are the words of Docker or of the engine that the sentence was made of, where they are.
    `engine` is the engine's name: SGLang kills itself (137) when a part of it fails, which without
    its log cannot be told from a kill from outside.
    """
    shown = said or sentence
    if not sentence:
        return Diagnosis(verdict="nothing_wrong", explanation="The launch tells of no failure.")
    for cause in CAUSES.values():
        if sentence.startswith(cause.explanation.rstrip(".")):
            return Diagnosis(
                verdict="known", cause=cause.code, evidence=(shown,), lines=(0,),
                explanation=cause.explanation, fix=cause.fix,
                change=change_for(cause.code, shown),
            )  # fmt: skip
    if "exit code 137" in sentence and engine == "sglang":
        return Diagnosis(
            verdict="unknown", evidence=(shown,), lines=(0,),
            explanation="The server was killed (exit code 137). SGLang kills itself so when a part "
            "of it fails; or the box's memory ran out, or somebody stopped it.",
            fix="Launch again and read its log, and the kernel's (dmesg) for the OOM killer.",
        )  # fmt: skip
    if "exit code 137" in sentence:
        cause = CAUSES["killed"]
        return Diagnosis(
            verdict="known", cause="killed", evidence=(shown,), lines=(0,),
            explanation=cause.explanation, fix=cause.fix,
        )  # fmt: skip
    return Diagnosis(
        verdict="unknown", evidence=(shown,), lines=(0,),
        explanation=sentence if said else "The launch failed, with words that are not known here.",
        fix=next_step,
    )  # fmt: skip
