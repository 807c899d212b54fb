"""The user's key files: which of them a config names, and unlocking one when a server wants it.

As OpenSSH does, the passphrase of an encrypted key is asked for only once a server has said that
it would take that key. An unlocked key is kept for the run: 256 boxes ask once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.remote.login import Questions
from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.remote.ssh_files import USER_FOLDER, content, expanded

DEFAULT_FILES = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
ATTEMPTS = 3
Certificate = asyncssh.SSHCertificate


@dataclass
class Identities:
    """What the config names to log in with: keys with their certificates, best first.

    `certificates` are all that were found, also those of keys that only the agent has. `problems`
    are key files that were named and cannot be used, each in a few words.
    """

    keys: list[tuple[asyncssh.SSHKey | _Locked | _PublicOnly, tuple[Certificate, ...]]] = field(
        default_factory=list
    )
    certificates: list[Certificate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def public(self) -> list[bytes]:
        """All public halves, of certificates too."""
        parts = [(key.public_data, *(one.public_data for one in ones)) for key, ones in self.keys]
        return [data for part in parts for data in part]

    def pairs(self) -> list[asyncssh.SSHKeyPair]:
        """What can be offered without an agent."""
        return [
            _pair(key, one)
            for key, ones in self.keys
            if not isinstance(key, _PublicOnly)
            for one in (*ones, None)
        ]

    def certified(self, pair: asyncssh.SSHKeyPair) -> list[asyncssh.SSHKeyPair]:
        """An agent's key with each certificate that there is for it, then as it is."""
        if pair.has_cert:
            return [pair]
        found = [one for one in self.certificates if one.key.public_data == pair.key_public_data]
        pairs = [copy.copy(pair) for _ in found]
        for with_one, certificate in zip(pairs, found, strict=True):
            with_one.set_certificate(certificate)
        return [*pairs, pair]


class KeyRing:
    """The keys that were unlocked in this run. Nothing of it is ever written or printed."""

    def __init__(self) -> None:
        self._open: dict[Path, asyncssh.SSHKey] = {}
        self._locks: dict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def identities(self, config: Config, questions: Questions) -> Identities:
        """Load what the config names, or the default files; nobody is asked before it is needed."""
        found = Identities()
        named = [name for name in config.all("identityfile") if name.lower() != "none"]
        paths = [config.path(name) for name in named]
        if not config.all("identityfile"):
            paths = _default_files()
        extra = [config.path(name) for name in config.all("certificatefile")]
        certificates = [one for path in extra for one in _certificates(path, found.problems)]
        found.certificates += certificates
        for path in dict.fromkeys(paths):
            beside = _certificates(path.with_name(path.name + "-cert.pub"), None)
            found.certificates += beside
            key = await self._load(path, questions, found)
            if key is not None:
                fitting = tuple(
                    one
                    for one in (*certificates, *beside)
                    if one.key.public_data == key.public_data
                )
                found.keys.append((key, fitting))
        return found

    async def _load(
        self, path: Path, questions: Questions, found: Identities
    ) -> asyncssh.SSHKey | _Locked | _PublicOnly | None:
        if path in self._open:
            return self._open[path]
        try:
            data = await asyncio.to_thread(content, path)
        except OSError as error:
            public = _public_beside(path)  # the agent may hold the other half
            if public is None:
                found.problems.append(f"{path} cannot be read ({error.strerror})")
            return None if public is None else _PublicOnly(public)
        try:
            return asyncssh.import_private_key(data)
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
            if not _is_encrypted(data, error):
                return self._public(path, data, found)
        public = _public_beside(path) or _public_inside(data)
        locked = _Locked(public, lambda: self._unlock(path, data, questions))
        if public is not None:
            return locked
        # An old format that does not tell its public half: it has to be opened to be offered.
        try:
            return await locked.unlock()
        except ValueError as error:
            found.problems.append(f"{path}: {error}")
            return None

    def _public(self, path: Path, data: bytes, found: Identities) -> _PublicOnly | None:
        try:
            return _PublicOnly(asyncssh.import_public_key(data))
        except (asyncssh.KeyImportError, ValueError):
            found.problems.append(f"{path} is no private key")
            return None

    async def _unlock(self, path: Path, data: bytes, questions: Questions) -> asyncssh.SSHKey:
        """The private key, asking for its passphrase. Raises `ValueError` when it stays locked."""
        async with self._turn(path, questions):
            for attempt in range(ATTEMPTS):
                if path in self._open:
                    return self._open[path]
                request = PromptRequest(
                    questions.box, "passphrase", f"{questions.box}: passphrase",
                    f"The key {path} is encrypted. Its passphrase:", again=attempt > 0,
                )  # fmt: skip
                answer = await questions.ask(request)
                if answer is None:
                    break
                try:
                    key = await asyncio.to_thread(
                        asyncssh.import_private_key, data, answer.reveal()
                    )
                except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError):
                    continue
                self._open[path] = key
                return key
            raise ValueError("it stays locked")

    @contextlib.asynccontextmanager
    async def _turn(self, path: Path, questions: Questions) -> AsyncIterator[None]:
        """One asks at a time; who waits meanwhile for the same key waits for a person too."""
        lock = self._locks[path]
        if lock.locked():
            with questions.waiting(f"waiting for the passphrase of {path}", ours=False):
                await lock.acquire()
        else:
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()


