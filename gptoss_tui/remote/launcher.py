"""Launching: the helper's folder is packed here, unpacked and detached on the box, and followed."""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from gptoss_tui.domain.engines.base import Call
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.launch_record import reread
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.render import bracketed, engine_api_body
from gptoss_tui.domain.timeline import LaunchLog
from gptoss_tui.errors import CommandError, ConflictError, LaunchError, NotFoundError
from gptoss_tui.remote import scripts
from gptoss_tui.remote.docker import DEFAULT_SOCKET
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

SECRETS_DIR = "run/gptoss-tui"
_KNOWN = "@@known "


class Replaced(msgspec.Struct, frozen=True):
    """The server whose place a launch takes, and the seconds from its signal to its kill."""

    name: str
    container_id: str
    grace_s: int


def bundle(
    spec: LaunchSpec, secrets: Secrets, socket: str | None, replaced: Replaced | None = None
) -> bytes:
    """The tar that becomes the launch's folder on the box. Secrets are in it, in files of 0400."""
    files = {
        "helper.sh": scripts.text("helper.sh").encode(),
        "ready.sh": scripts.text("ready.sh").encode(),
        "replace.sh": scripts.text("replace.sh").encode(),
        "http_client.py": scripts.text("http_client.py").encode(),
        "spec.json": msgspec.json.encode(spec),
        "create.json": json.dumps(engine_api_body(spec)).encode(),
        "vars": _variables(spec, socket or DEFAULT_SOCKET, replaced).encode(),
        **{f"{name}.json": call.body.encode() for name, call in _calls(spec).items()},
    }
    handed = _secret_files(secrets)
    if handed:
        files["secrets.tar"] = _tar(handed, mode=0o400)
    return _tar(files, mode=0o600)


def _calls(spec: LaunchSpec) -> dict[str, Call]:
    """What the helper asks of the server once it is up, in this order."""
    engine = engine_named(spec.engine)
    calls = {
        "fetch": engine.fetch(spec),
        "model_present": engine.model_present(spec),
        "load": engine.load(spec),
        "ask": engine.question(spec),
    }
    return {name: call for name, call in calls.items() if call is not None}


def _secret_files(secrets: Secrets) -> dict[str, bytes]:
    named = {"hf_token": secrets.hf_token, "api_key": secrets.api_key}
    return {
        f"{SECRETS_DIR}/{name}": value.reveal().encode() for name, value in named.items() if value
    }


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _variables(spec: LaunchSpec, socket: str, replaced: Replaced | None) -> str:
    """Shell assignments for the helper, every value quoted."""
    repository, tag = split_image(spec.image)
    engine = engine_named(spec.engine)
    host = "127.0.0.1" if spec.bind in ("0.0.0.0", "::", "") else spec.bind  # noqa: S104
    claims = [f"gpu-{gpu}" for gpu in spec.gpu_ids] + [f"port-{spec.port}", f"name-{spec.name}"]
    values = {
        "launch_id": spec.launch_id,
        "name": spec.name,
        "image": spec.image,
        "image_path": quote(spec.image, safe="/:@"),
        "pull_query": f"fromImage={quote(repository, safe='/:')}&tag={quote(tag, safe=':')}",
        "base_url": f"http://{bracketed(host)}:{spec.port}",
        "health_path": engine.health_path,
        **{f"{name}_path": "" for name in ("fetch", "model_present", "load", "ask")},
        **{f"{name}_path": call.path for name, call in _calls(spec).items()},
        "has_key": "1" if spec.needs_api_key else "0",
        "cache_dir": spec.cache_dir or "",
        "weights_dir": _weights_dir(spec),
        "claim_keys": " ".join(claims),
        "restart": "1" if spec.restart_once_ready else "0",
        "docker_socket": socket,
        "replaces": replaced.container_id if replaced else "",
        "replaces_grace": str(replaced.grace_s) if replaced else "",
        "begin": msgspec.json.encode(
            {
                "launch_id": spec.launch_id,
                "name": spec.name,
                "image": spec.image,
                "engine": spec.engine,
                "planned": spec.planned,
                "weights_bytes": spec.weights_bytes,
                "replaces": replaced.name if replaced else None,
                "spec": spec,
            }
        ).decode(),
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())


def _weights_dir(spec: LaunchSpec) -> str:
    """Where the Hugging Face cache has the files of this model while they come, and after."""
    if spec.cache_dir is None or engine_named(spec.engine).fetches != "at_start":
        return ""
    return f"{spec.cache_dir}/models--{spec.model.replace('/', '--')}/blobs"


