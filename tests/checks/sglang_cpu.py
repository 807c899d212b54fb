"""A real SGLang that runs without a GPU: its package, PyTorch's CPU build, and a tiny GPT-OSS.

SGLang's own CPU path (`SGLANG_USE_CPU_ENGINE`) does without its CUDA kernels, which are not installed;
where it imports them all the same, `sglang_stand_ins` is in their place. Its plain attention knows no
attention sinks: they are left out, which the tiny model's answer does not depend on.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_TINY = HERE.parents[1] / ".ci" / "lab" / "tiny_model.py"
# Another than it asks for, as those of a CUDA build would be 5 GB; oss-harmony brings the vocabulary.
_TORCH = ("torch==2.13.0", "triton==3.9.0", "oss-harmony==0.0.11")
_WITHOUT_PARTS = (
    "anthropic", "blobfile==3.0.0", "compressed-tensors==0.18.0", "kernels<0.15", "outlines==0.1.11",
    "torch_memory_saver", "xgrammar==0.2.7",
)  # fmt: skip
_PACKAGES = (
    "IPython", "aiohttp", "apache-tvm-ffi==0.1.11", "cloudpickle", "datasets", "diskcache", "distro",
    "docstring_parser", "easydict", "einops", "fastapi", "gguf", "interegular", "lark",
    "llguidance<2", "loguru", "lxml", "mistral_common", "modelscope", "msgspec", "nest_asyncio",
    "ninja", "numba==0.65.1", "numpy", "nvidia-ml-py", "openai==2.8.0", "orjson", "outlines_core",
    "packaging", "partial_json_parser", "pillow", "prometheus-client", "psutil", "py-spy", "pybase64",
    "pycryptodomex", "pydantic", "pydantic-settings", "python-dateutil<3", "python-multipart", "pyzmq",
    "regex", "requests", "scipy", "sentencepiece==0.2.1", "setproctitle", "soundfile", "tiktoken",
    "tokenizers==0.23.2", "tqdm", "transformers==5.19.0", "uvicorn", "uvloop", "watchfiles", "xxhash",
    "zstandard",
)  # fmt: skip
_STAND_INS = ("torchvision", "torchaudio", "sgl_kernel", "decord", "decord2")

# OpenAI's own pattern for its o200k vocabulary, and the names that it gives to its special tokens.
_WORDS = "|".join((
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
))  # fmt: skip
_SPECIAL = {
    199998: "<|startoftext|>", 199999: "<|endoftext|>", 200002: "<|return|>", 200003: "<|constrain|>",
    200005: "<|channel|>", 200006: "<|start|>", 200007: "<|end|>", 200008: "<|message|>",
    200012: "<|call|>",
}  # fmt: skip
_LAST = 200018
_TEMPLATE = (
    "{%- for message in messages -%}<|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"
)


def installed(folder: Path, version: str) -> Path:
    """The Python of an environment with that SGLang, in `folder`; made where it is not there."""
    home = folder / version
    python, done = home / "bin" / "python", home / ".complete"
    if done.exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *_TORCH], check=True)
    subprocess.run([*pip, *_TORCH, *_PACKAGES], check=True)
    subprocess.run([*pip, "--no-deps", *_WITHOUT_PARTS, f"sglang=={version}"], check=True)
    site = next(home.glob("lib/python*/site-packages"))
    shutil.copy(HERE / "sglang_stand_ins.py", site)
    (site / "sglang_stand_ins.pth").write_text(
        "import sys, sglang_stand_ins; "
        f"sys.meta_path.append(sglang_stand_ins.StandIns(*{_STAND_INS}))\n"
    )
    _without_sinks(site / "sglang/srt/layers/attention/torch_native_backend.py")
    done.touch()
    return python


def _without_sinks(backend: Path) -> None:
    takes = "        save_kv_cache=True,\n"
    text = backend.read_text()
    assert takes in text, f"{backend} has changed"
    backend.write_text(text.replace(f"{takes}    ):", f"{takes}        sinks=None,\n    ):"))


def tiny_model(folder: Path, python: Path) -> Path:
    """The checkpoint, with the tokenizer that SGLang needs; made where it is not there."""
    model = folder / "tiny-gpt-oss"
    if not (model / "tokenizer.json").exists():
        made = folder / "making"
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([str(python), str(_TINY), str(made)], check=True)
        subprocess.run([str(python), __file__, str(made)], check=True)
        made.rename(model)
    return model


def _tokenizer(folder: Path) -> None:
    """Harmony's vocabulary, read from the package that has it, as a tokenizer of transformers."""
    from openai_harmony import (  # type: ignore[import-not-found]
        HarmonyEncodingName,
        load_harmony_encoding,
    )
    from transformers import PreTrainedTokenizerFast  # type: ignore[import-not-found]
    from transformers.convert_slow_tokenizer import (  # type: ignore[import-not-found]
        TikTokenConverter,
    )

    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    first = min(_SPECIAL)
    ranks = folder / "o200k.tiktoken"
    with ranks.open("wb") as file:
        for rank in range(first):
            token = bytes(encoding._inner.decode_bytes([rank]))
            file.write(base64.b64encode(token) + b" %d\n" % rank)
    names = [_SPECIAL.get(rank, f"<|reserved_{rank}|>") for rank in range(first, _LAST + 1)]
    converter = TikTokenConverter(str(ranks), pattern=_WORDS, extra_special_tokens=names)
    made = PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(),
        bos_token="<|startoftext|>",
        eos_token="<|return|>",
        pad_token="<|endoftext|>",
    )
    made.chat_template = _TEMPLATE
    made.save_pretrained(folder)
    ranks.unlink()
    named = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    assert {token["id"]: token["content"] for token in named}[200006] == "<|start|>"


if __name__ == "__main__":
    _tokenizer(Path(sys.argv[1]))
