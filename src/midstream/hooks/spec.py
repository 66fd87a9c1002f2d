"""Every hook as data: its name, its arguments, one line on when it fires.

The dispatch table, the checks on addons and the documentation are all made from `HOOKS`. A hook that the proxy does not
fire yet is not declared; `NEVER_FIRED` tells authors who listen for one what to do instead.
"""

import msgspec


class Argument(msgspec.Struct, frozen=True):
    """One positional argument of a hook."""

    name: str
    type: str
    """The type as an author writes it: `HTTPFlow`, `set[str]`."""


class Hook(msgspec.Struct, frozen=True):
    """One event that addons can listen to."""

    name: str
    arguments: tuple[Argument, ...]
    doc: str
    group: str
    """The heading under which the documentation lists it."""

    @property
    def concerns_flow(self) -> bool:
        """True if the argument is a flow, so that `update` follows."""
        return bool(self.arguments) and self.arguments[0].name == "flow"

    @property
    def signature(self) -> str:
        """`request(flow: HTTPFlow)`."""
        return f"{self.name}({', '.join(f'{arg.name}: {arg.type}' for arg in self.arguments)})"


LOADER = (Argument("loader", "Loader"),)
UPDATED = (Argument("updated", "set[str]"),)
FLOWS = (Argument("flows", "list[Flow]"),)
NEXT_LAYER = (Argument("nextlayer", "NextLayer"),)
CLIENT = (Argument("client", "Client"),)
SERVER = (Argument("data", "ServerConnectionHookData"),)
HELLO = (Argument("data", "ClientHelloData"),)
TLS = (Argument("data", "TlsData"),)
SOCKS = (Argument("data", "Socks5AuthData"),)
HTTP = (Argument("flow", "HTTPFlow"),)
TCP = (Argument("flow", "TCPFlow"),)
UDP = (Argument("flow", "UDPFlow"),)
DNS = (Argument("flow", "DNSFlow"),)


def _group(title: str, *rows: tuple[str, tuple[Argument, ...], str]) -> tuple[Hook, ...]:
    return tuple(Hook(name, arguments, doc, title) for name, arguments, doc in rows)


HOOKS: tuple[Hook, ...] = (
    *_group(
        "Life of an addon",
        ("load", LOADER, "The addon was added; declare options and commands."),
        ("configure", UPDATED, "Options changed (first call: all of them); raise `OptionsError` to refuse."),
        ("running", (), "The proxy accepts connections; fires once."),
        ("update", FLOWS, "Another hook or a command has just handled these flows."),
        ("done", (), "The addon was removed or the proxy stops."),
    ),
    *_group(
        "Connections",
        ("client_connected", CLIENT, "A client connected; set `client.error` to refuse it."),
        ("client_disconnected", CLIENT, "The connection of a client is closed."),
        (
            "server_connect",
            SERVER,
            "About to connect; `data.server.address` may be changed, `data.server.error` refuses.",
        ),
        ("server_connected", SERVER, "The connection to a server is up."),
        (
            "server_connect_error",
            SERVER,
            "The connection to a server failed or was refused; never after `server_connected`.",
        ),
        ("server_disconnected", SERVER, "The connection to a server is closed."),
        (
            "next_layer",
            NEXT_LAYER,
            "The first bytes in clear text are there; assign `nextlayer.layer` to read them as something else.",
        ),
        ("socks5_auth", SOCKS, "A SOCKS5 client sent a name and a password; set `data.valid`."),
    ),
    *_group(
        "TLS",
        ("tls_clienthello", HELLO, "A ClientHello came; set `ignore_connection` or `establish_server_tls_first`."),
        ("tls_start_client", TLS, "TLS with the client is about to start; `data.ssl_conn` may be supplied."),
        ("tls_start_server", TLS, "TLS with the server is about to start; `data.ssl_conn` may be supplied."),
        ("tls_established_client", TLS, "The handshake with the client is done."),
        ("tls_established_server", TLS, "The handshake with the server is done."),
        ("tls_failed_client", TLS, "The handshake with the client failed; `data.conn.error` says why."),
        ("tls_failed_server", TLS, "The handshake with the server failed; `data.conn.error` says why."),
    ),
    *_group(
        "HTTP",
        ("http_connect", HTTP, "A CONNECT request came; a response other than 2xx refuses the tunnel."),
        ("http_connected", HTTP, "A CONNECT request was accepted."),
        ("http_connect_error", HTTP, "A CONNECT request failed."),
        ("http_connect_upstream", HTTP, "A CONNECT request is about to go to the parent proxy."),
        ("requestheaders", HTTP, "The head of a request is there, its body is not."),
        ("request", HTTP, "The request is complete; setting `flow.response` answers it here."),
        ("informational", HTTP, "A 1xx response is about to be relayed: the last of `flow.informational`."),
        ("responseheaders", HTTP, "The head of the response is there, its body is not."),
        ("grpc_message", HTTP, "A gRPC message is about to go on, either way: the last of `flow.grpc_messages`."),
        ("sse_event", HTTP, "A server-sent event is about to go on: the last of `flow.sse_events`."),
        ("response", HTTP, "The response is complete."),
        ("error", HTTP, "The flow failed: `flow.error`. Either this or `response` fires."),
    ),
    *_group(
        "WebSocket",
        ("websocket_start", HTTP, "A WebSocket connection is open; `flow.websocket` will have its messages."),
        (
            "websocket_message",
            HTTP,
            "A message is about to go on: the last of `flow.websocket.messages`; it may be changed or dropped.",
        ),
        ("websocket_ping", HTTP, "A ping came: the last of `flow.websocket.controls`. It has been answered."),
        ("websocket_pong", HTTP, "A pong came: the last of `flow.websocket.controls`."),
        ("websocket_close", HTTP, "A close frame came: `flow.websocket.close_code` and `close_reason`."),
        ("websocket_end", HTTP, "The connection is closed: `flow.websocket.close_code`."),
    ),
    *_group(
        "TCP",
        ("tcp_start", TCP, "A connection is relayed as plain bytes."),
        (
            "tcp_message",
            TCP,
            "Bytes came: the last of `flow.messages`; its content may be changed, or the message dropped.",
        ),
        ("tcp_end", TCP, "Both sides have closed."),
        ("tcp_error", TCP, "The connection broke: `flow.error`. Either this or `tcp_end` fires."),
    ),
    *_group(
        "UDP",
        ("udp_start", UDP, "A client's first datagram came."),
        ("udp_message", UDP, "A datagram came: the last of `flow.messages`; empty its content to drop it."),
        ("udp_end", UDP, "Nothing has come for a while, or one side has said goodbye in DTLS."),
        (
            "udp_error",
            UDP,
            "The server cannot be reached, or DTLS failed: `flow.error`. Either this or `udp_end` fires.",
        ),
    ),
    *_group(
        "DNS",
        ("dns_request", DNS, "A query came; setting `flow.response` answers it here."),
        ("dns_response", DNS, "The response is there."),
        ("dns_error", DNS, "The query failed: `flow.error`. Either this or `dns_response` fires."),
    ),
)

BY_NAME: dict[str, Hook] = {hook.name: hook for hook in HOOKS}

SYNC_ONLY = frozenset({"load", "configure"})
"""Others depend on these being over when the call returns."""

_LATER = "midstream does not fire this hook yet"
NEVER_FIRED: dict[str, str] = {
    "clientconnect": "it is called client_connected",
    "clientdisconnect": "it is called client_disconnected",
    "serverconnect": "they are called server_connect and server_connected",
    "serverdisconnect": "it is called server_disconnected",
    "add_log": "add a handler to Python's logging instead",
    **dict.fromkeys(
        (*("quic_start_client", "quic_start_server"),),
        _LATER,
    ),
}
"""Names that look like hooks to authors, with the advice that they get."""
