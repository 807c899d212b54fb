"""Docker itself: started, opened to the user, rid of what we left stopped in it."""

from __future__ import annotations

from gptoss_tui.domain.launch import LABEL_SPEC
from gptoss_tui.domain.repair.parts import AGAIN, HEAD, assignments

START = (
    HEAD
    + AGAIN
    + r"""
if docker info >/dev/null 2>&1; then
    echo 'Docker runs already.'
    exit 0
fi
! have systemctl || systemctl unmask docker.service docker.socket 2>/dev/null || :
service_of_docker start
docker version --format 'Docker Engine {{.Server.Version}} runs.'
"""
)

_GROUP = r"""
getent group docker >/dev/null || groupadd --system docker
if id -nG "$user" | tr ' ' '\n' | grep -qx docker; then
    echo "$user is in the group docker already; only a new login is missing."
else
    usermod -aG docker "$user"
    echo "$user is in the group docker from the next login on."
fi
# A daemon that began before there was this group gave its socket to root alone.
socket=/var/run/docker.sock
if [ -S "$socket" ] && [ "$(stat -c %G "$socket")" != docker ]; then
    chgrp docker "$socket"
    chmod g+rw "$socket"
fi
"""

_STALE = r"""
for id in $ids; do
    if ! spec=$(docker inspect --format "{{index .Config.Labels \"$label\"}}" "$id" 2>/dev/null); then
        echo "$id is gone already."
    elif [ -z "$spec" ] || [ "$spec" = '<no value>' ]; then
        echo "$id is not one of gptoss-tui: left alone."
    elif [ "$(docker inspect --format '{{.State.Running}}' "$id")" = true ]; then
        echo "$id runs by now: left alone."
    else
        name=$(docker inspect --format '{{.Name}}' "$id")
        docker rm -v "$id" >/dev/null
        echo "removed ${name#/}"
    fi
done
"""


def join_group(user: str) -> str:
    """Put the user into the group that may use Docker's socket."""
    return assignments({"user": user}) + HEAD + _GROUP


def drop_stopped(ids: tuple[str, ...]) -> str:
    """Remove these containers, as long as they are ours and do not run."""
    return assignments({"label": LABEL_SPEC, "ids": " ".join(ids)}) + HEAD + _STALE
