"""Log lines on the terminal: to standard error, so that printed flows stay clean."""

import logging
import os
import sys
from typing import TextIO

import click

ALERT = logging.INFO + 1
LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "alert": ALERT, "info": logging.INFO, "debug": logging.DEBUG}
"""What `termlog_verbosity` may be."""

_COLOURS = {
    logging.CRITICAL: "red",
    logging.ERROR: "red",
    logging.WARNING: "yellow",
    ALERT: "magenta",
    logging.DEBUG: "bright_black",
}
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(0x7F, 0xA0))}


class Formatter(logging.Formatter):
    """Time and text; what peers sent cannot move the cursor or change colours."""

    def __init__(self, *, is_coloured: bool) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")
        self.is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).translate(_ESCAPES)
        colour = _COLOURS.get(record.levelno)
        return click.style(text, fg=colour) if self.is_coloured and colour else text


def log_to_terminal(verbosity: str, stream: TextIO | None = None) -> logging.Handler:
    """Send the log of the whole process to `stream` (default: standard error) from `verbosity` on."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(Formatter(is_coloured=is_coloured(target)))
    handler.setLevel(LEVELS[verbosity])
    logging.addLevelName(ALERT, "ALERT")
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(LEVELS[verbosity])
    for chatty in ("asyncio", "concurrent"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, LEVELS[verbosity]))
    return handler


def is_coloured(stream: TextIO) -> bool:
    """Say whether to use colours on `stream`: on terminals, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
