"""nghttpx as an origin: it speaks HTTP/2 only, over TLS, and fetches the documents from another server."""

import subprocess
from pathlib import Path

from livekit.authority import Issued
from livekit.nginx import free_ports, wait_until_accepting
from livekit.tools import TIME_LIMIT, need


class NghttpxOrigin:
    """A running nghttpx before a server of HTTP/1.1 in clear text."""

    def __init__(self, directory: Path, issued: Issued, backend_port: int) -> None:
        program = need("nghttpx", "nghttp2-proxy")
        (self.port,) = free_ports(1)
        self._log = (directory / "nghttpx.log").open("wb")
        command = [
            *[program, "--conf=/dev/null", "--workers=1", "--no-ocsp", "--npn-list=h2", "--accesslog-file=/dev/null"],
            *[f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{backend_port};;proto=http/1.1"],
            *[str(issued.key), str(issued.certificate)],
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        wait_until_accepting(self._process, self.port, directory / "nghttpx.log")

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(TIME_LIMIT)
        self._log.close()
