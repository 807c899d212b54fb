"""What the documents say of the code is what the code says."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding

import gptoss_tui
import gptoss_tui.app
from gptoss_tui import errors
from gptoss_tui.app.theming import read_theme
from gptoss_tui.cli.parser import EPILOG, build
from gptoss_tui.domain.engines import vllm_metrics
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.state.config import Config
from tests.packaging.documents import DOCUMENTS, README, ROOT, anchors, links, table, ticked

DOCS = ROOT / "docs"
VLLM = engine_named("vllm")


def _read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


# --- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in links(text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), f"{document.name} names {target}"
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), f"{document.name} names {target}"


def test_every_document_can_be_found_from_the_readme() -> None:
    named = set(links(README.read_text("utf-8")))
    assert {f"docs/{file.name}" for file in DOCS.glob("*.md")} <= named
    assert {"CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"} <= named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_files_that_are_named_are_there(document: Path) -> None:
    """Paths in backticks that begin with a folder of the project or of the package."""
    for word in ticked(document.read_text("utf-8")):
        if not re.fullmatch(r"[\w./-]+\.(?:py|sh|tcss|toml|json|md)", word) or "NAME" in word:
            continue
        head = word.partition("/")[0]
        if (ROOT / head).is_dir():
            assert (ROOT / word).is_file(), f"{document.name} names {word}"
        elif (ROOT / "gptoss_tui" / head).is_dir():
            assert (ROOT / "gptoss_tui" / word).is_file(), f"{document.name} names {word}"


def test_make_targets_that_are_named_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _read("Makefile"), re.MULTILINE))
    for document in DOCUMENTS:
        for word in ticked(document.read_text("utf-8")):
            if found := re.match(r"make ([a-z-]+)", word):
                assert found[1] in targets, f"{document.name} names {word}"


# --- the command line ---------------------------------------------------------------------------


def _families(kind: type[errors.GptossError]) -> Iterator[type[errors.GptossError]]:
    yield kind
    for heir in kind.__subclasses__():
        yield from _families(heir)


def test_exit_codes() -> None:
    written = {int(code) for code, _ in table(_read("README.md"), "Code | Meaning")}
    used = {kind.exit_code for kind in _families(errors.GptossError)}
    assert written == used | {0, 130}
    told = {int(code) for code in re.findall(r"(?:^|[:,]\s)(\d+) ", EPILOG)}
    assert told == written


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _parsers(command)


def test_flags_that_the_readme_names_are_known() -> None:
    known = {flag for parser in _parsers(build()) for flag in parser._option_string_actions}
    named = {
        flag
        for word in ticked(_read("README.md"))
        for flag in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", word)
        if not word.startswith("ssh ")
    }
    assert named
    assert named <= known


def test_every_command_is_in_the_readme() -> None:
    (commands,) = (a for a in build()._actions if isinstance(a, argparse._SubParsersAction))
    text = _read("README.md")
    missing = [name for name in commands.choices if not re.search(rf"[`\s]{name}\b", text)]
    assert not missing


def test_open_routes() -> None:
    """Whoever publishes a server reads here what a key does not guard."""
    (line,) = (line for line in _read("README.md").splitlines() if "stay open to everybody" in line)
    routes = tuple(word for word in ticked(line) if word.startswith("/"))
    assert routes == VLLM.open_routes(VLLM.default_version)


# --- engines ------------------------------------------------------------------------------------


def test_the_table_of_engines() -> None:
    rows = {row[0]: row[1] for row in table(_read("docs/engines.md"), "What | vLLM")}
    assert VLLM.image(VLLM.default_version) in ticked(rows["image"])
    assert str(VLLM.container_port) in ticked(rows["port in the container"])
    assert VLLM.health_path in ticked(rows["health"])
    assert VLLM.metrics_path in ticked(rows["metrics"])
    assert VLLM.cache_mount in ticked(rows["model folder"])
    assert VLLM.fetches in ticked(rows["model fetched"])


def test_the_members_of_the_seam() -> None:
    names = [name for row in table(_read("docs/engines.md"), "Member") for name in ticked(row[0])]
    there = {*inspect.get_annotations(Engine), *vars(Engine)}
    assert sorted(names) == sorted(name for name in there if not name.startswith("_"))


def test_the_table_of_metrics() -> None:
    rows = table(_read("docs/engines.md"), "Figure")
    named = {name for row in rows for name in ticked(row[1])}
    assert named == vllm_metrics._WANTED


# --- themes and keys ----------------------------------------------------------------------------


def test_the_example_theme_is_one(tmp_path: Path) -> None:
    (example,) = (text for text in _toml("docs/themes.md") if "primary" in text)
    file = tmp_path / "mine.toml"
    file.write_text(example)
    theme = read_theme(file)
    keys = {key for row in table(_read("docs/themes.md"), "Key") for key in ticked(row[0])}
    assert theme.name == "mine"
    assert set(tomllib.loads(example)) <= keys


def test_the_example_configs_are_some() -> None:
    examples = [tomllib.loads(text) for text in _toml("docs/themes.md") if "version = 1" in text]
    assert len(examples) == 2
    for example in examples:
        assert set(example) <= set(Config.__struct_fields__)
        assert set(example.get("keys", {})) <= set(_bindings())


def test_the_table_of_themes() -> None:
    named = {name for row in table(_read("docs/themes.md"), "Theme") for name in ticked(row[0])}
    assert named == {file.stem for file in (ROOT / "themes").glob("*.toml")}


def _toml(name: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", _read(name), re.DOTALL)


def _bindings() -> dict[str, frozenset[str]]:
    """The keys of every binding of ours, by its id."""
    found: dict[str, frozenset[str]] = {}
    for module in pkgutil.walk_packages(gptoss_tui.app.__path__, "gptoss_tui.app."):
        for kind in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(kind) or kind.__module__ != module.name:
                continue
            for binding in vars(kind).get("BINDINGS", ()):
                if isinstance(binding, Binding) and binding.id:
                    found[binding.id] = frozenset(binding.key.split(","))
    return found


def test_the_table_of_bindings() -> None:
    rows = table(_read("docs/themes.md"), "Binding")
    written = {ticked(row[0])[0]: frozenset(ticked(row[1])) for row in rows}
    assert written == _bindings()


_PLACES = {"Boxes": "boxes", "Wizard": "wizard", "Launch": "launch", "Dashboard": "dash|chat|page"}
_ANYWHERE = {"space", "tab", "enter", "?", "ctrl+p"}


def test_the_tour_names_keys_that_there_are() -> None:
    bindings = _bindings()
    for place, keys, *told in table(_read("README.md"), "Place"):
        prefix = _PLACES.get(place.strip("*"), "app")
        there = {
            key
            for name, some in bindings.items()
            if re.match(rf"(?:{prefix})\.", name)
            for key in some
        }
        named = {word for text in (keys, *told) for word in ticked(text)}
        named = {word for word in named if re.fullmatch(r"\S|ctrl\+\S|f\d|\?", word)}
        assert named <= there | _ANYWHERE | set("1234"), f"{place}: {sorted(named)}"


# --- packaging ----------------------------------------------------------------------------------


def test_the_table_of_dependencies() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=~! ]", line)[0] for line in declared]
    written = [row[0] for row in table(_read("CONTRIBUTING.md"), "Dependency")]
    assert sorted(written) == sorted(names)
    assert all(row[1] for row in table(_read("CONTRIBUTING.md"), "Dependency"))


def test_the_changelog_has_this_version() -> None:
    assert f"## [{gptoss_tui.__version__}]" in _read("CHANGELOG.md")


def test_the_python_versions_agree() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    assert f"Python {lowest} or newer" in _read("README.md")
    listed = [line for line in project["classifiers"] if line.endswith(f":: {lowest}")]
    assert listed
