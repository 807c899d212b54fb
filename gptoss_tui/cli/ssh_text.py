"""What the commands say of the way to a box; and `forget-key`."""

from __future__ import annotations

from argparse import Namespace

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import fleet_options, new_hub
from gptoss_tui.domain.host import DockerInfo
from gptoss_tui.errors import NotFoundError
from gptoss_tui.remote.fleet import Fleet
from gptoss_tui.remote.ssh_notes import SshNotes
from gptoss_tui.state.paths import paths


def tell_ssh(notes: SshNotes | None, docker: DockerInfo | None, output: Output) -> None:
    """Hops, fallbacks in use, and each directive of the ssh config that has no effect here."""
    if notes is None:
        return
    way = "".join(f"{hop} > " for hop in notes.hops)
    output.line(f"  ssh: {way}{notes.user}@{notes.host} port {notes.port}")
    if docker is not None and docker.via != "socket":
        output.line(f"  Docker is reached by `{docker.via}` in an exec channel, not by its socket")
    for fallback in notes.fallbacks:
        output.advice(f"  {fallback}")
    for one in notes.ignored:
        where = f"{one.place}, for {one.hop}" if one.hop else one.place
        output.advice(f"  {one.directive} {one.value} ({where}) has no effect: {one.why}")


async def forget_key(arguments: Namespace, output: Output) -> int:
    """Take the host keys of a box out of our own file, without contacting it."""
    async with Fleet(new_hub(), paths(), fleet_options(arguments)) as fleet:
        count = fleet.forget_key(arguments.box)
    if not count:
        raise NotFoundError(
            f"No host key of {arguments.box} is in our own file ({paths().known_hosts}).",
            "In a file of yours: ssh-keygen -R HOST -f FILE, as the refusal of the key says.",
        )
    output.document({"box": arguments.box, "forgotten": count})
    output.line(f"forgot {count} host key(s) of {arguments.box}: the next one is asked about")
    return 0
