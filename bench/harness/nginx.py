"""Configurations of nginx: as the origin of every run, and as the peer that only passes on (`proxy_pass`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.certificates import Certificates

BIG_BODY = 2**30
_USER = "user root root;" if os.geteuid() == 0 else ""  # root's temporary files are for root only
SMALL_BODY = b"The quick brown fox jumps over the lazy dog. " * 23  # 1,035 bytes

_MAIN = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  sendfile on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:s:1m;
{servers}
}}
"""

_ORIGIN = """\
  server {{
    listen 127.0.0.1:{port}{tls};
    {certificate}
    root {directory}/www;
    default_type text/plain;
    location /small {{
      default_type "text/html; charset=utf-8";
      add_header Cache-Control "private, max-age=0";
      add_header ETag '"5f2b-1a2b3c"';
      return 200 "{small}";
    }}
  }}
"""

_PROXY = """\
  upstream origin {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    {certificate}
    location / {{
      proxy_pass {scheme}://origin;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      {verify}
      {script}
    }}
  }}
"""

_VERIFY = """proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};
      proxy_ssl_name localhost; proxy_ssl_server_name on;"""
_SCRIPT = "proxy_set_header X-Bench request; add_header X-Bench response;"


@dataclass(frozen=True)
class Origin:
    """Where the origin listens: the same answers in clear text and over TLS."""

    http: int
    https: int


def origin(directory: Path, listen: Origin, certificates: Certificates) -> list[str]:
    """Write the origin's files; return the command that serves them."""
    www = directory / "www"
    www.mkdir(parents=True, exist_ok=True)
    with (www / "big").open("wb") as big:
        big.truncate(BIG_BODY)  # sparse: costs no disk, and reads as zeros
    small = SMALL_BODY.decode()
    plain = _ORIGIN.format(port=listen.http, tls="", certificate="", directory=directory, small=small)
    over_tls = _ORIGIN.format(
        port=listen.https, tls=" ssl", certificate=_pair(certificates), directory=directory, small=small
    )
    return _command(directory, plain + over_tls)


def proxy(
    directory: Path, port: int, listen: Origin, certificates: Certificates, *, tls: bool, script: bool
) -> list[str]:
    """Write a `proxy_pass` configuration; return the command that runs it."""
    directory.mkdir(parents=True, exist_ok=True)
    server = _PROXY.format(
        port=port,
        upstream=listen.https if tls else listen.http,
        scheme="https" if tls else "http",
        tls=" ssl" if tls else "",
        certificate=_pair(certificates) if tls else "",
        verify=_VERIFY.format(authority=certificates.authority) if tls else "",
        script=_SCRIPT if script else "",
    )
    return _command(directory, server)


def _pair(certificates: Certificates) -> str:
    return f"ssl_certificate {certificates.leaf}; ssl_certificate_key {certificates.key};"


def _command(directory: Path, servers: str) -> list[str]:
    configuration = directory / "nginx.conf"
    configuration.write_text(_MAIN.format(directory=directory, servers=servers, user=_USER))
    return ["nginx", "-p", str(directory), "-c", str(configuration), "-e", str(directory / "error.log")]
