"""The page at http://mid.st/ that hands out the CA certificate, seen through the proxy: option `onboarding`.

The addon is the server of that host (`serves`), on every port, over HTTP and HTTPS. The page loads nothing from elsewhere, and
never shows a key. Its script asks for `https://mid.st/trust-check`: if the answer comes, the browser trusts us.
"""

import functools
import html
import importlib.resources
import re
import secrets
from collections.abc import Callable, Mapping
from string import Template
from typing import Literal

from midstream.addon import HTTPFlow, Options, OptionsError, Response, ctx

DOWNLOADS: Mapping[str, tuple[Literal["pem", "cer", "p12"], str]] = {
    "/cert/pem": ("pem", "application/x-x509-ca-cert"),
    "/cert/cer": ("cer", "application/x-x509-ca-cert"),
    "/cert/p12": ("p12", "application/x-pkcs12"),
}
COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Onboarding:
    """The server of the onboarding host."""

    name = "onboarding-page"

    def __init__(self, host: str) -> None:
        self._host = host
        self.serves: dict[str, Callable[[HTTPFlow], None]] = {host: self.answer}

    @classmethod
    def wanted(cls, options: Options) -> "Onboarding | None":
        """Return the addon that the options ask for. Raises `OptionsError` for a host that is no name."""
        host = options.onboarding_host.lower()
        if not _HOST.fullmatch(host):
            raise OptionsError(f"onboarding_host: expected a host name such as mid.st, got {host!r}")
        return cls(host) if options.onboarding else None

    def answer(self, flow: HTTPFlow) -> None:
        path = flow.request.path.partition("?")[0]
        if flow.request.method not in {"GET", "HEAD"}:
            flow.response = _text(405, "This page can only be read.\n", {"Allow": "GET, HEAD"})
        elif path == "/":
            flow.response = self._page()
        elif path in DOWNLOADS:
            flow.response = _download(path)
        elif path == "/trust-check":
            flow.response = Response.make(204, b"", {"Access-Control-Allow-Origin": "*", **COMMON})
        else:
            flow.response = _text(404, f"There is nothing here; look at http://{self._host}/\n", {})

    def _page(self) -> Response:
        nonce = secrets.token_urlsafe(16)
        page = _template().substitute(
            nonce=nonce, host=html.escape(self._host), fingerprint=html.escape(ctx.master.authority.fingerprint)
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            f"connect-src https://{self._host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, **COMMON}
        return Response.make(200, page, headers)


def _download(path: str) -> Response:
    kind, content_type = DOWNLOADS[path]
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f'inline; filename="midstream-ca-cert.{kind}"',  # "attachment" keeps iOS from installing it
        **COMMON,
    }
    return Response.make(200, ctx.master.authority.download(kind), headers)


def _text(status: int, text: str, headers: dict[str, str]) -> Response:
    return Response.make(status, text, {"Content-Type": "text/plain; charset=utf-8", **COMMON, **headers})


@functools.cache
def _template() -> Template:
    return Template(importlib.resources.files(__package__).joinpath("onboarding.html").read_text("utf-8"))
