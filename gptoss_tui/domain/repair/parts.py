"""Parts that the scripts of several repairs share."""

from __future__ import annotations

import shlex

HEAD = """set -eu
have() { command -v "$1" >/dev/null 2>&1; }
"""

# Restarting, starting and waiting for Docker.
AGAIN = r"""
wait_for_docker() {
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { echo 'Docker does not answer after a minute.' >&2; return 1; }
        sleep 1
    done
}
service_of_docker() { # start | restart
    if have snap && [ -d /snap/docker/current ] && ! have dockerd; then
        snap "$1" docker
    elif [ -d /run/systemd/system ]; then
        systemctl reset-failed docker.service 2>/dev/null || :
        systemctl "$1" docker || { journalctl -u docker.service -n 20 --no-pager || :; return 1; }
    else
        service docker "$1"
    fi
    wait_for_docker
}
"""


def assignments(values: dict[str, str]) -> str:
    """Shell assignments, every value quoted: all that is foreign enters a script here."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def words(values: tuple[str, ...]) -> str:
    """The values as words of one command, each quoted."""
    return " ".join(shlex.quote(value) for value in values)
