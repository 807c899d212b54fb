"""A tiny GPT-OSS as Ollama's library has one: a GGUF file, a template, parameters and a manifest.

Architecture and types are the real ones (`gptoss`, experts in MXFP4); the weights are made up, and
spell one answer: each token's embedding points at its successor in the output matrix, while attention
and experts are zero. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

REASONING = "Greetings deserve a short and friendly reply; nothing more?"
ANSWER = "Hello! This server runs, ask me something else whenever you like."
# One token each, so that no token has two successors: the words around what is thought and said.
_THINKING, _ANSWERING = (
    "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>",
)  # fmt: skip
_CONTROL = ("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|channel|>", "<|start|>", "<|end|>",
            "<|message|>", "<|call|>")  # fmt: skip
_ROLE = "assistant"
_TEMPLATE = (
    "<|start|>system<|message|>Reasoning: {{ .ThinkLevel }}<|end|>"
    "{{- range .Messages }}<|start|>{{ .Role }}<|message|>{{ .Content }}<|end|>{{ end }}"
    "<|start|>assistant"
)
_HIDDEN, _HEAD, _HEADS, _EXPERTS, _LAYERS = 128, 64, 2, 4, 2
CACHE = (_LAYERS, 1, _HEAD)  # what the size of its cache depends on: layers, key heads, their width
_SHARP = 4.0
_F32, _MXFP4 = 0, 39
_MXFP4_BYTES = 17  # of 32 numbers: half a byte each, and their scale
_ALIGNMENT = 32
_NORMAL, _SPECIAL = 1, 3


class Layer(NamedTuple):
    """One blob of a model, and what the manifest says it is."""

    kind: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


class LibraryModel(NamedTuple):
    """A model as a registry has it: its largest layer is the first."""

    layers: tuple[Layer, ...]
    config: Layer

    @property
    def size(self) -> int:
        return sum(len(layer.data) for layer in (*self.layers, self.config))

    def manifest(self) -> bytes:
        def told(layer: Layer) -> dict[str, object]:
            return {"mediaType": layer.kind, "digest": layer.digest, "size": len(layer.data)}

        return json.dumps({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": told(self.config),
            "layers": [told(layer) for layer in self.layers],
        }).encode()  # fmt: skip


def tiny_model(*, endless: bool = False) -> LibraryModel:
    """One answer, and then its end; `endless`: it begins anew until the limit of the request."""
    image = "application/vnd.ollama.image."
    layers = (
        Layer(f"{image}model", _gguf(endless)),
        Layer(f"{image}template", _TEMPLATE.encode()),
        Layer(f"{image}license", b"Made for a check."),
        Layer(f"{image}params", b'{"num_thread":1,"temperature":1}'),
    )
    config = {
        "model_format": "gguf", "model_family": "gptoss", "model_families": ["gptoss"],
        "model_type": "tiny", "file_type": "MXFP4", "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }  # fmt: skip
    kind = "application/vnd.docker.container.image.v1+json"
    return LibraryModel(layers, Layer(kind, json.dumps(config).encode()))


# --- its tokens -----------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    """Each word with the space before it, in the letters that byte-level vocabularies use."""
    first, *more = text.split(" ")
    return [first, *(f"\u0120{word}" for word in more)]


def _letters() -> list[str]:
    """The letter that stands for each byte."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(0x100, 0x200))
    return [chr(byte if byte in shown else next(hidden)) for byte in range(0x100)]


class _Vocabulary(NamedTuple):
    tokens: list[str]
    types: list[int]
    merges: list[str]
    spoken: list[str]


def _vocabulary() -> _Vocabulary:
    spoken = [_ROLE, _THINKING, *_words(REASONING), _ANSWERING, *_words(ANSWER), "<|return|>"]
    assert len(set(spoken)) == len(spoken) < _HIDDEN
    parts = [_ROLE[:length] for length in range(2, len(_ROLE))]
    normal = [*_letters(), *parts, *(word for word in spoken if word not in _CONTROL)]
    tokens = [*normal, *_CONTROL]
    merges = [f"{_ROLE[:place]} {_ROLE[place]}" for place in range(1, len(_ROLE))]
    types = [_SPECIAL if token in _CONTROL else _NORMAL for token in tokens]
    return _Vocabulary(tokens, types, merges, spoken)


# --- its file -------------------------------------------------------------------------------------


class _Tensor(NamedTuple):
    name: str
    shape: Sequence[int]  # the innermost first
    kind: int
    data: bytes


def _gguf(endless: bool) -> bytes:
    vocabulary = _vocabulary()
    about, tensors = _about(vocabulary), list(_tensors(vocabulary, endless))
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(about))]
    head += [_text(key) + _value(value) for key, value in about.items()]
    offset = 0
    for tensor in tensors:
        head.append(_text(tensor.name) + struct.pack("<I", len(tensor.shape)))
        head.append(struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape))
        head.append(struct.pack("<IQ", tensor.kind, offset))
        offset += len(_padded(tensor.data))
    return _padded(b"".join(head)) + b"".join(_padded(tensor.data) for tensor in tensors)


