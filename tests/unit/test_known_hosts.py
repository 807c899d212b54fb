"""Host keys: known, unknown, changed, revoked."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.errors import ChangedHostKeyError, StateError, UnknownHostKeyError
from gptoss_tui.remote.known_hosts import KnownHosts, accept, entry, error_for

KEY, OTHER = (asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(2))


def _known(tmp_path: Path, *lines: str) -> KnownHosts:
    file = tmp_path / "known_hosts"
    file.write_text("".join(lines))
    return KnownHosts.read([tmp_path / "missing", file])


@pytest.mark.parametrize(
    ("lines", "port", "standing"),
    [
        ((), 22, "unknown"),
        ((entry("box", 22, KEY),), 22, "known"),
        ((entry("box", 22, OTHER),), 22, "changed"),
        ((entry("box", 22, OTHER), entry("box", 22, KEY)), 22, "known"),
        ((entry("box", 2222, KEY),), 2222, "known"),
        ((entry("box", 2222, OTHER),), 2222, "changed"),
        # As OpenSSH does: the bare name vouches for another port, and accuses none.
        ((entry("box", 22, KEY),), 2222, "known"),
        ((entry("box", 22, OTHER),), 2222, "unknown"),
        ((entry("box", 2222, KEY),), 22, "unknown"),
        ((entry("other", 22, KEY),), 22, "unknown"),
        (("@revoked " + entry("box", 22, KEY),), 22, "revoked"),
        (("@revoked " + entry("box", 22, KEY), entry("box", 22, KEY)), 22, "revoked"),
        (("# " + entry("box", 22, KEY), "\n"), 22, "unknown"),
        (("box,1.2.3.4" + entry("box", 22, KEY)[3:],), 22, "known"),
        (("*" + entry("box", 22, KEY)[3:],), 22, "known"),
        (("!box,*" + entry("box", 22, KEY)[3:],), 22, "unknown"),
    ],
)
def test_a_standing(tmp_path: Path, lines: tuple[str, ...], port: int, standing: str) -> None:
    assert _known(tmp_path, *lines).standing("box", port, KEY) == standing


def test_a_hashed_name_is_known(tmp_path: Path) -> None:
    import base64
    import hashlib
    import hmac

    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, b"box", hashlib.sha1).digest()
    name = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    known = _known(tmp_path, name + entry("box", 22, KEY)[3:])
    assert known.standing("box", 22, KEY) == "known"
    assert known.where("box", 22).endswith("known_hosts line 1")


def test_lines_that_are_no_entries_do_no_harm(tmp_path: Path) -> None:
    known = _known(tmp_path, "garbage\n", "box ssh-ed25519 AAAA\n", entry("box", 22, KEY))
    assert known.standing("box", 22, KEY) == "known"
    assert known.where("box", 22).endswith("line 3")


def test_a_file_that_is_missing_or_no_utf8_holds_no_keys(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_bytes(b"# caf\xe9\n" + entry("box", 22, KEY).encode())
    assert KnownHosts.read([tmp_path / "known_hosts"]).standing("box", 22, KEY) == "known"
    empty = KnownHosts.read([tmp_path / "nothing"])
    assert empty.standing("box", 22, KEY) == "unknown"


def test_an_accepted_key_is_known_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "known_hosts"
    accept(file, entry("box", 2222, KEY))
    accept(file, entry("box", 2222, KEY))
    accept(file, entry("b2", 22, OTHER))
    assert len(file.read_text().splitlines()) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert KnownHosts.read([file]).standing("box", 2222, KEY) == "known"


def test_a_file_without_a_last_line_end_keeps_its_last_entry(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(entry("box", 22, KEY).rstrip("\n"))
    accept(file, entry("b2", 22, OTHER))
    known = KnownHosts.read([file])
    assert known.standing("box", 22, KEY) == known.standing("b2", 22, OTHER) == "known"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        accept(tmp_path / "file" / "known_hosts", entry("box", 22, KEY))


def test_an_unknown_key_is_shown_with_its_fingerprint(tmp_path: Path) -> None:
    error = error_for("box", 2222, KEY, "unknown", _known(tmp_path))
    assert isinstance(error, UnknownHostKeyError)
    assert KEY.get_fingerprint() in error.message
    assert "--accept-new" in error.next_step
    assert error.message.startswith("[box]:2222 is not known")
    plain = error_for("box", 22, KEY, "unknown", _known(tmp_path))
    assert plain.message.startswith("box is not known")
    assert (error.host, error.port, error.key) == ("box", 2222, entry("box", 2222, KEY))


def test_a_changed_key_names_both_and_the_line(tmp_path: Path) -> None:
    known = _known(tmp_path, "# comment\n", entry("box", 22, OTHER))
    error = error_for("box", 22, KEY, "changed", known)
    assert isinstance(error, ChangedHostKeyError)
    assert KEY.get_fingerprint() in error.message
    assert OTHER.get_fingerprint() in error.message
    assert "known_hosts line 2" in error.message
    assert "ssh-keygen -R" in error.next_step


def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    error = error_for("box", 22, KEY, "revoked", _known(tmp_path))
    assert isinstance(error, ChangedHostKeyError)
    assert "revoked" in error.message
