"""What hooks of connections, TLS and protocol choice are given."""

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from midstream.flow import Client, Connection, Server
    from midstream.wire.tls.hello import ClientHello

Layer: TypeAlias = Literal["http", "tcp", "ignore"]
"""How the bytes of a connection are read: as HTTP, as plain bytes in a `TCPFlow`, or not at all: relayed without a flow."""


class Context(msgspec.Struct, eq=False):
    """The two connections that an event is about."""

    client: "Client"
    server: "Server"
    options: Any = None


class ServerConnectionHookData(msgspec.Struct, eq=False):
    """The argument of the `server_*` hooks."""

    server: "Server"
    client: "Client"


class ClientHelloData(msgspec.Struct, eq=False):
    """The argument of `tls_clienthello`."""

    context: Context
    client_hello: "ClientHello"
    ignore_connection: bool = False
    """Set to relay this connection without opening its TLS."""
    establish_server_tls_first: bool = False
    """Set to shake hands with the server before answering the client."""


class TlsData(msgspec.Struct, eq=False):
    """The argument of the other `tls_*` hooks."""

    conn: "Connection"
    """The side whose handshake this is about: `context.client` or `context.server`."""
    context: Context
    ssl_conn: Any = None
    """Set in a `tls_start_*` hook to use your own `OpenSSL.SSL.Connection` (without a socket)."""
    is_dtls: bool = False


class Socks5AuthData(msgspec.Struct, eq=False):
    """The argument of `socks5_auth`."""

    client_conn: "Client"
    username: str
    password: str
    valid: bool = False
    """Set to let the client in."""


class NextLayer(msgspec.Struct, eq=False):
    """The argument of `next_layer`: a connection whose destination is known, in clear text or with its TLS opened."""

    context: Context
    layer: Layer
    """How the proxy is about to read the connection; assign to change it."""
    client_bytes: bytes = b""

    def data_client(self) -> bytes:
        """Return what the client has sent and nobody has read yet."""
        return self.client_bytes

    def data_server(self) -> bytes:
        """Return nothing: scripts written for other proxies call it, but what a server says first stays unread here."""
        return b""
