"""tiny_model.py FOLDER: a GPT-OSS that fits a laptop and always gives the same well-formed answer.

The architecture is the real one (`GptOssForCausalLM`, full vocabulary, so vLLM renders and parses
with Harmony); only the weights are made up. Random weights speak no Harmony: nothing would come out
of the chat route. So these spell one answer: each token's embedding points at its successor in the
output matrix, and the one attention head tells the second `<|channel|>` and `<|message|>` from the
first by whether the first word of the reasoning was said already. The experts are zero.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from openai_harmony import HarmonyEncodingName, load_harmony_encoding
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GptOssConfig, GptOssForCausalLM

REASONING = "Greetings deserve a short and friendly reply; nothing more?"
ANSWER = "Hello! This server runs, ask me something else whenever you like."
HIDDEN, HEAD = 128, 64
CONST, PHASE, FIRST = 0, 1, 2  # dimensions: always one, "has reasoned", one for each token
SHARP = 12.0


def main(folder: Path) -> None:
    config = GptOssConfig(
        num_hidden_layers=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        vocab_size=201088,
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=HEAD,
        dtype="bfloat16",
        eos_token_id=200002,  # <|return|>, as the real model's
        pad_token_id=199999,
    )
    model = GptOssForCausalLM(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = [200002, 199999, 200012]
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "norm" in name else 0.0)
        spell(model)
    model.save_pretrained(folder)
    tokenizer(folder)


def spell(model: GptOssForCausalLM) -> None:
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)

    def tokens(text: str) -> list[int]:
        return list(encoding.encode(text, allowed_special="all"))

    (start,), (channel,), (message,) = map(tokens, ("<|start|>", "<|channel|>", "<|message|>"))
    (end,), (last,), (role,) = map(tokens, ("<|end|>", "<|return|>", "assistant"))
    (analysis,), (final,) = map(tokens, ("analysis", "final"))
    thought, answer = tokens(REASONING), tokens(ANSWER)
    spoken = [*thought, *answer, start, channel, message, end, last, role, analysis, final]
    assert len(set(spoken)) == len(spoken), "each token has one successor, so none may come twice"
    place = {token: FIRST + number for number, token in enumerate(spoken)}
    assert max(place.values()) < HIDDEN

    embedding, output = model.model.embed_tokens.weight, model.lm_head.weight
    embedding[:, CONST] = 1.0
    for token, dimension in place.items():
        embedding[token, dimension] = 1.0

    chain = [*zip(thought, [*thought[1:], end], strict=True)]
    chain += [*zip(answer, [*answer[1:], last], strict=True)]
    chain += [(end, start), (start, role), (role, channel), (analysis, message), (final, message)]
    for token, successor in chain:
        output[successor, place[token]] += SHARP
    for token, before, after in ((channel, analysis, final), (message, thought[0], answer[0])):
        output[before, place[token]] += SHARP
        output[before, PHASE] -= 2 * SHARP
        output[after, place[token]] += SHARP / 2
        output[after, PHASE] += 0.4 * SHARP
    remember(model, place[thought[0]])


def remember(model: GptOssForCausalLM, dimension: int) -> None:
    """The second layer sees the whole context: it writes PHASE once that token is in it."""
    attention = model.model.layers[1].self_attn
    slow = HEAD // 2 - 1  # the rotary pair that hardly turns, so that distance does not matter
    attention.q_proj.bias[[slow, HEAD + slow]] = 8.0
    attention.k_proj.weight[slow, dimension] = 8.0
    attention.sinks.fill_(20.0)
    attention.v_proj.weight[0, dimension] = 1.0
    attention.o_proj.weight[PHASE, 0] = 1 / (HIDDEN / 2) ** 0.5  # undoes the norm: 1 comes out


def tokenizer(folder: Path) -> None:
    """Harmony brings its own; vLLM only wants to see one in the folder."""
    small = Tokenizer(models.BPE())
    small.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    small.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    small.train_from_iterator(
        ["hello"], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    )
    small.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
