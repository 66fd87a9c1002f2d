"""Which way the request of a replay goes: straight or through a parent proxy, in which version of HTTP, under which server name.

What the flow says now decides where to; what was recorded, and the modes there are, how to get there.
"""

import uuid
from collections.abc import Coroutine
from typing import Final, TypeVar

from midstream.flow import Client, ConnectionState, HTTPFlow, Request
from midstream.options.modes import ModeSpec
from midstream.pki.names import ip_address
from midstream.proxy.pool import Pool
from midstream.proxy.serverside import Inside, ServerSide, server_name
from midstream.proxy.session import Session
from midstream.proxy.stepper import Waitable
from midstream.proxy.target import Way

T = TypeVar("T")
REGULAR: Final = ModeSpec.parse("regular")


def server_side(session: Session, pool: Pool, flow: HTTPFlow, inside: Inside) -> ServerSide:
    """Return the way to the server as the mode and the recording tell it: version, server name, parent proxy."""
    request, recorded = flow.request, flow.server_conn
    side = ServerSide(
        session, pool, client_like(flow.client_conn, session.time()), mode_for(session, flow), _stay, inside
    )
    is_tls = request.scheme == "https"
    is_tunnelled = is_tls or (
        flow.websocket is not None and not request.authority
    )  # WebSocket as browsers do: by CONNECT
    is_for_parent = side.via is not None and side.via[0] != "socks5" and not is_tunnelled
    side.way = Way(
        is_explicit=is_for_parent,
        scheme="https" if is_tls else "http",
        destination=None if is_for_parent else (request.host, request.port),
    )
    side.is_tls = is_tls
    side.is_http2 = (request.is_http2 or request.is_http3) if is_tls else recorded.http2 is not None
    is_same_server = recorded.address is not None and recorded.address[:2] == (request.host, request.port)
    side.sni = (recorded.sni if is_same_server else None) or _name_in(request)
    return side


def client_like(recorded: Client, now: float) -> Client:
    """Return the facts of the client that has sent the request, as those of another connection."""
    client = recorded.copy()
    client.id = str(uuid.uuid4())
    client.state = ConnectionState.OPEN
    client.timestamp_start, client.timestamp_end, client.error = now, None, None
    return client


def mode_for(session: Session, flow: HTTPFlow) -> ModeSpec:
    """Return the mode that the flow came by, if there still is one; else the first, if that has a parent proxy."""
    texts, own = session.options.mode, flow.client_conn.proxy_mode.full_spec
    text = own if own in texts else next(iter(texts), "regular")
    mode = ModeSpec.parse(text)
    if mode.name == "upstream":
        return mode
    is_to_target = mode.name == "reverse" and text == own and mode.address == (flow.request.host, flow.request.port)
    return mode if is_to_target else REGULAR


def _name_in(request: Request) -> str | None:
    """Return the server's name where the request goes to an address."""
    if ip_address(request.host) is None:
        return server_name(request.host)
    return server_name(request.pretty_host)


async def _stay(waiting: Coroutine[Waitable, None, T], /) -> T:
    return await waiting