def split_image(image: str) -> tuple[str, str]:
    """Repository and tag (or digest) as `POST /images/create` takes them; "latest" without one."""
    if "@" in image:
        repository, _, digest = image.partition("@")
        return repository, digest
    head, _, tail = image.rpartition(":")
    if head and "/" not in tail:
        return head, tail
    return image, "latest"


async def start(
    transport: Transport,
    spec: LaunchSpec,
    secrets: Secrets,
    socket: str | None,
    replaced: Replaced | None = None,
) -> str:
    """Detach the helper; it has reserved GPUs, port and name when this returns the launch id.

    Raises `ConflictError` when one of them is taken, `LaunchError` when the helper cannot run.
    """
    done = await transport.run(
        scripts.command("start", spec.launch_id),
        stdin=bundle(spec, secrets, socket, replaced),
        timeout_s=60,
    )
    answer = decode(done.stdout).strip().splitlines()
    word, _, rest = (answer[-1] if answer else "").partition(" ")
    if word == "ok":
        return spec.launch_id
    if word == "conflict":
        raise ConflictError(
            f"The launch was refused: {rest}.",
            "Choose another GPU, port or name, or wait until that one has ended.",
        )
    said = rest or decode(done.stderr).strip()[:300] or "the helper said nothing"
    raise LaunchError(f"The launch could not be started on the box: {said}.", "Look at the box.")


class LaunchRecord(msgspec.Struct, frozen=True):
    """One launch in the box's folder: what its log says, and whether its helper still runs.

    `stamp` is ID:ALIVE:SIZE:KEPT, which changes with anything that is told of it.
    """

    progress: LaunchProgress
    log: LaunchLog
    alive: bool
    read_bytes: int
    stamp: str

    @property
    def launch_id(self) -> str:
        return self.stamp.partition(":")[0]


Known = dict[str, LaunchRecord]


async def records(transport: Transport, known: Known | None = None) -> tuple[LaunchRecord, ...]:
    """The launches of this user on the box, newest first; what is `known` (by id) comes no more."""
    stamps = (record.stamp for record in (known or {}).values())
    return await _records(transport, "--known", *stamps, known=known)


async def running(transport: Transport) -> tuple[LaunchRecord, ...]:
    """Those that are under way: what is asked every few seconds leaves the long logs of others."""
    return await _records(transport, "--running")


async def _records(
    transport: Transport, *which: str, known: Mapping[str, LaunchRecord] | None = None
) -> tuple[LaunchRecord, ...]:
    done = await transport.run(scripts.command("launches", *which), timeout_s=30)
    same, found = known or {}, []
    for head, lines, kept in _blocks(decode(done.stdout)):
        before = same.get(head.removeprefix(_KNOWN)) if head.startswith(_KNOWN) else None
        found.append(before or _record(head, lines, kept))
    return tuple(found)


def _blocks(text: str) -> list[tuple[str, list[str], str]]:
    """Head, lines, and what is kept of the server's log."""
    blocks: list[tuple[str, list[str], str]] = []
    for line in text.splitlines():
        if line.startswith(("@@launch ", _KNOWN)):
            blocks.append((line, [], ""))
        elif blocks and line.startswith("@@server "):
            head, lines, _ = blocks.pop()
            blocks.append((head, lines, line.removeprefix("@@server ")))
        elif blocks and line:
            blocks[-1][1].append(line)
    return blocks


def _record(head: str, lines: list[str], kept: str) -> LaunchRecord:
    _, launch_id, alive, size, told = [*head.split(), "", "no", "0", "0"][:5]
    log = reread(launch_id, lines, kept)
    if alive != "yes":
        log.helper_gone()
    read = int(size) if size.isdigit() else 0
    stamp = f"{launch_id}:{alive}:{size}:{told}"
    return LaunchRecord(log.progress, log, alive == "yes", read, stamp)


async def one_record(transport: Transport, launch_id: str) -> LaunchRecord:
    """The launch of that id. Raises `NotFoundError`."""
    for record in await _records(transport, launch_id):
        return record
    raise NotFoundError(
        f"The box knows of no launch {launch_id}.", "`status` lists what it knows of."
    )


async def cancel(transport: Transport, launch_id: str) -> LaunchProgress:
    """End a launch's helper and return what the launch then looks like.

    Raises `CommandError` when it cannot be cancelled (any more).
    """
    done = await transport.run(scripts.command("cancel", launch_id), timeout_s=40)
    said = decode(done.stdout).strip()
    if done.status != 0:
        reason = said.removeprefix("error ").strip() or decode(done.stderr).strip()[:200]
        raise CommandError(f"The launch could not be cancelled: {reason}.", "`status` shows it.")
    return (await one_record(transport, launch_id)).progress
