"""What the simulated model says. It never pretends to be the real one."""

from __future__ import annotations

_ANSWERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("mxfp4", "quantiz", "quantis"),
        "The user asks about MXFP4. Give block size, scale and the bits per weight; mention that "
        "the checkpoint is published in it.",
        "MXFP4 is a microscaling 4-bit format of the Open Compute Project: 32 weights of 4 bits "
        "(E2M1) share one 8-bit power-of-two scale, 4.25 bits per weight in all. The experts of "
        "GPT-OSS are published in MXFP4, so nothing has to be quantised at launch; attention, "
        "router and embeddings stay in BF16. (This answer comes from a simulated box.)",
    ),
    (
        ("hello", "hi", "hey", "ping"),
        "A greeting. Answer briefly.",
        "Hello! The connection works end to end: your prompt went over SSH to a simulated vLLM, "
        "and these tokens came back the same way.",
    ),
    (
        ("count", "1 to", "numbers"),
        "They want numbers in order.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10. (Counted by a simulated model.)",
    ),
    (
        ("kv", "cache", "context"),
        "Explain the KV cache of GPT-OSS: half of the layers use a sliding window of 128 tokens.",
        "Half of the layers of GPT-OSS look back only 128 tokens, so just the other half needs "
        "KV memory that grows with the context: 24 KiB a token for 20b and 36 KiB for 120b in "
        "BF16. A full context of 131,072 tokens takes about 3.0 or 4.5 GiB. "
        "(This answer comes from a simulated box.)",
    ),
    (
        ("haiku", "poem"),
        "A haiku about GPUs: five, seven, five.",
        "Fans hum in the rack,\ntokens fall like evening rain;\nthe queue is empty.",
    ),
)
_OTHER = (
    "This is a simulated model; say so, and say what would happen with a real one.",
    "I am a simulated GPT-OSS: I stream reasoning and answer apart, at a believable speed, and "
    "count tokens as vLLM does, but I know only a few answers (try MXFP4, the KV cache, a haiku). "
    "On a real box the same pane talks to the real model.",
)


def answer(prompt: str) -> tuple[str, str]:
    """Reasoning and answer for a prompt."""
    lowered = prompt.lower()
    for words, reasoning, text in _ANSWERS:
        if any(word in lowered for word in words):
            return reasoning, text
    return _OTHER


def tokens(text: str) -> list[str]:
    """Pieces of about a token each; joined they are the text."""
    pieces: list[str] = []
    for word in text.split(" "):
        lead = " " if pieces else ""
        pieces.append(lead + word[:6])
        pieces += [word[at : at + 6] for at in range(6, len(word), 6)]
    return pieces
