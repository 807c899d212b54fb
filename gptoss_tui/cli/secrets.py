"""Where secrets come from: a file, standard input, or the keyring of the operating system.

Read before the event loop runs: a keyring may ask a person to unlock it, for as long as he likes.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import StateError, UsageError

KEYRING = "keyring:"
# By the option, less its "--" and "-file".
WHAT = {
    "api_key": "API key",
    "hf_token": "HF token",
    "password": "password",
    "passphrase": "passphrase",
    "sudo_password": "sudo password",
}
_LONGEST = 64 * 1024  # characters: a file may have no end


def take(arguments: Namespace) -> None:
    """Put each secret of the command beside the words that name its source (None: none does).

    `api_key` for `api_key_file`, and so on. Raises `StateError` and `UsageError`.
    """
    for name, what in WHAT.items():
        source = getattr(arguments, f"{name}_file", None)
        setattr(arguments, name, None if source is None else read(source, what))


def read(source: str, what: str) -> Secret:
    """The secret that `source` names: "keyring:SERVICE/USER", "-" (standard input), or a file.

    Of a file and of standard input it is the first line, as it stands there. Raises `StateError`
    where there is none, and `UsageError`.
    """
    if source.startswith(KEYRING):
        text = _entry(source.removeprefix(KEYRING), what)
    else:
        text = _first_line(source, what)
    if not text.strip():
        where = "on standard input" if source == "-" else f"in {source}"
        raise StateError(f"The {what} {where} is empty.", "Put it on the first line.")
    return Secret(text)


def _first_line(source: str, what: str) -> str:
    try:
        if source == "-":
            line = sys.stdin.readline(_LONGEST)
        else:
            with Path(source).expanduser().open(encoding="utf-8-sig") as file:
                line = file.readline(_LONGEST)
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: "~nobody/…"
        raise StateError(
            f"The {what} cannot be read from {source}.", "Check the path and who may read it."
        ) from error
    if len(line) == _LONGEST:
        raise StateError(f"The first line of {source} is too long for a secret.", "Check the path.")
    return line.rstrip("\r\n")


def _entry(name: str, what: str) -> str:
    """The password of a keyring's entry; the user is what stands behind the last slash."""
    service, _, user = name.rpartition("/")
    if not (service and user):
        raise UsageError(
            f"{KEYRING}{name} names no entry of a keyring.",
            f"Write {KEYRING}SERVICE/USER, as in `keyring set SERVICE USER`.",
        )
    try:
        import keyring
    except ImportError as error:
        raise StateError(
            f"The {what} cannot be read from a keyring: the library is not installed.",
            "Install it with pip install 'gptoss-tui[keyring]', or name a file.",
        ) from error
    try:
        text = keyring.get_password(service, user)
    except Exception as error:  # backends are plug-ins, and raise what they like
        raise StateError(
            f"The keyring did not give the {what}: {_first_words(error)}.",
            "See `keyring diagnose` and whether it is unlocked, or name a file.",
        ) from error
    if text is None:
        raise StateError(
            f"The keyring has no entry {name}.",
            f"Make one with `keyring set {shlex.quote(service)} {shlex.quote(user)}`.",
        )
    return text


def _first_words(error: Exception) -> str:
    """An error's first sentence, without its point."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].partition(". ")[0].rstrip(".")[:200]
