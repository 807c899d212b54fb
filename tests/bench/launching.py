"""From `gptoss-tui launch` to the first token of an answer: what the app itself takes of that.

The simulated box has the image and the weights, and its server is up in no time; so what is
measured is all but pull, download and load.
"""

from __future__ import annotations

import json
import subprocess
import time
from statistics import median

from tests.bench.figures import Figure
from tests.bench.lab import EIGHT_GPUS, Lab
from tests.bench.starting import PROGRAM

NAME = "bench"


def launching(lab: Lab, runs: int) -> tuple[Figure, Figure]:
    """Two commands one after the other, as a user types them; each is a process of its own.

    `launch --wait` ends when the model has answered with one token, which `chat` then shows.
    """
    ready, shown = [], []
    for _ in range(runs):
        began = time.perf_counter()
        _done(lab, "launch", "--model", "20b", "--name", NAME, "--yes", "--wait")
        ready.append(time.perf_counter() - began)
        _first_token(lab)
        shown.append(time.perf_counter() - began)
        _done(lab, "stop", NAME, "--now", "--yes")
    return (
        Figure("launch, then chat, to the first token", "", "s", median(shown), None, 2.0, runs),
        Figure("... launch --wait alone", "", "s", median(ready), None, None, runs),
    )


def _argv(lab: Lab, command: str, *words: str) -> list[str]:
    return [PROGRAM, command, EIGHT_GPUS, *words, "-F", str(lab.config)]


def _done(lab: Lab, command: str, *words: str) -> None:
    argv = _argv(lab, command, *words)
    subprocess.run(argv, check=True, capture_output=True, env=lab.env)


def _first_token(lab: Lab) -> None:
    """Return when it is there; the rest of the answer is not waited for."""
    argv = _argv(lab, "chat", NAME, "-p", "Say hello.", "--json")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=lab.env) as chat:
        assert chat.stdout is not None
        told = json.loads(chat.stdout.readline())
        assert told["body"]["text"], told
        chat.kill()
