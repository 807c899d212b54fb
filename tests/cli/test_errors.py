"""How commands fail: one sentence on stderr, or one document with --json, and the right exit code."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gptoss_tui import errors
from gptoss_tui.cli.parser import EPILOG
from gptoss_tui.cli.session import filled
from gptoss_tui.errors import GptossError
from gptoss_tui.sim.faults import Fault
from gptoss_tui.sim.profile import H100, Profile
from tests.cli.conftest import Background, Cli, Result
from tests.remote.support import WARM

HI = ("-p", "hi")


def faulty(fault: Fault, profile: Profile = WARM) -> Profile:
    return replace(profile, faults=frozenset({fault}))


def both(cli: Cli, *argv: str) -> tuple[Result, dict[str, Any]]:
    """A failing command for people and for scripts: the same end, told in two ways."""
    people, scripts = cli(*argv), cli(*argv, "--json")
    error: dict[str, Any] = scripts.documents[-1]["error"]
    assert scripts.err == ""
    assert people.code == scripts.code != 0
    first, *rest = people.err.splitlines()
    assert first == f"gptoss-tui: {error['message']}"
    assert rest == ([f"  {error['next_step']}"] if error["next_step"] else [])
    return people, error


def kinds(kind: type[GptossError] = GptossError) -> list[type[GptossError]]:
    return [kind, *(inner for sub in kind.__subclasses__() for inner in kinds(sub))]


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    documented = [
        (kind.__name__, kind.exit_code)
        for kind in kinds()
        if f"{kind.__name__}" in (errors.__doc__ or "")
    ]
    assert len(documented) >= 20
    assert {code for _, code in documented} == set(range(1, 9))
    for code in (*range(9), 130):
        assert f"{code} " in EPILOG
    codes = [kind.code for kind in kinds() if kind.__module__ == "gptoss_tui.errors"]
    assert len(set(codes)) == len(codes)  # scripts can tell them apart


@pytest.mark.parametrize(
    "argv",
    [
        ("nonsense",),
        ("check",),
        ("check", "sim-1", "--no-such-flag"),
        ("launch", "sim-1", "--port", "eight"),
        ("sim", "--seed", "fast"),
    ],
    ids=" ".join,
)
def test_words_that_are_off_end_with_two_and_one_sentence(cli: Cli, argv: tuple[str, ...]) -> None:
    people, error = both(cli, *argv)
    assert (people.code, people.out) == (2, "")
    assert error["code"] == "usage"
    assert error["next_step"].startswith("See `gptoss-tui")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("plan",), "There is nothing to plan for."),
        (("plan", "--gpu", "NVIDIA Nonsense"), "'NVIDIA Nonsense' is not in the catalogue."),
        (
            ("plan", "--gpu", "NVIDIA L40S", "--gpus", "0"),
            "--gpus 0 is not possible: a box has 1 to 16 GPUs.",
        ),
        (("plan", "--gpu", "NVIDIA L40S", "--model", "7b"), "7b"),
        (("plan", "--gpu", "NVIDIA L40S", "--engine", "llamafile"), "llamafile"),
        (("plan", "--gpu", "NVIDIA L40S", "--engine-version", "new"), "new"),
        (("plan", "--gpu", "NVIDIA L40S", "--context", "0"), "0"),
        (("plan", "--gpu", "NVIDIA L40S", "--gpu-memory-utilization", "7"), "7"),
        (("sim", "--boxes", "0"), "0 boxes cannot be simulated."),
        (("sim", "--fault", "gremlins"), "There is no fault 'gremlins'."),
        (("demo", "--fault", "gremlins"), "There is no fault 'gremlins'."),
        (("chat", "sim-1", "--effort", "enormous"), "There is no --effort 'enormous'."),
        (("launch", "sim-1", "--port", "eight"), "--port takes a whole number, which 'eight' is"),
        (("launch", "sim-1", "--gpu-memory-utilization", "x"), "takes a number, which 'x' is not."),
        (("check", "two words"), "'two words' is neither a name nor an ssh line."),
        (("check", "host:99999"), "'99999' is no port."),
        (("check", "-oProxyCommand=x"), ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_values_that_make_no_sense_end_with_two(
    cli: Cli, argv: tuple[str, ...], sentence: str
) -> None:
    result = cli(*argv)
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("statuss", "sim-1"), "status"),
        (("plan", "--gpu", "L40S", "--engine", "sglan"), "sglang"),
        (("plan", "--users", "4", "--engine", "sglan"), "sglang"),
        (("plan", "--gpu", "L40S", "--model", "12b"), "120b"),
        (("plan", "--gpu", "L40X"), "L40S"),
        (("sim", "--fault", "no_dokcer"), "no_docker"),
        (("repair", "sim-1", "toolkt"), "toolkit"),
        (("export", "sim-1", "--format", "composee"), "compose"),
        (("plan", "sim-1", "--modle", "20b"), "--model"),
        # No flag may be cut short: this would else be taken for --engine-version.
        (("upgrade", "sim-1", "--engine", "sglang"), "--engine-version"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_misspelt_word_is_told_what_was_meant(
    cli: Cli, argv: tuple[str, ...], meant: str
) -> None:
    _, error = both(cli, *argv)
    assert error["next_step"].startswith(f"Did you mean {meant}? ")


def test_only_what_is_needed_is_called_required(cli: Cli) -> None:
    _, error = both(cli, "repair")
    assert error["message"] == "The following arguments are required: BOX."


def test_a_misspelt_box_and_server_are_too(cli: Cli, serving: Background) -> None:
    _, box = both(cli, "check", "sim1", "-F", serving.config)
    assert (box["code"], box["next_step"][:21]) == ("unknown_name", "Did you mean sim-1? C")
    for command in ("status", "doctor", "stop", "logs"):
        _, server = both(cli, command, "sim-1", "gpt-os-20b", "-F", serving.config)
        assert server["message"] == "There is no server gpt-os-20b on sim-1 (there: gpt-oss-20b)."
        assert server["next_step"].startswith("Did you mean gpt-oss-20b? ")


def test_a_next_step_can_be_typed_as_it_stands() -> None:
    """The box, the server where one was named, and the way to the box are those of the command."""
    given = Namespace(box="a box", name="one", ssh_config="/x y", identity="k", box_option=None)
    text = "See `gptoss-tui logs BOX NAME`, gptoss-tui launch BOX --from FILE, or a BOX."
    assert filled(given, text) == (
        "See `gptoss-tui logs -F '/x y' -i k 'a box' one`, "
        "gptoss-tui launch -F '/x y' -i k 'a box' --from FILE, or a BOX."
    )
    given = Namespace(box="b", ssh_config=None, identity=None)
    assert filled(given, "`gptoss-tui logs BOX NAME`") == "`gptoss-tui logs b`"
    assert filled(Namespace(box=None), text) == text


def test_a_value_that_makes_no_sense_is_a_document_for_scripts(cli: Cli) -> None:
    _, error = both(cli, "plan", "--gpu", "NVIDIA Nonsense")
    assert "--gpu-memory-mib" in error["next_step"]


def test_a_config_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    people, error = both(cli, "check", "sim-1", "-F", str(tmp_path / "none"))
    assert (people.code, error["code"]) == (1, "state")


def test_a_name_that_is_not_known(cli: Cli, warm: Background) -> None:
    people, error = both(cli, "status", "no-such-box.invalid", "-F", warm.config)
    assert (people.code, error["code"]) == (3, "unknown_name")


def test_a_box_that_is_off(cli: Cli, warm: Background, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    config = tmp_path / "config"
    config.write_text(f"Host off\n    HostName 127.0.0.1\n    Port {closed}\n")
    people, error = both(cli, "check", "off", "-F", str(config))
    assert (people.code, error["code"]) == (3, "unreachable")
    assert "Connection refused" in error["message"]


def test_an_unknown_host_key_is_shown_and_accepted_on_demand(cli: Cli, warm: Background) -> None:
    fingerprint = warm.do(lambda box: box.host_key.get_fingerprint())
    warm.sim.known_hosts.write_text("")
    where = ("check", "sim-1", "-F", warm.config)
    people, error = both(cli, *where)
    assert (people.code, error["code"]) == (3, "host_key_unknown")
    assert error["fingerprint"] == fingerprint
    assert (error["host"], error["port"]) == ("127.0.0.1", warm.sim.boxes[0].port)
    assert fingerprint in people.err
    assert cli(*where, "--accept-new").code == 0
    assert cli(*where).code == 0  # kept from now on
    assert warm.sim.known_hosts.read_text() == ""


def test_a_changed_host_key_is_refused_whatever_is_said(cli: Cli, warm: Background) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    port = warm.sim.boxes[0].port
    warm.sim.known_hosts.write_text(f"[127.0.0.1]:{port} {' '.join(other.split()[:2])}\n")
    people, error = both(cli, "check", "sim-1", "-F", warm.config, "--accept-new")
    assert (people.code, error["code"]) == (3, "host_key_changed")


def test_a_refused_key(cli: Cli, warm: Background, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(wrong)
    config = tmp_path / "config"
    lines = Path(warm.config).read_text().splitlines()
    config.write_text("".join(f"{line}\n" for line in lines if "IdentityFile" not in line))
    people, error = both(cli, "check", "sim-1", "-F", str(config), "-i", str(wrong))
    assert (people.code, error["code"]) == (3, "auth_refused")
    assert warm.do(lambda box: box.counters.logins) == 0


@pytest.mark.parametrize(
    ("fault", "code", "finding"),
    [
        ("no_docker", 4, "no_docker"),
        ("docker_denied", 4, "docker_permission"),
        ("no_gpu", 4, "no_gpu"),
    ],
)
def test_a_blocked_box_fails_the_check_and_refuses_the_launch(
    cli: Cli, boxes: Callable[..., Background], fault: Fault, code: int, finding: str
) -> None:
    box = boxes(faulty(fault))
    checked = cli("check", "sim-1", "-F", box.config, "--json")
    people = cli("check", "sim-1", "-F", box.config)
    assert (checked.code, people.code) == (1, 1)
    assert checked.document["body"]["findings"][0]["code"] == finding
    assert "  BLOCKER " in people.out
    refused, _ = both(cli, "launch", "sim-1", "-F", box.config, "--yes")
    assert refused.code == code
    assert cli("status", "sim-1", "-F", box.config).code == 0


def test_a_launch_that_fails_ends_with_six(cli: Cli, boxes: Callable[..., Background]) -> None:
    box = boxes(faulty("image_missing", Profile("cold", (H100,))))
    result = cli("launch", "sim-1", "-F", box.config, "--yes", "--wait", "--json")
    *facts, last = result.documents
    assert result.code == 6
    assert facts[-1]["body"]["state"] == "failed"
    assert last["error"]["code"] == "launch_failed"
    assert "The image does not exist" in last["error"]["message"]
    assert "--image" in last["error"]["next_step"]


def test_a_server_that_dies_loading_says_what_remains(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    box = boxes(faulty("dies_loading"), speed=20.0)
    result = cli("launch", "sim-1", "-F", box.config, "--yes", "--wait")
    assert result.code == 6
    assert "memory ran out" in result.err
    assert "What remains: the stopped container gpt-oss-20b" in result.err


def test_a_server_that_answers_500_ends_with_eight(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    box = boxes(faulty("server_500"))
    assert cli("launch", "sim-1", "-F", box.config, "--yes", "--wait").code == 0
    people, error = both(cli, "chat", "sim-1", "-F", box.config, *HI)
    assert (people.code, error["code"], error["status"]) == (8, "engine", 500)


def test_a_box_without_servers_has_none_to_use(cli: Cli, warm: Background) -> None:
    for command in (("chat", *HI), ("logs",), ("stop",), ("forward",)):
        people, error = both(cli, command[0], "sim-1", "-F", warm.config, *command[1:])
        assert (people.code, error["code"]) == (7, "not_found")
        assert f"gptoss-tui launch -F {warm.config} sim-1" in error["next_step"]


def test_nobody_to_ask_means_no_launch(cli: Cli, warm: Background) -> None:
    people, error = both(cli, "launch", "sim-1", "-F", warm.config)
    assert (people.code, error["code"]) == (2, "usage")
    assert "--yes" in error["next_step"]
    assert warm.do(lambda box: len(box.world.launches)) == 0


def test_a_public_port_needs_a_key(cli: Cli, warm: Background) -> None:
    people, error = both(cli, "launch", "sim-1", "-F", warm.config, "-y", "--bind", "0.0.0.0")
    assert (people.code, error["code"]) == (2, "usage")
    assert "--api-key-file" in error["next_step"]


def test_a_name_may_stand_behind_the_flags(cli: Cli, serving: Background) -> None:
    for command in (("status",), ("logs", "--tail", "1"), ("chat", *HI), ("stop", "-y")):
        assert cli(command[0], "sim-1", "-F", serving.config, *command[1:], "gpt-oss-20b").code == 0


def test_flags_of_the_connection_may_stand_before_the_command(cli: Cli, warm: Background) -> None:
    assert cli("-F", warm.config, "check", "sim-1").code == 0
    refused = cli("--read-only", "-F", warm.config, "cancel", "sim-1", "x")
    assert refused.code == 1
    assert "read-only" in refused.err


def test_the_app_needs_a_terminal(cli: Cli) -> None:
    result = cli()
    assert (result.code, result.out) == (2, "")
    assert "The app needs a terminal." in result.err


def test_help_and_version_are_no_failures(cli: Cli) -> None:
    from gptoss_tui import __version__

    assert cli("--version").out == f"gptoss-tui {__version__}\n"
    assert "exit codes:" in cli("launch", "--help").out


def test_hostile_text_of_a_box_reaches_no_terminal(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    box = boxes(replace(faulty("hostile_text"), hostname="host\x1b]0;owned\x07\x1b[2J"))
    where = ("sim-1", "-F", box.config)
    said = [
        cli("check", *where),
        cli("launch", *where, "-y", "--wait"),
        cli("status", *where),
        cli("logs", *where, "--tail", "0"),
        cli("chat", *where, *HI),
        cli("logs", *where, "--tail", "0", "--json"),
        cli("stop", *where),
    ]
    assert [result.code for result in said] == [0] * len(said)
    text = "".join(result.out + result.err for result in said)
    assert "[bold]not markup[/x]" in text
    assert [c for c in text if not c.isprintable() and c not in "\n\t"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sim", "--speed", "0"), "'0' is not above 0."),
        (("sim", "--speed=-3"), "'-3' is no number of 0 or more."),
        (("demo", "--traffic", "nan"), "'nan' is no number of 0 or more."),
        (("logs", "box", "--tail=-4"), "'-4' is no number of lines."),
    ],
)
def test_numbers_that_are_none_are_refused(cli: Cli, words: tuple[str, ...], says: str) -> None:
    result = cli(*words)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
