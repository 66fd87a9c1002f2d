"""Writes text to a stream from a thread, so that a slow terminal or pipe holds no connection up.

What waits is bounded; beyond that, text is left out and counted. Whoever reads may go away: that is told once, and then
nothing is written any more.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TextIO

BOUND = 16 << 20
"""Characters that may wait."""
PATIENCE = 2.0
"""Seconds that `close` waits for what is not written yet."""
_log = logging.getLogger("midstream.addon")


class Printer:
    """A stream with a thread of its own, which starts with the first text."""

    def __init__(self, stream: TextIO, on_broken: Callable[[], object], *, bound: int = BOUND) -> None:
        """`on_broken` is called, in the thread, when nobody reads any more."""
        self._stream = stream
        self._on_broken = on_broken
        self._bound = bound
        self._waiting: list[str] = []
        self._size = 0
        self._left_out = 0
        self._is_over = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, text: str) -> None:
        """Have `text` written."""
        with self._changed:
            if self._is_over:
                return
            if self._size > self._bound:
                self._left_out += 1
                return
            self._waiting.append(text)
            self._size += len(text)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="midstream-printer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Write the rest, but not for ever."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        while text := self._next():
            try:
                _write(self._stream, text)
            except (OSError, ValueError) as error:
                if not isinstance(error, BrokenPipeError):
                    _log.error("what passes can no longer be printed, so this ends: %s", error)
                self._give_up()
                return

    def _next(self) -> str:
        """Wait for text; none is left when it is empty."""
        with self._changed:
            while not self._waiting and not self._is_over:
                self._changed.wait()
            text = "".join(self._waiting)
            if self._left_out:
                text += f"… {self._left_out} flows are not shown: this output was too slow for them\n"
            self._waiting.clear()
            self._size = self._left_out = 0
            return text

    def _give_up(self) -> None:
        with self._changed:
            was_over, self._is_over = self._is_over, True
            self._waiting.clear()
        if self._stream is sys.stdout:
            _silence(sys.stdout)
        if not was_over:
            self._on_broken()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Keep the interpreter from trying, and complaining, again when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass
