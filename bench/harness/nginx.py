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
    http2_max_concurrent_streams 2000;
    location = /protocol {{ return 200 $server_protocol; }}
    location /held {{ alias {directory}/www/big; limit_rate 1; }}
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
    """Where the origin listens: the same answers in clear text, over TLS, and over TLS to those who want HTTP/2.

    `/protocol` tells which version a request came in; the body of `/held` takes years.
    """

    http: int
    https: int
    https2: int


def origin(directory: Path, listen: Origin, certificates: Certificates) -> list[str]:
    """Write the origin's files; return the command that serves them."""
    www = directory / "www"
    www.mkdir(parents=True, exist_ok=True)
    with (www / "big").open("wb") as big:
        big.truncate(BIG_BODY)  # sparse: costs no disk, and reads as zeros
    small = SMALL_BODY.decode()
    pair = _pair(certificates)
    doors = ((listen.http, "", ""), (listen.https, " ssl", pair), (listen.https2, " ssl http2", pair))
    servers = "".join(
        _ORIGIN.format(port=port, tls=tls, certificate=certificate, directory=directory, small=small)
        for port, tls, certificate in doors
    )
    return _command(directory, servers)


def proxy(
    directory: Path, port: int, listen: Origin, certificates: Certificates, *, tls: str, script: bool
) -> list[str]:
    """Write a `proxy_pass` configuration; return the command that runs it. `tls` goes to `listen`: "ssl http2"."""
    directory.mkdir(parents=True, exist_ok=True)
    server = _PROXY.format(
        port=port,
        upstream=listen.https if tls else listen.http,
        scheme="https" if tls else "http",
        tls=f" {tls}",
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
