"""The port that a server would take."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen

FIRST = 8000  # of vLLM, and of our launches


def check(seen: Seen) -> Iterator[Finding]:
    listening = set(seen.report.listening_ports)
    if not listening:
        return  # nothing was told: not even sshd's own
    published = set(seen.docker.published) if seen.docker else set()
    if FIRST not in listening or FIRST in published:
        what = f"Port {FIRST} is free." if FIRST not in listening else "Ports are free."
        yield Finding(code="ports", level="ok", what=what, topic="ports")
        return
    owner = dict(seen.probe.ports.owners).get(FIRST)
    who = f" by {owner}" if owner else ""
    free = next(port for port in range(FIRST + 1, 65536) if port not in listening)
    yield Finding(
        code="port_taken",
        level="warning",
        what=f"Port {FIRST} is taken{who}, and by no container: launches take {free} by themselves.",
        do="To have it, stop what listens there; or choose another port (--port).",
        topic="ports",
    )
