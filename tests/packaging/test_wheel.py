"""The wheel, installed into a clean venv and run from another folder."""

from __future__ import annotations

import ast
import email
import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from gptoss_tui import __version__
from tests.packaging.conftest import environment
from tests.packaging.documents import ROOT

PACKAGE = ROOT / "gptoss_tui"

# What is imported only where somebody asks for it.
OPTIONAL = "extra == 'keyring'"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the checkout."""
    return tmp_path_factory.mktemp("elsewhere")


def _run(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    programs = installed / "bin"
    return subprocess.run(
        [programs / words[0], *words[1:]],
        env=environment(cwd, programs),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_the_wheel_that_runs(installed: Path, elsewhere: Path) -> None:
    done = _run(installed, elsewhere, "python", "-c", "import gptoss_tui; print(gptoss_tui)")
    assert str(installed) in done.stdout, done.stderr


def test_version(installed: Path, elsewhere: Path) -> None:
    done = _run(installed, elsewhere, "gptoss-tui", "--version")
    assert (done.returncode, done.stdout) == (0, f"gptoss-tui {__version__}\n")


def test_it_runs_as_a_module(installed: Path, elsewhere: Path) -> None:
    done = _run(installed, elsewhere, "python", "-m", "gptoss_tui", "--version")
    assert (done.returncode, done.stdout) == (0, f"gptoss-tui {__version__}\n")


def test_plan(installed: Path, elsewhere: Path) -> None:
    """The catalogue of cards is a file of the package."""
    done = _run(installed, elsewhere, "gptoss-tui", "plan", "--gpu", "NVIDIA L40S", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "fits"


def test_themes_are_in_the_package(installed: Path, elsewhere: Path) -> None:
    program = (
        "import json; from gptoss_tui.app.theming import load_themes; "
        "from gptoss_tui.state.paths import theme_dirs; "
        "themes, problems = load_themes(theme_dirs()[:1]); "
        "print(json.dumps([sorted(theme.name for theme in themes), problems]))"
    )
    done = _run(installed, elsewhere, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    shipped = sorted(file.stem for file in (ROOT / "themes").glob("*.toml"))
    assert json.loads(done.stdout) == [shipped, []]
    assert len(shipped) >= 4


def test_a_simulated_box_can_be_looked_at(installed: Path, elsewhere: Path) -> None:
    """The programs that run on a box are files of the package too."""
    programs = installed / "bin"
    argv = [str(programs / "gptoss-tui"), "sim", "--boxes", "1", "--json"]
    sim = subprocess.Popen(
        argv, env=environment(elsewhere, programs), cwd=elsewhere, stdout=subprocess.PIPE, text=True
    )
    try:
        assert sim.stdout is not None
        config = json.loads(sim.stdout.readline())["ssh_config"]
        done = _run(installed, elsewhere, "gptoss-tui", "check", "-F", config, "sim-1", "--json")
    finally:
        sim.terminate()
        sim.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["body"]["gpus"]) == 2


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = {
        str(file.relative_to(ROOT))
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    themes = {f"gptoss_tui/themes/{file.name}" for file in (ROOT / "themes").glob("*.toml")}
    assert files | themes <= names
    strays = {name for name in names - files - themes if ".dist-info/" not in name}
    assert not strays


def test_what_it_imports_is_declared(wheel: Path) -> None:
    """The venv borrows its dependencies, so this is where a forgotten one would show."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    declared = {
        _plain(re.split(r"[^\w.-]", line)[0])
        for line in metadata.get_all("Requires-Dist", [])
        if "extra ==" not in line or OPTIONAL in line.replace('"', "'")
    }
    owners = packages_distributions()
    imported = _imported() - sys.stdlib_module_names - {"gptoss_tui"}
    assert imported, "nothing was found"
    missing = {
        module
        for module in imported
        if not {_plain(owner) for owner in owners.get(module, [])} & declared
    }
    assert not missing, f"imported, and not among pyproject's dependencies: {missing}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _imported() -> set[str]:
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found
