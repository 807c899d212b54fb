"""The app's own debug log: private, small, without secrets, the place where tracebacks go."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from gptoss_tui.errors import InternalError
from gptoss_tui.text import clean

NAME = "gptoss_tui"
_MAX_BYTES = 1_000_000


class _PrivateFile(RotatingFileHandler):
    """Opened with the first line, readable by the user alone."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_APPEND, 0o600))
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written is no reason to fail, nor to write over the screen."""


class _Plain(logging.Formatter):
    """Remote text may be part of a line: it carries no escapes into the terminal that shows it."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


def open_debug_log(path: Path) -> logging.Logger:
    """Send the log of this process to `path`, once."""
    log = logging.getLogger(NAME)
    for old in list(log.handlers):
        log.removeHandler(old)
        old.close()
    handler: Any = _PrivateFile(path, maxBytes=_MAX_BYTES, backupCount=1, delay=True)
    handler.setFormatter(_Plain("%(asctime)s %(process)d %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return log


def internal(error: BaseException, path: Path) -> InternalError:
    """Write the traceback (without the values of variables) to the log, and a sentence for it."""
    logging.getLogger(NAME).error("unforeseen", exc_info=error)
    return InternalError(
        f"Something went wrong inside gptoss-tui ({type(error).__name__}).",
        f"What runs on your boxes goes on. The details are in {path}; please report them.",
    )
