"""OpenSSL's own client and server of DTLS as processes, and a wire between two ports that loses datagrams."""

import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Callable

from livekit.tools import TIME_LIMIT


class OpenSSLTool:
    """`openssl s_client` or `s_server`: what is written to it is sent, what it gets it prints."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            ["openssl", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.out = b""
        self._changed = threading.Condition()
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    def ends(self) -> None:
        """Let it say goodbye (close_notify) and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait_for(self, pattern: bytes) -> bytes:
        """Wait until it has printed this; return the first group, or all that matched."""
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self.out) or self._has_ended, TIME_LIMIT)
        found = re.search(pattern, self.out)
        assert found, f"{pattern!r} did not come: {self.out.decode(errors='replace')}"
        return found[found.re.groups and 1]

    def wait(self) -> int:
        """Wait for its end."""
        code = self.process.wait(TIME_LIMIT)
        self._reader.join(TIME_LIMIT)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIME_LIMIT)
        self._reader.join(TIME_LIMIT)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := self.process.stdout.read(65536):
            with self._changed:
                self.out += data
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()


class LossyWire:
    """A port that passes on what one client sends, and the answers; `is_lost(to_server, number)` says what is lost."""

    def __init__(self, target: tuple[str, int], is_lost: Callable[[bool, int], bool]) -> None:
        self._inside, self._outside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._inside.bind(("127.0.0.1", 0))
        self._outside.connect(target)
        self._is_lost = is_lost
        self._client: tuple[str, int] | None = None
        self.address: tuple[str, int] = self._inside.getsockname()
        self.counts = [0, 0]
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._up, self._down)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for end in (self._inside, self._outside):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self.address)
        for thread in self._threads:
            thread.join(TIME_LIMIT)
        self._inside.close()
        self._outside.close()

    def _up(self) -> None:
        while True:
            data, self._client = self._inside.recvfrom(65536)
            if not data:
                return
            self._pass(True, data, self._outside.send)

    def _down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._outside.recv(65536):
                client = self._client
                if client is None:
                    continue  # meant for whoever had this port before
                self._pass(False, data, lambda each: self._inside.sendto(each, client))  # noqa: B023 - called at once

    def _pass(self, to_server: bool, data: bytes, send: Callable[[bytes], object]) -> None:
        number = self.counts[to_server]
        self.counts[to_server] += 1
        if not self._is_lost(to_server, number):
            send(data)
