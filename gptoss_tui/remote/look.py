"""One look at a box: the probe script and Docker's own word, put together as a report."""

from __future__ import annotations

from typing import Any

import msgspec

from gptoss_tui.domain.findings import findings
from gptoss_tui.domain.host import BoxReport, DockerInfo
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.probe import Probe, parse_probe
from gptoss_tui.errors import (
    CommandError,
    DockerError,
    GptossError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote import scripts
from gptoss_tui.remote.docker import DEFAULT_SOCKET, Docker, doors
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode


async def probe(transport: Transport) -> Probe:
    """Run the probe script once (again without a GPU field that this driver does not know)."""
    fields = nvidia_smi.GPU_FIELDS
    while True:
        done = await transport.run(scripts.command("probe", ",".join(fields)), timeout_s=45)
        found = parse_probe(decode(done.stdout), fields)
        if not found.complete:
            raise CommandError(
                f"The look at the box broke off: {decode(done.stderr).strip()[:200] or 'no output'}.",
                "The login shell may print or refuse something: try `ssh BOX true`.",
            )
        if found.bad_gpu_field is None or found.bad_gpu_field not in fields:
            return found
        fields = tuple(field for field in fields if field != found.bad_gpu_field)


async def docker_of(transport: Transport, found: Probe | None) -> Docker:
    """The Engine, by the cheapest way that works. Raises `DockerError`.

    Before the first look only the usual socket is known: where nothing answers there, the box is
    asked for another one (a rootless Engine's, say).
    """
    socket = _socket(found) or DEFAULT_SOCKET
    try:
        return await Docker.connect(doors(transport, socket))
    except NoDockerError:
        other = _socket(await probe(transport)) if found is None else None
        if other in (None, socket):
            raise
        return await Docker.connect(doors(transport, other))


def _socket(found: Probe | None) -> str | None:
    return (found.socket or found.denied) if found else None


async def docker_info(docker: Docker) -> DockerInfo:
    """What the Engine says of itself. Raises `DockerError`."""
    info: dict[str, Any] = await docker.get("/info")
    return DockerInfo(
        version=docker.version,
        api_version=docker.api,
        via=docker.via,
        runtimes=tuple(info.get("Runtimes") or ()),
        cdi_devices=tuple(
            str(device.get("ID")) for device in info.get("DiscoveredDevices") or () if device
        ),
        root_dir=info.get("DockerRootDir"),
        images=await _images(docker),
        rootless=any("rootless" in str(option) for option in info.get("SecurityOptions") or ()),
    )


async def _images(docker: Docker) -> tuple[str, ...]:
    """The tags that are there, in no order of their own. Raises `DockerError`."""
    listed: list[dict[str, Any]] = await docker.get("/images/json")
    tags = (tag for image in listed for tag in image.get("RepoTags") or ())
    return tuple(sorted({str(tag) for tag in tags if tag != "<none>:<none>"}))


async def report(found: Probe, docker: Docker | None, problem: GptossError | None) -> BoxReport:
    """The report of a probe, completed with Docker's own word."""
    info: DockerInfo | None = None
    if docker is not None:
        try:
            info = await docker_info(docker)
        except (DockerError, NotFoundError) as error:
            problem = error
    said = None if problem is None else (problem.message, problem.next_step)
    return msgspec.structs.replace(found.report, docker=info, findings=findings(found, info, said))
