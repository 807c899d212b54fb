"""Repairs on a box: what has to be known first, the script run and followed, the box looked at.

A script is detached on the box, as the launch helper is: ended half-way, a package manager would
leave its database broken, and Docker might stay stopped. A connection that is lost only ends the
listening; asking for the same repair again joins the one that runs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from gptoss_tui.domain.parse import repair as parse
from gptoss_tui.domain.prompts import Prompter, PromptRequest
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, Survey
from gptoss_tui.errors import CommandError, DockerError, NotFoundError
from gptoss_tui.remote import scripts
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

# sudo and sudo-rs, in English: https://www.sudo.ws/docs/man/sudo.man/
_WANTS_PASSWORD = re.compile(
    r"password is required|no password was provided|incorrect (password|authentication) attempt"
    r"|try again|authentication (failed|is required)|terminal is required to read",
    re.IGNORECASE,
)
_ATTEMPTS = 3  # as many as sudo itself allows
_STOPPED = {"all": "1", "filters": '{"status":["exited","dead"]}'}


async def survey(transport: Transport, docker: Docker | None, cache_dir: str | None) -> Survey:
    """What repairs need to know besides the look. `docker` is None where it does not answer."""
    text = ""
    if cache_dir is not None:
        done = await transport.run(scripts.command("repair_survey", cache_dir), timeout_s=60)
        text = decode(done.stdout)
    found = parse.cache(text)
    if docker is None:
        return found
    try:
        running = await docker.get("/containers/json")
        stopped = await docker.get("/containers/json", _STOPPED)
        info: dict[str, Any] = await docker.get("/info")
    except (DockerError, NotFoundError):
        return found  # it has gone since: the look says so, and the repair may be to start it
    return parse.with_containers(found, running, stopped, info)


async def run(
    transport: Transport, box: str, repair: Repair, prompter: Prompter | None
) -> AsyncGenerator[RepairLine | RepairEnded, None]:
    """Run the script to its end, line by line.

    Raises `CommandError` when it cannot begin, `ConnectionLostError` when the connection goes (the
    script goes on).
    """
    mark = await _start(transport, box, repair, prompter)
    status: int | None = None
    async with (
        transport.follow(scripts.command("repair_log", repair.name)) as lines,
        aclosing(_texts(lines)) as texts,
    ):
        async for text in texts:
            word, _, rest = text.removeprefix(f"@{mark} ").partition(" ")
            if not text.startswith(f"@{mark} "):
                yield RepairLine(repair=repair.name, text=text)
            elif word == "end":
                status = int(rest) if rest.isdigit() else None
                break
    yield RepairEnded(repair=repair.name, status=status)


async def _texts(lines: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    async for line in lines:
        yield decode(line)


async def _start(transport: Transport, box: str, repair: Repair, prompter: Prompter | None) -> str:
    """Detach the script, with a password for sudo where it wants one; the mark of its own lines."""
    how, password = "root" if repair.root else "user", b""
    for attempt in range(_ATTEMPTS + 1):
        said = await _begin(transport, repair, how, password)
        word, _, rest = said.partition(" ")
        if word in ("ok", "joined"):
            return rest
        if word != "refused" or not _WANTS_PASSWORD.search(rest):
            raise CommandError(
                f"The repair could not begin on {box}: {rest or said or 'the box said nothing'}.",
                "Log in as somebody who may use sudo, or run the script by hand as root.",
            )
        if attempt < _ATTEMPTS:
            how, password = "password", await _asked(box, repair, prompter, again=attempt > 0)
    raise CommandError(
        f"sudo on {box} did not take the password.", "Nothing was changed. Try it again."
    )


async def _begin(transport: Transport, repair: Repair, how: str, password: bytes) -> str:
    """One start; what the box answers, on one line."""
    mark = f"gptoss-tui-{secrets.token_hex(8)}"
    argv = scripts.command(
        "repair", repair.name, how, mark, scripts.text("repair_run.sh"), repair.script
    )
    done = await transport.run(argv, stdin=password, timeout_s=90)
    lines = decode(done.stdout).strip().splitlines() or [decode(done.stderr).strip()[:300]]
    return lines[-1]


async def _asked(box: str, repair: Repair, prompter: Prompter | None, *, again: bool) -> bytes:
    """The password as sudo reads it. Raises `CommandError` where there is none."""
    request = PromptRequest(
        box=box,
        kind="password",
        title=f"sudo on {box}",
        text=f"{repair.title}: this runs as root on {box}, and sudo there asks for your password. "
        "It is handed to sudo and kept nowhere.",
        again=again,
    )
    secret = None if prompter is None else await prompter.ask(request)
    if secret is None:
        raise CommandError(
            f"sudo on {box} asks for a password, and none was given: nothing was changed.",
            "Give one (in a script: --sudo-password-file FILE), or let this user run sudo without "
            "(NOPASSWD in its sudoers).",
        )
    return secret.reveal().encode() + b"\n"