def _about(vocabulary: _Vocabulary) -> dict[str, Any]:
    own = {
        "context_length": 131_072, "block_count": _LAYERS, "embedding_length": _HIDDEN,
        "feed_forward_length": _HIDDEN, "expert_feed_forward_length": _HIDDEN,
        "expert_count": _EXPERTS, "expert_used_count": 2, "attention.head_count": _HEADS,
        "attention.head_count_kv": 1, "attention.key_length": _HEAD,
        "attention.value_length": _HEAD, "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.sliding_window": 128, "rope.freq_base": 150_000.0, "rope.scaling.factor": 32.0,
        "rope.scaling.original_context_length": 4096,
    }  # fmt: skip
    places = {token: place for place, token in enumerate(vocabulary.tokens)}
    return {
        "general.architecture": "gptoss", "general.file_type": 4,
        **{f"gptoss.{key}": value for key, value in own.items()},
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-4o",
        "tokenizer.ggml.tokens": vocabulary.tokens, "tokenizer.ggml.token_type": vocabulary.types,
        "tokenizer.ggml.merges": vocabulary.merges,
        "tokenizer.ggml.bos_token_id": places["<|startoftext|>"],
        "tokenizer.ggml.eos_token_id": places["<|return|>"],
        "tokenizer.ggml.eos_token_ids": [places["<|return|>"], places["<|call|>"]],
        "tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_eos_token": False,
    }  # fmt: skip


def _tensors(vocabulary: _Vocabulary, endless: bool) -> Iterable[_Tensor]:
    tokens, spoken = vocabulary.tokens, list(vocabulary.spoken)
    place = {token: number for number, token in enumerate(tokens)}
    embedding = [[0.0] * _HIDDEN for _ in tokens]
    output = [[0.0] * _HIDDEN for _ in tokens]
    for dimension, word in enumerate(spoken):
        embedding[place[word]][dimension] = 1.0
    if endless:
        again = spoken.index(_words(ANSWER)[0])
        spoken = [*spoken[:-1], spoken[again]]
    for dimension, successor in enumerate(spoken[1:]):
        output[place[successor]][dimension] = _SHARP
    for name, rows in (("token_embd", embedding), ("output", output)):
        numbers = [number for row in rows for number in row]
        yield _Tensor(f"{name}.weight", (_HIDDEN, len(tokens)), _F32, _floats(numbers))
    yield _filled("output_norm.weight", 1.0, _HIDDEN)
    for layer in range(_LAYERS):
        yield from _layer(f"blk.{layer}.")


def _layer(prefix: str) -> Iterable[_Tensor]:
    for norm in ("attn_norm", "ffn_norm"):
        yield _filled(f"{prefix}{norm}.weight", 1.0, _HIDDEN)
    wide = _HEADS * _HEAD
    for name, shape in (("attn_q", (_HIDDEN, wide)), ("attn_k", (_HIDDEN, _HEAD)),
                        ("attn_v", (_HIDDEN, _HEAD)), ("attn_out", (wide, _HIDDEN)),
                        ("ffn_gate_inp", (_HIDDEN, _EXPERTS))):  # fmt: skip
        yield _filled(f"{prefix}{name}.weight", 0.0, *shape)
        yield _filled(f"{prefix}{name}.bias", 0.0, shape[1])
    yield _filled(f"{prefix}attn_sinks", 0.0, _HEADS)
    for part in ("gate", "up", "down"):
        experts = bytes(_HIDDEN * _HIDDEN * _EXPERTS // 32 * _MXFP4_BYTES)
        name = f"{prefix}ffn_{part}_exps"
        yield _Tensor(f"{name}.weight", (_HIDDEN, _HIDDEN, _EXPERTS), _MXFP4, experts)
        yield _filled(f"{name}.bias", 0.0, _HIDDEN, _EXPERTS)


def _filled(name: str, number: float, *shape: int) -> _Tensor:
    size = 1
    for length in shape:
        size *= length
    return _Tensor(name, shape, _F32, _floats([number] * size))


def _floats(numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


def _text(text: str) -> bytes:
    said = text.encode()
    return struct.pack("<Q", len(said)) + said


def _value(value: Any) -> bytes:
    """The number of its type, and the value."""
    if isinstance(value, list):
        kind = struct.pack("<IIQ", 9, 8 if isinstance(value[0], str) else 5, len(value))
        return kind + b"".join(
            _text(one) if isinstance(one, str) else struct.pack("<i", one) for one in value
        )
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<II", 4, value)
