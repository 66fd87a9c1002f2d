"""The `midstream` command as people start it: a process, its output line by line, its exit code."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from livekit.tools import TIME_LIMIT, clean_environment

PROGRAM = Path(sys.executable).with_name("midstream")


class Command:
    """`Command("dump", "-p", "0", home=tmp_path)`: started at once; `wait` gives its exit code.

    It sees no configuration of whoever runs the tests: `home` is its home directory.
    """

    def __init__(
        self, *arguments: str, home: Path, environment: Mapping[str, str], is_at_terminal: bool = False
    ) -> None:
        ours = clean_environment(HOME=str(home))
        kept = {name: value for name, value in ours.items() if not name.startswith(("MIDSTREAM_", "NO_COLOR"))}
        out, terminal = os.openpty() if is_at_terminal else os.pipe()
        self.process = subprocess.Popen(
            [PROGRAM, *arguments],
            env=kept | environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C meant for the test run is not for it
        )
        os.close(terminal)
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        self._ended = 0
        self._readers = [self._read(os.fdopen(out), self.out), self._read(self.process.stderr, self.err)]

    @property
    def url(self) -> str:
        """Where its first listener is, from its start message."""
        return self.wait_for(r"proxy at (http://\S+?),?$")

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def wait_for(self, pattern: str) -> str:
        """Wait for a line on standard error or output that has this in it; return its first group, or all that matched."""

        def look() -> re.Match[str] | None:
            return next((found for line in (*self.err, *self.out) if (found := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: look() or self._ended == 2, TIME_LIMIT)
        found = look()
        assert found, f"{pattern!r} did not come.\nstdout: {self.out}\nstderr: {self.err}"
        return found[found.re.groups and 1]

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Wait for its end and all its output; return the exit code."""
        code = self.process.wait(TIME_LIMIT)
        for reader in self._readers:
            reader.join(TIME_LIMIT)
        return code

    def stop(self) -> None:
        """End it as hard as need be."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def resident(self, what: str = "VmRSS") -> int:
        """Bytes of memory it has, or had at most (`VmHWM`)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024

    def _read(self, stream: IO[str], lines: list[str]) -> threading.Thread:
        def read() -> None:
            with stream, contextlib.suppress(OSError):  # a terminal ends in an error
                for line in stream:
                    with self._changed:
                        lines.append(line.rstrip("\n"))
                        self._changed.notify_all()
            with self._changed:
                self._ended += 1
                self._changed.notify_all()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread
