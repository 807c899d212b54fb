"""Host keys: known, unknown, changed, revoked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import subprocess
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptoss_tui.errors import ChangedHostKeyError, StateError, UnknownHostKeyError
from gptoss_tui.remote.known_hosts import KnownHosts, accept, entry, error_for, forget

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
        (("BOX" + entry("box", 22, OTHER)[3:],), 22, "changed"),
        (("B?X" + entry("box", 22, KEY)[3:],), 22, "known"),
        (("[Box]:2222" + entry("box", 22, OTHER)[3:],), 2222, "changed"),
        (("b[o]x" + entry("box", 22, KEY)[3:],), 22, "unknown"),
    ],
)
def test_a_standing(tmp_path: Path, lines: tuple[str, ...], port: int, standing: str) -> None:
    assert _known(tmp_path, *lines).standing("box", port, KEY) == standing


def test_a_hashed_name_is_known(tmp_path: Path) -> None:
    known = _known(tmp_path, _hashed("box") + entry("box", 22, KEY)[3:])
    assert known.standing("box", 22, KEY) == "known"
    assert known.where("box", 22).endswith("known_hosts line 1")


def test_a_name_is_looked_up_in_any_case(tmp_path: Path) -> None:
    known = _known(tmp_path, entry("box", 22, OTHER))
    assert known.standing("BOX", 22, KEY) == "changed"
    accept(tmp_path / "own", entry("BOX", 22, KEY))
    assert KnownHosts.read([tmp_path / "own"]).standing("box", 22, KEY) == "known"
    assert forget(tmp_path / "own", "box", 22) == 1


def test_a_network_is_no_pattern(tmp_path: Path) -> None:
    known = _known(tmp_path, "10.0.0.0/8" + entry("box", 22, KEY)[3:])
    assert known.standing("10.1.2.3", 22, KEY) == "unknown"


def _lines() -> st.SearchStrategy[str]:
    name = st.text("abAB.*?![]:2,/1", min_size=1, max_size=7)
    hashed = st.sampled_from(["ab", "[ab]:22", "a.b", "[a]:2222"]).map(_hashed)
    names = st.one_of(name, st.lists(name, min_size=1, max_size=3).map(",".join), hashed)
    marker = st.sampled_from(["", "", "", "@revoked ", "@cert-authority ", "@other ", "# ", " \t"])
    blank = st.sampled_from([" ", "\t", "  "])
    key = st.sampled_from([entry("x", 22, KEY)[2:].strip()] * 9 + [""])
    return st.builds(lambda *parts: "".join(parts), marker, names, blank, key)


def _hashed(label: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, label.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
@settings(max_examples=150, deadline=None)
@given(
    st.lists(_lines(), min_size=1, max_size=6),
    st.sampled_from(["a", "ab", "a.b", "[a]:2222", "[ab]:22", "a1", "10.0.0.1", "b"]),
)
def test_the_same_lines_as_ssh_keygen_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], label: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "known_hosts of keygen"
    file.write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(
        ["ssh-keygen", "-F", label, "-f", file], capture_output=True, text=True, check=False
    )
    theirs = re.findall(r"^# Host .* found: line ([0-9]+) ?([A-Z]*)", done.stdout, re.MULTILINE)
    marks = {"": "", "CA": "@cert-authority", "REVOKED": "@revoked"}
    ours = [
        (line.number, line.marker)
        for line in KnownHosts.read([file]).lines
        if line.names_host(label)
    ]
    assert ours == [(int(number), marks[mark]) for number, mark in theirs]


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


def test_a_key_that_two_boxes_share_is_kept_for_both(tmp_path: Path) -> None:
    """Boxes made from one image have one key; `1.2.3.4` is the end of `11.2.3.4`."""
    file = tmp_path / "known_hosts"
    accept(file, entry("11.2.3.4", 22, KEY))
    accept(file, entry("1.2.3.4", 22, KEY))
    assert KnownHosts.read([file]).standing("1.2.3.4", 22, KEY) == "known"


@pytest.mark.parametrize(
    "name",
    ["github.com,box", "*", "b?x", "@revoked", "!box", "|1|a|b", "#", "a b", "box\n*", "Bo*x"],
)
@pytest.mark.parametrize("port", [22, 2222])
def test_a_name_with_signs_that_mean_something_stands_for_itself_alone(
    tmp_path: Path, name: str, port: int
) -> None:
    """`ssh -o HostKeyAlias=github.com,box …` must not put a key on file for two."""
    file = tmp_path / "known_hosts"
    accept(file, entry(name, port, KEY))
    known = KnownHosts.read([file])
    assert len(known.lines) == 1
    assert known.standing(name, port, KEY) == "known"
    assert known.standing(name, port, OTHER) == "changed"
    for other in ("box", "github.com", "bx", "*x"):
        assert known.standing(other, port, KEY) == "unknown"
    assert forget(file, name, port) == 1
    assert KnownHosts.read([file]).lines == ()


def test_a_comment_hides_no_entry(tmp_path: Path) -> None:
    """A carriage return ends a line for Python, and none for OpenSSH."""
    (tmp_path / "known_hosts").write_bytes(
        b"# as they say\r@cert-authority * " + entry("", 22, KEY).strip().encode() + b"\n"
    )
    assert KnownHosts.read([tmp_path / "known_hosts"]).lines == ()


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
