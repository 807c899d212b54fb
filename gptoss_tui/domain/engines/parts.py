"""What the engines have in common: where files lie in a container, the first question, names."""

from __future__ import annotations

import json

from gptoss_tui.domain.engines.base import Call, Environment
from gptoss_tui.domain.engines.flags import value_of
from gptoss_tui.domain.launch import LaunchSpec

SECRETS_DIR = "/run/gptoss-tui"
WEIGHTS_MOUNT = "/models/gpt-oss"
# Where OpenAI's own documentation puts the Harmony vocabulary.
VOCABULARY_MOUNT = "/etc/encodings"


def model_argument(spec: LaunchSpec) -> str:
    """What the server is told to serve: a name to fetch, or the folder that is mounted."""
    return WEIGHTS_MOUNT if spec.weights_dir else spec.model


def served_name_argument(spec: LaunchSpec) -> tuple[str, ...]:
    """A model from a folder would be called by its path: it keeps its own name."""
    return ("--served-model-name", spec.served_name) if spec.weights_dir else ()


def hub_environment(spec: LaunchSpec) -> Environment:
    """Variables of the Hugging Face libraries: the token's file, no network where none is needed."""
    token = (("HF_TOKEN_PATH", f"{SECRETS_DIR}/hf_token"),) if spec.has_token else ()
    offline = (("HF_HUB_OFFLINE", "1"),) if spec.weights_dir else ()
    words = (("TIKTOKEN_ENCODINGS_BASE", VOCABULARY_MOUNT),) if spec.vocab_dir else ()
    return (*token, *offline, *words)


def chat_question(spec: LaunchSpec) -> Call:
    """One token of an answer, by the route that clients use: it goes through template and parser."""
    body = {
        "model": spec.served_name,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 1,
    }
    return Call(path="/v1/chat/completions", body=json.dumps(body))


def model_in(command: tuple[str, ...], flags: tuple[str, ...]) -> str | None:
    """The model that a command line names: by a flag, behind "serve", or as its first word."""
    for flag in flags:
        if model := value_of(flag, command):
            return model
    words = [*command]
    if "serve" in words[:-1]:
        following = words[words.index("serve") + 1]
        return None if following.startswith("-") else following
    return words[0] if words and "/" in words[0] and not words[0].startswith("/") else None


def image_name(image: str) -> str:
    """The last part of an image's name, without registry, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
