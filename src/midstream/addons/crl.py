"""Answers clients that fetch the revocation list which our certificates name: nothing is revoked.

Certificates name one only where the server's own did. Until a client has been shown such a certificate, no request is
looked at.
"""

from midstream.addon import Client, HTTPFlow, Response, TlsData, ctx, observe


class Revocations:
    """Waits for the first certificate that names our list, then puts a `RevocationServer` beside itself."""

    name = "crl"

    def __init__(self) -> None:
        self._server: RevocationServer | None = None

    @observe
    def tls_established_client(self, data: TlsData) -> None:
        shown = data.conn.mitmcert if isinstance(data.conn, Client) else None
        if self._server is None and shown is not None and ctx.master.authority.crl_path.encode() in shown.der:
            self._server = RevocationServer()
            ctx.master.addons.add_inside(self, self._server)


class RevocationServer:
    """Answers for the path of our list on every host: certificates name it beside the list of the real server."""

    name = "crl-server"

    @observe  # it answers no host as a whole, so an unreachable one stays a reason to refuse CONNECT
    def requestheaders(self, flow: HTTPFlow) -> None:
        if flow.response is not None:
            return
        revoked = ctx.master.certificates.crl_for(flow.request.path)
        if revoked is not None:
            flow.response = Response.make(200, revoked, {"Content-Type": "application/pkix-crl"})
