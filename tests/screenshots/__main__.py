"""`python -m tests.screenshots` draws screenshots/*.svg anew; `--check` says which are not current."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.screenshots.places import tour
from tests.screenshots.stage import stage

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"


async def pictures() -> dict[str, str]:
    """All pictures by their names."""
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-pictures-") as home:
        async with stage(Path(home)) as set_up:
            return await tour(set_up)


def stale(drawn: dict[str, str], folder: Path) -> list[str]:
    """The names of pictures that differ from their files, have none, or are no longer drawn."""
    kept = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.svg")}
    return sorted(name for name in {*drawn, *kept} if drawn.get(name) != kept.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where stale")
    parser.add_argument("--into", type=Path, default=FOLDER, help="another folder")
    arguments = parser.parse_args()
    drawn = asyncio.run(pictures())
    behind = stale(drawn, arguments.into)
    if arguments.check:
        for name in behind:
            print(f"not current: {name}.svg (make screenshots draws it anew)", file=sys.stderr)
        return 1 if behind else 0
    arguments.into.mkdir(exist_ok=True)
    for name in behind:
        file = arguments.into / f"{name}.svg"
        if name in drawn:
            file.write_text(drawn[name], encoding="utf-8")
        else:
            file.unlink()
        print(f"{'drawn' if name in drawn else 'removed'}: {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
