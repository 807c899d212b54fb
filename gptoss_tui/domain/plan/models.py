"""The two models: shapes from their published config.json, bytes from those shapes."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.wrong import PlanInputError

GIB = 1024**3
# MXFP4: 32 weights of 4 bits share one scale of 8 bits (OCP Microscaling specification 1.0).
_MXFP4_BYTES = 17 / 32


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A GPT-OSS model. Half of its layers use a sliding window of `window` tokens.

    `checkpoint_bytes` are the top-level safetensors files; `dense_bytes` all of it that is no
    expert (BF16: attention, router, embeddings, head). `active_parameters` work for one token.
    """

    key: str
    name: str
    layers: int
    experts: int
    checkpoint_bytes: int
    dense_bytes: int
    hidden: int = 2880
    intermediate: int = 2880
    kv_heads: int = 8
    head_dim: int = 64
    window: int = 128
    parameters: int
    active_parameters: int
    experts_per_token: int = 4
    vocabulary: int = 201_088
    max_context: int = 131_072

    def scale_bytes(self, hidden: int, intermediate: int) -> int:
        """The scales alone: one byte for 32 weights."""
        return self.layers * self.experts * 3 * hidden * intermediate // 32

    @property
    def bf16_name(self) -> str:
        """A checkpoint of third parties with all weights in BF16."""
        return f"unsloth/gpt-oss-{self.key}-BF16"

    def expert_bytes(self, hidden: int, intermediate: int) -> int:
        """All experts with these (padded) sizes: gate, up and down projection, and BF16 biases."""
        weights = self.layers * self.experts * 3 * hidden * intermediate * _MXFP4_BYTES
        biases = self.layers * self.experts * (2 * intermediate + hidden) * 2
        return round(weights + biases)


# Source of the totals: the files of huggingface.co/openai/gpt-oss-20b and -120b; vLLM itself logs
# "Checkpoint size: 60.77 GiB" for the larger one.
MODELS: dict[str, Model] = {
    "20b": Model(
        key="20b",
        name="openai/gpt-oss-20b",
        layers=24,
        experts=32,
        checkpoint_bytes=13_761_264_768,
        dense_bytes=round(3.349 * GIB),
        parameters=20_915_000_000,
        active_parameters=3_608_000_000,
    ),
    "120b": Model(
        key="120b",
        name="openai/gpt-oss-120b",
        layers=36,
        experts=128,
        checkpoint_bytes=65_248_815_744,
        dense_bytes=round(3.963 * GIB),
        parameters=116_829_000_000,
        active_parameters=5_133_000_000,
    ),
}


def model_named(name: str) -> Model:
    """By "20b", "gpt-oss-20b" or "openai/gpt-oss-20b". Raises `PlanInputError`."""
    key = name.lower().removeprefix("openai/").removeprefix("gpt-oss-")
    if key not in MODELS:
        from gptoss_tui.domain.near import did_you_mean

        raise PlanInputError(
            f"The model {name!r} is not known.",
            f"{did_you_mean(name, MODELS)}Choose {' or '.join(MODELS)}.",
        )
    return MODELS[key]
