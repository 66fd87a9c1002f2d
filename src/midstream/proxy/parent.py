"""The way through a parent proxy: CONNECT for HTTP parents, RFC 1928 for SOCKS5 ones."""

from midstream.flow import Client, Headers, HTTPFlow, Request, Server
from midstream.hooks.table import dispatch
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.policy import authority_name
from midstream.proxy.session import Session
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Data, End, Fields, RequestHead, ResponseHead
from midstream.wire.h1.engine import ServerFacing
from midstream.wire.socks import SocksClient

REFUSAL_BYTES = 65_536
"""How much of the parent's page about a refusal is kept for the client."""


class ParentRefused(PeerError):  # noqa: N818 - what it did, not an error of ours
    """The parent answered CONNECT with something other than 2xx; the client is given that answer (MD-12)."""

    def __init__(self, head: ResponseHead, body: bytes, *, may_ask_again: bool) -> None:
        reason = head.reason.decode("latin-1")
        super().__init__(f"the parent proxy refused CONNECT: {head.status} {reason}".rstrip(), status=head.status)
        self.head = head
        self.body = body
        self.may_ask_again = may_ask_again
        """The connection to the parent stays open: with NTLM the next CONNECT has to come over the same one."""


async def open_tunnel(
    session: Session, server: Server, peer: Peer, reader: ByteReader, client: Client, credentials: Fields
) -> None:
    """Have the parent at the other end of `peer` connect on to `server`.

    `credentials` are the fields in which the client says to the parent who it is.

    Raises:
        PeerError: It refused, or did not make sense.

    """
    assert server.via is not None
    if server.via[0] == "socks5":
        await _through_socks(session, server, peer, reader)
    else:
        await _through_http(session, peer, reader, _connect_flow(session, server, client, credentials))


async def _through_http(session: Session, peer: Peer, reader: ByteReader, flow: HTTPFlow) -> None:
    await dispatch(session.hooks.http_connect_upstream, flow)
    engine = ServerFacing(session.settings.limits, session.settings.profile)
    request = flow.request
    head = RequestHead(b"CONNECT", request.data.authority, b"HTTP/1.1", list(request.headers.fields))
    peer.write(engine.send(head) + engine.send(END))
    response: ResponseHead | None = None
    body = b""
    is_over = False
    while True:
        data = await reader.read()
        for event in engine.receive(data) if data else engine.eof():
            if isinstance(event, PeerError):
                raise PeerError(f"the parent proxy's answer cannot be read: {event}", status=502)
            if type(event) is ResponseHead and not event.is_interim:
                response = event
            elif type(event) is Data and len(body) < REFUSAL_BYTES:
                body += event.data
            elif type(event) is End:
                is_over = True
        if response is not None and 200 <= response.status < 300:
            reader.unread(engine.release())
            return
        if response is not None and (is_over or not data or len(body) >= REFUSAL_BYTES):
            wants_login = response.status == 407 and is_over and engine.is_reusable
            raise ParentRefused(response, body, may_ask_again=wants_login)
        if not data:
            raise PeerError("the parent proxy closed the connection instead of answering CONNECT", status=502)


def _connect_flow(session: Session, server: Server, client: Client, credentials: Fields) -> HTTPFlow:
    assert server.address is not None
    host, port = server.address[:2]
    authority = authority_name(host, port).encode()
    fields: Fields = [(b"Host", authority)] if session.options.http_connect_send_host_header else []
    fields += credentials
    flow = HTTPFlow(client, server, live=True)
    flow.request = Request(
        host, port, b"CONNECT", b"", authority, b"", b"HTTP/1.1", Headers.wrap(fields), b"", None, session.time(), None
    )
    return flow


async def _through_socks(session: Session, server: Server, peer: Peer, reader: ByteReader) -> None:
    assert server.address is not None
    host, port = server.address[:2]
    username, _, password = (session.options.upstream_auth or "").partition(":")
    engine = SocksClient(host, port, username or None, password or None)
    peer.write(engine.start())
    while not engine.is_done:
        data = await reader.read()
        if not data:
            raise PeerError("the parent proxy closed the connection instead of answering", "RFC 1928 §6", status=502)
        try:
            peer.write(engine.receive(data))
        except PeerError as error:
            error.status = 502
            raise
    reader.unread(engine.release())
