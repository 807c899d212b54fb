"""The export as a systemd service. https://www.freedesktop.org/software/systemd/man/systemd.service.html

In a command line `%` begins a specifier and `$` a variable, also between quotes; doubled they are
themselves. Between double quotes a backslash escapes as in C.
"""

from __future__ import annotations

import re

from gptoss_tui.domain.export import container
from gptoss_tui.domain.export.docker_run import label_in
from gptoss_tui.domain.launch import LaunchSpec

DOCKER = "/usr/bin/docker"
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}
_SPELT = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)|%%|\$\$", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}


def write(spec: LaunchSpec) -> str:
    """The unit, to be put into /etc/systemd/system as NAME.service."""
    unit = f"{spec.name}.service"
    use = (
        f"Put it into /etc/systemd/system/{unit}, then: systemctl daemon-reload && "
        f"systemctl enable --now {unit}"
    )
    run = container.words(spec, DOCKER, "run", "--rm")
    name = _word(spec.name)
    lines = [
        *(f"# {line}" for line in container.remarks(spec, use)),
        "[Unit]",
        f"Description={_description(f'{spec.model} ({spec.engine}) in container {spec.name}')}",
        "Requires=docker.service",
        "After=docker.service network-online.target",
        "Wants=network-online.target",
        "# A server that dies thrice in an hour will not get better by itself.",
        "StartLimitIntervalSec=3600",
        "StartLimitBurst=3",
        "",
        "[Service]",
        f"ExecStartPre=-{DOCKER} rm -f {name}",
        "ExecStart=" + " \\\n  ".join(_lines(run)),
        f"ExecStop={DOCKER} stop -t {spec.stop_timeout_s} {name}",
        "# Docker's own limit comes first, so that running requests can end.",
        f"TimeoutStopSec={spec.stop_timeout_s + 30}",
        f"Restart={'on-failure' if spec.restart_once_ready else 'no'}",
        "# Ended or killed from outside, by docker stop or gptoss-tui stop: that was meant.",
        "SuccessExitStatus=143",
        "RestartPreventExitStatus=137",
        "RestartSec=10",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _lines(words: tuple[str, ...]) -> list[str]:
    """The command broken before each option, for reading."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("-") or (len(lines[-1]) > 1 and lines[-1][0].startswith("-")):
            lines.append([])
        lines[-1].append(_word(word))
    return [" ".join(line) for line in lines]


def _word(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    spelt = (
        _ESCAPES.get(c) or (f"\\x{ord(c):02x}" if ord(c) < 32 or ord(c) == 127 else c) for c in word
    )
    return '"' + "".join(spelt) + '"'


def _description(text: str) -> str:
    """One line; a backslash at its end would go on to the next line."""
    return " ".join(text.replace("%", "%%").replace("\\", "/").split())


def spec_text(text: str) -> str | None:
    """The label with the spec, in a unit of this form; None where it is none."""
    _, found, rest = text.partition("\nExecStart=")
    if not found:
        return None
    line = re.split(r"(?<!\\)\n", rest, maxsplit=1)[0].replace("\\\n", " ")
    return label_in(_words(line))


def _words(line: str) -> list[str]:
    """The words of a command line that `write` wrote."""
    pieces = re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', line, re.DOTALL)
    return [_SPELT.sub(_read, quoted or plain) for quoted, plain in pieces]


def _read(spelt: re.Match[str]) -> str:
    if spelt[1]:
        return chr(int(spelt[1], 16))
    if spelt[2]:
        return _MEANT.get(spelt[2], spelt[0])
    return spelt[0][0]
