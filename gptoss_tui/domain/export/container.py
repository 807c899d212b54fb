"""What all three forms of an export share: the words of `docker run`, and the secrets' files."""

from __future__ import annotations

import shlex

from gptoss_tui.domain.engines.parts import SECRETS_DIR
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.render import bracketed, docker_run


def secret_files(spec: LaunchSpec) -> tuple[tuple[str, str], ...]:
    """The files that hold its secrets: (path on the box, path in the container)."""
    named = (("api_key", spec.needs_api_key), ("hf_token", spec.has_token))
    folder = f"/etc/gptoss-tui/{spec.name}"
    return tuple((f"{folder}/{name}", f"{SECRETS_DIR}/{name}") for name, wanted in named if wanted)


def words(spec: LaunchSpec, *head: str) -> tuple[str, ...]:
    """`docker run` of this spec with its labels; `head` stands for its first words, "run -d".

    A secret's file is a `--mount`, which refuses a file that is not there; `-v` would make a folder.
    """
    _, _, _, *rest = docker_run(spec, with_labels=True)
    mounts: list[str] = []
    for source, target in secret_files(spec):
        mounts += ["--mount", f"type=bind,{_field('src', source)},dst={target},readonly"]
    return (*head, *mounts, *rest)


def _field(key: str, value: str) -> str:
    """One field of a `--mount`, which is a line of CSV."""
    plain = f"{key}={value}"
    if any(odd in plain for odd in ',"\n\r'):
        return '"' + plain.replace('"', '""') + '"'
    return plain


def remarks(spec: LaunchSpec, use: str) -> list[str]:
    """The comment at the head of every export, without its "# "."""
    made = spec.created_by or "somebody"
    lines = [
        f"{spec.name}: {spec.model} by {spec.engine} {spec.engine_version}",
        f"Planned by {made}{f' at {spec.created_at}' if spec.created_at else ''}.",
        use,
    ]
    files = secret_files(spec)
    if files:
        lines += ["No secret is in this file. Put each on the box, as root, with mode 0400:"]
        lines += [f"  {source}" for source, _ in files]
    fetch = engine_named(spec.engine).fetch(spec)
    if fetch is not None:
        url = f"http://{bracketed(spec.bind)}:{spec.port}{fetch.path}"
        lines += [f"Once it runs, fetch the model: curl {url} -d {shlex.quote(fetch.body)}"]
    lines += ["gptoss-tui reads this file back: gptoss-tui launch BOX --from FILE"]
    return ["".join(c if c.isprintable() else " " for c in line) for line in lines]