@dataclass
class _PublicOnly:
    """A public key whose other half only an agent may have."""

    key: asyncssh.SSHKey

    @property
    def public_data(self) -> bytes:
        return self.key.public_data


@dataclass
class _Locked:
    """An encrypted key: its public half, and how to get at the other one."""

    key: asyncssh.SSHKey | None
    unlock: Callable[[], Awaitable[asyncssh.SSHKey]]

    @property
    def public_data(self) -> bytes:
        assert self.key is not None
        return self.key.public_data


class _LockedPair(asyncssh.SSHKeyPair):
    """Offers an encrypted key by its public half, and unlocks it for the signature."""

    _key_type = "local"

    def __init__(self, locked: _Locked, certificate: asyncssh.SSHCertificate | None) -> None:
        key = locked.key
        assert key is not None
        super().__init__(
            key.algorithm, key.algorithm, key.sig_algorithms, key.sig_algorithms,
            key.public_data, None, certificate,
        )  # fmt: skip
        self._locked = locked

    async def sign_async(self, data: bytes) -> bytes:
        key = await self._locked.unlock()
        return await asyncio.to_thread(key.sign, data, self.sig_algorithm)


def _pair(
    key: asyncssh.SSHKey | _Locked, certificate: asyncssh.SSHCertificate | None
) -> asyncssh.SSHKeyPair:
    if isinstance(key, _Locked):
        return _LockedPair(key, certificate)
    given = (key, certificate) if certificate is not None else key
    # With a certificate it makes two pairs, of which the first has it.
    return asyncssh.load_keypairs([given])[0]


def _default_files() -> list[Path]:
    """Those that are there, also where only the public half is: an agent may have the other one."""
    files = [expanded(USER_FOLDER) / name for name in DEFAULT_FILES]
    return [file for file in files if file.exists() or _public_file(file).exists()]


def _public_file(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def _certificates(path: Path, problems: list[str] | None) -> list[asyncssh.SSHCertificate]:
    try:
        return list(asyncssh.load_certificates(content(path)))
    except (OSError, ValueError) as error:
        if problems is not None:
            problems.append(f"{path} is no certificate ({error})")
        return []


def _is_encrypted(data: bytes, error: Exception) -> bool:
    return isinstance(error, asyncssh.KeyEncryptionError) or "passphrase" in str(error).lower()


def _public_beside(path: Path) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(content(_public_file(path)))
    except (OSError, ValueError):
        return None


def _public_inside(data: bytes) -> asyncssh.SSHKey | None:
    """The public half, which OpenSSH's own format holds unencrypted."""
    try:
        blob = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
        if not blob.startswith(b"openssh-key-v1\0"):
            return None
        place = len(b"openssh-key-v1\0")
        for _ in range(3):  # cipher, key derivation, its options
            place += 4 + struct.unpack_from(">I", blob, place)[0]
        place += 4  # how many keys
        size = struct.unpack_from(">I", blob, place)[0]
        public = blob[place + 4 : place + 4 + size]
        name = public[4 : 4 + struct.unpack_from(">I", public)[0]]
        return asyncssh.import_public_key(name + b" " + base64.b64encode(public))
    except (ValueError, struct.error, IndexError):
        return None
