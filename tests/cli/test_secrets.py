"""Where secrets come from: files, standard input, the keyring of the operating system."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked

from gptoss_tui.cli import secrets
from gptoss_tui.errors import GptossError, StateError, UsageError
from tests.cli.conftest import Background, Cli

KEY = "sk-of-the-keyring"


class InMemory(KeyringBackend):
    """A keyring that is forgotten with the process."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class Locked(InMemory):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the collection. \x1b]52;c;evil\x07")


@pytest.fixture
def ring() -> Iterator[InMemory]:
    """The keyring of this process."""
    before = keyring.get_keyring()
    made = InMemory()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


def refused(source: str, kind: type[GptossError] = StateError) -> GptossError:
    with pytest.raises(kind) as caught:
        secrets.read(source, "API key")
    return caught.value


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"sk-1\nsk-2\n", "sk-1"),
        (b"sk-1", "sk-1"),
        (b"sk-1\r\n", "sk-1"),
        (b" a pass phrase \n", " a pass phrase "),
        (b"\xef\xbb\xbfsk-1\n", "sk-1"),
        ("pässwörd\x85\u2028!\n".encode(), "pässwörd\x85\u2028!"),
    ],
)
def test_the_first_line_of_a_file_as_it_stands(tmp_path: Path, content: bytes, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert secrets.read(str(file), "password").reveal() == secret


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n", b"\nsk-1\n"])
def test_an_empty_first_line_is_no_secret(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    error = refused(str(file))
    assert error.message == f"The API key in {file} is empty."
    assert "first line" in error.next_step


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for source in (tmp_path / "none", tmp_path, binary, "~nobody-of-that-name/key"):
        assert refused(str(source)).message.startswith("The API key cannot be read from")


def test_a_file_without_an_end_is_read_no_further() -> None:
    assert "too long for a secret" in refused("/dev/zero").message


def test_standard_input_gives_a_line_to_each_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\nand the prompt\n"))
    assert [secrets.read("-", "password").reveal() for _ in range(2)] == ["one", "two"]
    assert sys.stdin.read() == "and the prompt\n"
    assert refused("-").message == "The API key on standard input is empty."


def test_an_entry_of_the_keyring(ring: InMemory) -> None:
    ring.set_password("gptoss", "alice", KEY)
    ring.set_password("https://host/path", "bob", "of bob")
    assert secrets.read("keyring:gptoss/alice", "API key").reveal() == KEY
    assert secrets.read("keyring:https://host/path/bob", "API key").reveal() == "of bob"
    ring.set_password("gptoss", "empty", "")
    assert refused("keyring:gptoss/empty").message.endswith("is empty.")


def test_an_entry_that_is_not_there_says_how_to_make_it(ring: InMemory) -> None:
    error = refused("keyring:my keys/alice")
    assert error.message == "The keyring has no entry my keys/alice."
    assert "`keyring set 'my keys' alice`" in error.next_step


@pytest.mark.parametrize("name", ["", "/", "gptoss", "gptoss/", "/alice"])
def test_a_name_that_is_none_is_a_matter_of_words(ring: InMemory, name: str) -> None:
    assert "SERVICE/USER" in refused(f"keyring:{name}", UsageError).next_step


def test_a_keyring_that_is_locked_or_missing(ring: InMemory) -> None:
    keyring.set_keyring(Locked())
    error = refused("keyring:gptoss/alice")
    assert error.message == (
        "The keyring did not give the API key: Failed to unlock the collection."
    )
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    error = refused("keyring:gptoss/alice")
    assert "No recommended backend was available." in error.message
    assert "keyring diagnose" in error.next_step


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install 'gptoss-tui[keyring]'" in refused("keyring:gptoss/alice").next_step


def test_a_server_with_a_key_of_the_keyring(cli: Cli, warm: Background, ring: InMemory) -> None:
    ring.set_password("gptoss", "alice", KEY)
    where = ("sim-1", "-F", warm.config)
    source = ("--api-key-file", "keyring:gptoss/alice")
    launched = cli("launch", *where, "-y", "--wait", *source)
    assert launched.code == 0, launched.err
    assert cli("chat", *where, "-p", "hi").code == 8
    answered = cli("chat", *where, "-p", "hi", *source)
    assert answered.code == 0
    kept = "".join(
        file.read_text(errors="replace") for file in cli.home.rglob("*") if file.is_file()
    )
    for said in (launched.out, launched.err, answered.out, answered.err, kept):
        assert KEY not in said


def test_a_refusal_has_its_exit_code_and_document(cli: Cli, ring: InMemory) -> None:
    for option in ("--password-file", "--passphrase-file"):
        missing = cli("check", "box", option, "keyring:gptoss/none", "--json")
        assert (missing.code, missing.document["error"]["code"]) == (1, "state")
    wrong = cli("launch", "box", "--hf-token-file", "keyring:gptoss", "--json")
    assert (wrong.code, wrong.document["error"]["code"]) == (2, "usage")
