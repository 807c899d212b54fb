"""What the simulated model says: as which engine, and to which words."""

from __future__ import annotations

import pytest

from gptoss_tui.sim.answers import answer


@pytest.mark.parametrize("engine", ["vLLM", "SGLang", "Ollama"])
def test_it_names_the_engine_that_is_simulated(engine: str) -> None:
    for prompt in ("Hello!", "Who are you?"):
        reasoning, text = answer(prompt, engine)
        assert reasoning
        assert engine in text
        assert {"vLLM", "SGLang", "Ollama"} & set(text.replace(",", " ").split()) == {engine}


@pytest.mark.parametrize(
    ("prompt", "begin"),
    [
        ("hi", "Hello!"),
        ("What is this?", "I am a simulated"),
        ("A short history", "I am a simulated"),
        ("Quantisation?", "MXFP4 is"),
        ("how large is the KV cache", "Half of the layers"),
    ],
)
def test_words_are_whole_ones(prompt: str, begin: str) -> None:
    assert answer(prompt, "vLLM")[1].startswith(begin)
