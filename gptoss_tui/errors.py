"""Every failure that a user can meet, as one sentence and the next step.

GptossError
├── UsageError               the words of the command are off               exit 2
├── NotFoundError            no such server, launch or file                 exit 7
├── StateError               our own files cannot be read or written        exit 1
├── ReadOnlyError            --read-only forbids the change                 exit 1
├── InternalError            a fault of our own; details in the debug log   exit 1
├── BoxError                 the box cannot be reached or entered           exit 3
│   ├── UnknownNameError     the name does not resolve
│   ├── UnreachableError     nothing answers at that address and port
│   ├── AuthError            the login was refused
│   │   └── UnansweredError  nobody answered what the server asked
│   ├── HostKeyError
│   │   ├── UnknownHostKeyError   never seen before: asks
│   │   └── ChangedHostKeyError   differs from the known one: refuses
│   ├── ConnectionLostError  it was there and is gone
│   └── CommandError         a command on the box failed
├── DockerError              the Docker Engine refuses or is missing        exit 4
│   ├── NoDockerError
│   ├── DockerPermissionError
│   └── ConflictError        a GPU, a port or a name is taken
├── DoesNotFitError          the plan does not fit the box                  exit 5
├── LaunchError              the launch failed or was cancelled             exit 6
└── EngineError              the inference server refuses or is silent      exit 8
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from gptoss_tui.text import clean

# A sentence of ours that ends with foreign words which have a point of their own.
_TWO_POINTS = re.compile(r"(?<=[^.\s][.!?])\.(?=\s|$)")


def _sentences(text: str) -> str:
    return _TWO_POINTS.sub("", clean(text)).strip()


class GptossError(Exception):
    """A failure in words: what happened (`message`) and what to do next (`next_step`).

    `code` is a stable identifier for scripts, `exit_code` what the process ends with. Remote text
    may be part of either sentence: both are cleaned here, so that no error can carry a terminal
    escape to the screen.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        self.message = _sentences(message)
        self.next_step = _sentences(next_step)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step}


class UsageError(GptossError):
    code = "usage"
    exit_code = 2


class NotFoundError(GptossError):
    code = "not_found"
    exit_code = 7


class StateError(GptossError):
    code = "state"


class ReadOnlyError(GptossError):
    code = "read_only"


class InternalError(GptossError):
    """An exception that nobody foresaw, without its traceback: that goes to the debug log."""

    code = "internal"


class BoxError(GptossError):
    code = "box"
    exit_code = 3


class UnknownNameError(BoxError):
    code = "unknown_name"


class UnreachableError(BoxError):
    code = "unreachable"


class AuthError(BoxError):
    code = "auth_refused"


class UnansweredError(AuthError):
    """The server hung up while a question of its was open: only a person can mend that."""

    code = "auth_unanswered"


class HostKeyError(BoxError):
    """`host`, `port` and the SHA256 `fingerprint` that the server showed; `key` in OpenSSH form."""

    code = "host_key"

    def __init__(
        self, message: str, next_step: str = "", *, host: str, port: int, fingerprint: str, key: str
    ) -> None:
        super().__init__(message, next_step)
        self.host = host
        self.port = port
        self.fingerprint = fingerprint
        self.key = key

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {
            "host": self.host,
            "port": self.port,
            "fingerprint": self.fingerprint,
        }


class UnknownHostKeyError(HostKeyError):
    code = "host_key_unknown"


class ChangedHostKeyError(HostKeyError):
    """`ours` says that the old key is in our own file alone, so that the app can forget it."""

    code = "host_key_changed"

    def __init__(
        self,
        message: str,
        next_step: str = "",
        *,
        host: str,
        port: int,
        fingerprint: str,
        key: str,
        ours: bool = False,
    ) -> None:
        super().__init__(message, next_step, host=host, port=port, fingerprint=fingerprint, key=key)
        self.ours = ours


class ConnectionLostError(BoxError):
    code = "connection_lost"


class CommandError(BoxError):
    code = "command_failed"


class DockerError(GptossError):
    code = "docker"
    exit_code = 4


class NoDockerError(DockerError):
    code = "no_docker"


class DockerPermissionError(DockerError):
    code = "docker_permission"


class ConflictError(DockerError):
    code = "conflict"


class DoesNotFitError(GptossError):
    code = "does_not_fit"
    exit_code = 5


class LaunchError(GptossError):
    code = "launch_failed"
    exit_code = 6


class EngineError(GptossError):
    """`status` is the HTTP status, None when there was no answer at all."""

    code = "engine"
    exit_code = 8

    def __init__(self, message: str, next_step: str = "", *, status: int | None = None) -> None:
        super().__init__(message, next_step)
        self.status = status

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"status": self.status}
