"""Every way in which connecting fails, as a sentence and the next step."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import asyncssh

from gptoss_tui.errors import (
    AuthError,
    BoxError,
    GptossError,
    HostKeyError,
    UnknownNameError,
    UnreachableError,
)
from gptoss_tui.text import clean_line


def explain(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    """Any failure to connect to `label` (`host`: its name or address) in words."""
    if isinstance(error, GptossError):
        return error
    for kinds, make in _EXPLANATIONS:
        if isinstance(error, kinds):
            return make(error, label, host, waited_s)
    said = clean_line(str(error)) or type(error).__name__
    return BoxError(f"{label}: {said.rstrip('.')}.", "Try `ssh` to the same box.")


def too_many(error: Exception) -> bool:
    """Whether the server ended the login after too many wrong keys or answers."""
    return (
        isinstance(error, asyncssh.DisconnectError)
        and "authentication failures" in str(error).lower()
    )


def _auth(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return AuthError(
        f"{label} refused the login: {_said(error)}.",
        "Check the user name and the key (ssh-add -l, IdentityFile, -i KEY).",
    )


def _host_key(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return HostKeyError(
        f"The host key of {label} cannot be trusted: {_said(error)}.",
        "Compare it with what the provider shows; `ssh` to the same box may say more.",
        host=host, port=0, fingerprint="", key="",
    )  # fmt: skip


def _kex(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return UnreachableError(
        f"{label} speaks no SSH that we do: {_said(error)}.",
        "Check KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms in your ssh config.",
    )


def _name(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    # Only this answer is about the name; the others are about whoever was asked (no network yet).
    if getattr(error, "errno", None) != socket.EAI_NONAME:
        return UnreachableError(
            f"The name {host} cannot be looked up now: {_reason(error)}.", "Is this machine online?"
        )
    return UnknownNameError(
        f"The name {host} is not known: no Host of the ssh config, and it does not resolve.",
        "Check the spelling, or give it as user@host:port.",
    )


def _silent(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return UnreachableError(
        f"{label} does not answer in {waited_s:.0f} s.",
        "Is the box running, is the port right, is a firewall in between?",
    )


def _refused(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    # asyncio's own text names the system call; the number behind it names the cause.
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else str(error) or "connection refused"
    return UnreachableError(
        f"{label} cannot be reached: {reason}.", "Is the box running, and is its SSH port right?"
    )


def _cut(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return UnreachableError(
        f"{label} closed the connection during the handshake: {_said(error)}.",
        "It may be starting, or refuse too many logins at once: try again in a moment.",
    )


def _channel(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return UnreachableError(
        f"The jump host could not reach {label}: {_said(error)}.",
        "Check the address, and that the jump host allows forwarding.",
    )


def _reason(error: Exception) -> str:
    return clean_line(getattr(error, "strerror", None) or str(error)).rstrip(".")


def _said(error: Exception) -> str:
    return clean_line(str(error)).rstrip(".") or type(error).__name__


_Maker = Callable[[Exception, str, str, float], GptossError]
_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], _Maker], ...] = (
    ((asyncssh.PermissionDenied,), _auth),
    ((asyncssh.HostKeyNotVerifiable,), _host_key),
    ((asyncssh.KeyExchangeFailed,), _kex),
    ((asyncssh.ChannelOpenError,), _channel),
    ((asyncssh.ConnectionLost, asyncssh.DisconnectError, ConnectionResetError), _cut),
    ((socket.gaierror,), _name),
    ((TimeoutError,), _silent),
    ((OSError,), _refused),
)
