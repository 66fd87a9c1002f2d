"""Real servers whose protocols begin in clear text or are no HTTP: PostgreSQL, Redis, and a mail server."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from livekit.authority import Issued
from livekit.tools import TIME_LIMIT, need


class Daemon:
    """A server program in a process of its own, as an ordinary user."""

    def __init__(self, directory: Path, command: Sequence[str], port: int, user: str | None = None) -> None:
        self.port = port
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user
            )
        self._wait_until_accepting()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(TIME_LIMIT)

    def _wait_until_accepting(self) -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError("the server ended: " + self._log.read_text())


class PostgreSQL(Daemon):
    """PostgreSQL with TLS. It does not want to be root, and others cannot look into our directories: it gets its own."""

    def __init__(self, issued: Issued) -> None:
        self._home = tempfile.TemporaryDirectory()
        home, user = Path(self._home.name), "nobody" if os.geteuid() == 0 else None
        for name, source in (("server.crt", issued.certificate), ("server.key", issued.key)):
            shutil.copy(source, home / name)
            (home / name).chmod(0o600)
        if user is not None:
            for path in (home, *home.iterdir()):
                shutil.chown(path, user)
        initialise = ["-D", f"{home}/data", "-A", "trust", "-U", "me", "-N", "--no-instructions"]
        subprocess.run([_postgresql("initdb"), *initialise], cwd=home, user=user, check=True, capture_output=True)
        port = _free_port()
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": home,
            "ssl": "on",
            "ssl_cert_file": home / "server.crt",
            "ssl_key_file": home / "server.key",
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        super().__init__(home, [_postgresql("postgres"), "-D", f"{home}/data", *options], port, user)

    def stop(self) -> None:
        super().stop()
        self._home.cleanup()


def redis(directory: Path, issued: Issued) -> Daemon:
    """Start Redis with TLS only."""
    port = _free_port()
    files = ["--tls-cert-file", str(issued.certificate), "--tls-key-file", str(issued.key), "--tls-auth-clients", "no"]
    where = ["--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port), "--dir", str(directory), "--save", ""]
    return Daemon(directory, [need("redis-server", "redis-server"), *where, *files], port)


class MailServer:
    """A mail server that wants STARTTLS, and keeps what it is sent."""

    def __init__(self, issued: Issued) -> None:
        self.mails: list[bytes] = []
        context = issued.server_context()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=_free_port(), tls_context=context, require_starttls=True
        )
        self._controller.start()
        self.port: int = self._controller.port

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        await asyncio.sleep(0)
        return "250 taken"


def _postgresql(program: str) -> str:
    """Find one of the programs that Debian does not put into the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else need(program, "postgresql")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
