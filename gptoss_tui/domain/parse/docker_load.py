"""What `POST /images/load` answers: JSON objects, one a line, of Docker or of podman."""

from __future__ import annotations

import json
import re
from typing import Any

from gptoss_tui.text import clean_line

_LOADED = re.compile(r"Loaded image(?:\(s\)| ID)?: (\S+)")


def loaded_images(text: str) -> tuple[tuple[str, ...], str]:
    """The images that were loaded, and why the load failed (empty where it did not)."""
    found: list[str] = []
    failure = ""
    for line in text.splitlines():
        try:
            said: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(said, dict):
            continue
        found += _LOADED.findall(str(said.get("stream") or ""))
        failure = failure or clean_line(str(said.get("error") or ""), 300)
    return tuple(found), failure
