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
    return BoxError(f"{label}: {_words(error)}.", "Try `ssh` to the same box.")


def too_many(error: Exception) -> bool:
    """Whether the server ended the login after too many wrong keys or answers."""
    return (
        isinstance(error, asyncssh.DisconnectError)
        and "authentication failures" in str(error).lower()
    )


_Maker = Callable[[Exception, str, str, float], GptossError]


def _said_so(kind: type[BoxError], sentence: str, next_step: str) -> _Maker:
    """A failure that the other side told of: `sentence` has `{label}` and, in its words, `{said}`."""

    def make(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
        return kind(sentence.format(label=label, said=_words(error)), next_step)

    return make


def _host_key(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    return HostKeyError(
        f"The host key of {label} cannot be trusted: {_words(error)}.",
        "Compare it with what the provider shows; `ssh` to the same box may say more.",
        host=host, port=0, fingerprint="", key="",
    )  # fmt: skip


def _name(error: Exception, label: str, host: str, waited_s: float) -> GptossError:
    # Only this answer is about the name; the others are about whoever was asked (no network yet).
    if getattr(error, "errno", None) != socket.EAI_NONAME:
        return UnreachableError(
            f"The name {host} cannot be looked up now: {_words(error)}.", "Is this machine online?"
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


def _words(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    return clean_line(said).rstrip(".") or type(error).__name__


_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], _Maker], ...] = (
    (
        (asyncssh.PermissionDenied,),
        _said_so(
            AuthError,
            "{label} refused the login: {said}.",
            "Check the user name and the key (ssh-add -l, IdentityFile, -i KEY).",
        ),
    ),
    ((asyncssh.HostKeyNotVerifiable,), _host_key),
    (
        (asyncssh.KeyExchangeFailed,),
        _said_so(
            UnreachableError,
            "{label} speaks no SSH that we do: {said}.",
            "Check KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms in your ssh config.",
        ),
    ),
    (
        (asyncssh.ChannelOpenError,),
        _said_so(
            UnreachableError,
            "The jump host could not reach {label}: {said}.",
            "Check the address, and that the jump host allows forwarding.",
        ),
    ),
    (
        (asyncssh.ConnectionLost, asyncssh.DisconnectError, ConnectionResetError),
        _said_so(
            UnreachableError,
            "{label} closed the connection during the handshake: {said}.",
            "It may be starting, or refuse too many logins at once: try again in a moment.",
        ),
    ),
    ((socket.gaierror,), _name),
    ((TimeoutError,), _silent),
    ((OSError,), _refused),
)
