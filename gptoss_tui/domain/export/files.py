"""The three forms of an export, and the way back from each to the launch spec."""

from __future__ import annotations

from itertools import zip_longest
from typing import Literal, Protocol

from gptoss_tui.domain.export import compose, docker_run, systemd
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.render import spec_from_label
from gptoss_tui.errors import UsageError

Format = Literal["docker-run", "compose", "systemd"]


class _Form(Protocol):
    """A module of this package."""

    def write(self, spec: LaunchSpec) -> str: ...

    def spec_text(self, text: str) -> str | None: ...


# systemd's comes before docker run's: a shell might take a unit for a script.
_FORMS: dict[Format, _Form] = {"systemd": systemd, "compose": compose, "docker-run": docker_run}
FORMATS: tuple[Format, ...] = ("docker-run", "compose", "systemd")


def export(spec: LaunchSpec, form: Format) -> str:
    """The text of the file. No secret is in it."""
    return _FORMS[form].write(spec)


def read_back(text: str) -> LaunchSpec:
    """The spec of an exported file, whatever its form.

    Raises `UsageError` for a file that is no export, `StateError` for one of a newer version.
    """
    return _read(text)[0]


def changed_lines(text: str) -> tuple[str, ...]:
    """Lines of an export that say something else than its spec does (comments aside): edits.

    A launch follows the spec, so it must not be silent about them.
    """
    spec, form = _read(text)
    ours, theirs = _said(form.write(spec)), _said(text)
    return tuple(
        f"{there if there is not None else 'a line is missing'} (exported as: {here})"
        for here, there in zip_longest(ours, theirs)
        if here != there
    )[:5]


def _read(text: str) -> tuple[LaunchSpec, _Form]:
    text = text.replace("\r\n", "\n")
    for form in _FORMS.values():
        label = form.spec_text(text)
        if label is not None:
            return spec_from_label(label), form
    raise UsageError(
        "This file is no export of gptoss-tui.",
        "Make one with: gptoss-tui export BOX NAME --format compose -o FILE",
    )


def _said(text: str) -> list[str]:
    lines = (line.strip() for line in text.replace("\r\n", "\n").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]
