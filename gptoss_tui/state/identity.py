"""Who launches, and the name of a launch: both stand on the box, for other operators to read."""

from __future__ import annotations

import getpass
import secrets
import socket
from datetime import datetime


def new_launch_id(now: datetime) -> str:
    """Sorts by time, and two operators never draw the same."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def who() -> str:
    """This user on this machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
