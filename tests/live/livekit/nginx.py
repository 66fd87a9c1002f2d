"""nginx as an ordinary, well-behaved origin: in clear text and over TLS, with HTTP/2 and without, the same documents."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

from livekit.authority import Issued
from livekit.tools import TIME_LIMIT, need

SMALL = b"a small answer\n"
LARGE_SIZE = 64 * 2**20
TEXT = b"The quick brown fox jumps over the lazy dog.\n" * 400

_CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  default_type application/octet-stream;
  types {{ text/plain txt; text/html html; text/css css; text/javascript js; image/png png; }}
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  client_max_body_size 0;
  gzip_types text/plain;
  gzip_min_length 1;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    listen 127.0.0.1:{https2} ssl http2;
    listen 127.0.0.1:{h2c} http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    root {documents};
    location /small {{ return 200 "a small answer\\n"; }}
    location /gzip/ {{ alias {documents}/; gzip on; }}
    location /chunked/ {{ alias {documents}/; ssi on; ssi_types *; }}
    location /upload {{ dav_methods PUT; create_full_put_path on; }}
    location /close {{ keepalive_timeout 0; return 200 "closing\\n"; }}
    location /seen {{ default_type text/plain; return 200 "$request\\n$http_host\\n$scheme\\n$ssl_server_name\\n"; }}
    location = /protocol {{ default_type text/plain; return 200 $server_protocol; }}
    location /no-content {{ return 204; }}
    location /moved {{ return 302 /small; }}
    location /teapot {{ return 418 "short and stout\\n"; }}
    location /broken {{ return 500 "broken\\n"; }}
  }}
}}
"""


class NginxOrigin:
    """A running nginx. Paths: /small, /text.txt, /large.bin, /gzip/text.txt, /chunked/text.txt, /upload/NAME (PUT),
    /seen (what arrived: request line, Host, scheme, SNI), /protocol (its version), /close, /no-content, /moved, /teapot, /broken.
    """

    def __init__(self, directory: Path, issued: Issued) -> None:
        program = need("nginx", "nginx")
        self.documents = directory / "documents"
        (self.documents / "upload").mkdir(parents=True)
        self.http_port, self.https_port, self.https2_port, self.h2c_port = free_ports(4)
        self._write_documents()
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=directory,
                user="user root root;" if os.geteuid() == 0 else "",  # else its worker cannot read our files
                documents=self.documents,
                http=self.http_port,
                https=self.https_port,
                https2=self.https2_port,
                h2c=self.h2c_port,
                certificate=issued.certificate,
                key=issued.key,
            )
        )
        self._log = (directory / "nginx.log").open("wb")
        command = [program, "-p", str(directory), "-c", str(configuration), "-e", str(directory / "error.log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        wait_until_accepting(self._process, self.https_port, directory / "nginx.log")

    def http(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    def https(self, path: str) -> str:
        return f"https://localhost:{self.https_port}{path}"

    def https2(self, path: str) -> str:
        """Where it speaks HTTP/2 too, to those who offer it."""
        return f"https://localhost:{self.https2_port}{path}"

    def h2c(self, path: str) -> str:
        """Where it speaks HTTP/2 only, in clear text."""
        return f"http://127.0.0.1:{self.h2c_port}{path}"

    def uploaded(self, name: str) -> bytes:
        return (self.documents / "upload" / name).read_bytes()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(TIME_LIMIT)
        self._log.close()

    def _write_documents(self) -> None:
        (self.documents / "text.txt").write_bytes(TEXT)
        (self.documents / "index.html").write_text("<title>origin</title><h1>It works</h1>\n")
        with (self.documents / "large.bin").open("wb") as large:
            large.truncate(LARGE_SIZE)


def wait_until_accepting(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Ask again until a server listens: each refused attempt answers at once, so this spins for milliseconds."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"{process.args} ended: " + log.read_text())


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as probes:
        probing = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in probing:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probing]
