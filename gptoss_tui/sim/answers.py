"""What the simulated model says. It never pretends to be the real one."""

from __future__ import annotations

import re

# What a prompt speaks of, the reasoning and the answer.
_ANSWERS: tuple[tuple[str, str, str], ...] = (
    (
        r"mxfp4|quanti[sz]",
        "The user asks about MXFP4. Give block size, scale and the bits per weight; mention that "
        "the checkpoint is published in it.",
        "MXFP4 is a microscaling 4-bit format of the Open Compute Project: 32 weights of 4 bits "
        "(E2M1) share one 8-bit power-of-two scale, 4.25 bits per weight in all. The experts of "
        "GPT-OSS are published in MXFP4, so nothing has to be quantised at launch; attention, "
        "router and embeddings stay in BF16. (This answer comes from a simulated box.)",
    ),
    (
        r"\b(?:hello|hi|hey|ping)\b",
        "A greeting. Answer briefly.",
        "Hello! The connection works end to end: your prompt went over SSH to a simulated {engine}, "
        "and these tokens came back the same way.",
    ),
    (
        r"\b(?:count|1 to|numbers)\b",
        "They want numbers in order.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10. (Counted by a simulated model.)",
    ),
    (
        r"\b(?:kv|cache|context)\b",
        "Explain the KV cache of GPT-OSS: half of the layers use a sliding window of 128 tokens.",
        "Half of the layers of GPT-OSS look back only 128 tokens, so just the other half needs "
        "KV memory that grows with the context: 24 KiB a token for 20b and 36 KiB for 120b in "
        "BF16. A full context of 131,072 tokens takes about 3.0 or 4.5 GiB. "
        "(This answer comes from a simulated box.)",
    ),
    (
        r"\b(?:haiku|poem)\b",
        "A haiku about GPUs: five, seven, five.",
        "Fans hum in the rack,\ntokens fall like evening rain;\nthe queue is empty.",
    ),
)
_OTHER = (
    "This is a simulated model; say so, and say what would happen with a real one.",
    "I am a simulated GPT-OSS: I stream reasoning and answer apart, at a believable speed, and "
    "count tokens as {engine} does, but I know only a few answers (try MXFP4, the KV cache, a haiku). "
    "On a real box the same pane talks to the real model.",
)


def answer(prompt: str, engine: str) -> tuple[str, str]:
    """Reasoning and answer for a prompt; `engine` is the title of the one that is simulated."""
    known = (said for words, *said in _ANSWERS if re.search(words, prompt.lower()))
    reasoning, text = next(known, _OTHER)
    return reasoning, text.format(engine=engine)


def tokens(text: str) -> list[str]:
    """Pieces of about a token each; joined they are the text."""
    pieces: list[str] = []
    for word in text.split(" "):
        lead = " " if pieces else ""
        pieces.append(lead + word[:6])
        pieces += [word[at : at + 6] for at in range(6, len(word), 6)]
    return pieces
