"""Every built-in option. The first line of each group's docstring is its heading in help and documentation.

Names are those that users of such proxies know. Timeouts are seconds, 0 switches one off.
"""

from collections.abc import Sequence
from typing import Literal

from midstream.options.checks import check_address, check_credentials, check_networks, check_patterns
from midstream.options.kinds import FilePath, Size
from midstream.options.modes import check_modes
from midstream.options.nameserver import check_name_servers
from midstream.options.option import option
from midstream.options.store import OptionStore

TlsVersion = Literal["UNBOUNDED", "SSL3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"]

DEFAULT_CONFDIR = "~/.midstream"


class ListenOptions(OptionStore):
    """Listening and access."""

    mode: Sequence[str] = option(
        ("regular",),
        "What to be: regular, upstream:URL, reverse:URL, transparent, socks5 or dns, each with @[HOST:]PORT if wanted. May be given several times.",
        flags=("-m", "--mode"),
        metavar="MODE",
        check=check_modes,
    )
    listen_host: str = option(
        "127.0.0.1",
        'Address to listen on; "" for all interfaces. A mode with its own address overrides it.',
        flags=("--listen-host",),
        metavar="HOST",
    )
    listen_port: int | None = option(
        None,
        "Port to listen on; 0 for any free one. Each mode has its own default, 8080 for regular.",
        flags=("-p", "--listen-port"),
        metavar="PORT",
        lowest=0,
        highest=65535,
    )
    server: bool = option(True, "Start the listeners.", flags=("--server",), off_flags=("-n",))
    proxyauth: str | None = option(
        None,
        'Ask clients for a password: USER:PASSWORD, "any" (any password will do) or @PATH of an htpasswd file.',
        flags=("--proxyauth",),
        metavar="SPEC",
    )
    allow_open_proxy: bool = option(
        False,
        "Listen beyond this machine without asking for a password.",
        flags=("--allow-open-proxy",),
    )
    block_global: bool = option(True, "Refuse clients with public addresses.", flags=("--block-global",))
    block_private: bool = option(
        False, "Refuse clients of the local network; this machine stays allowed.", flags=("--block-private",)
    )
    proxy_protocol: Sequence[str] = option(
        (),
        "Networks of load balancers whose PROXY protocol line is believed. Empty: the line is not looked for.",
        metavar="NETWORK",
        check=check_networks,
    )
    max_connections_per_client: int = option(10_000, "Connections that one client address may have open.", lowest=1)


class RouteOptions(OptionStore):
    """Routing."""

    ignore_hosts: Sequence[str] = option(
        (),
        "Relay connections to matching HOST:PORT untouched, without reading them. A regular expression; may be given several times.",
        flags=("--ignore-hosts",),
        metavar="REGEX",
        check=check_patterns,
    )
    allow_hosts: Sequence[str] = option(
        (),
        "Read only connections to matching HOST:PORT and relay all others untouched. A regular expression; may be given several times.",
        flags=("--allow-hosts",),
        metavar="REGEX",
        check=check_patterns,
    )
    tcp_hosts: Sequence[str] = option(
        (),
        "Treat connections to matching HOST:PORT as plain TCP, inside TLS too. A regular expression; may be given several times.",
        flags=("--tcp-hosts", "--tcp"),
        metavar="REGEX",
        check=check_patterns,
    )
    show_ignored_hosts: bool = option(
        False, "Record relayed connections too, as TCP flows.", flags=("--show-ignored-hosts",)
    )
    meter_ignored_hosts: bool = option(
        False, "Count the bytes of connections that are relayed untouched, and log them at their end."
    )
    starttls: bool = option(
        True, "Open TLS that begins inside a raw TCP connection: STARTTLS, and what else looks like it."
    )
    rawtcp: bool = option(
        True,
        "Relay protocols that are not HTTP as TCP flows; off: close such connections at once.",
        flags=("--rawtcp",),
    )
    upstream_auth: str | None = option(
        None,
        "USER:PASSWORD for the parent proxy, or for the server in reverse mode.",
        flags=("--upstream-auth",),
        metavar="USER:PASSWORD",
        check=check_credentials,
    )
    connect_addr: str | None = option(
        None, "Local address to connect to servers from.", metavar="ADDRESS", check=check_address
    )
    http_connect_send_host_header: bool = option(True, "Send a Host field in CONNECT requests to a parent proxy.")
    keep_host_header: bool = option(
        False, "Reverse mode: send the Host field and TLS server name as the client gave them."
    )
    keep_alt_svc_header: bool = option(False, "Reverse mode: pass Alt-Svc fields unchanged.")
    onboarding: bool = option(True, "Serve the page that hands out the CA certificate.")
    onboarding_host: str = option("mid.st", "The host name of that page, seen through the proxy.", metavar="HOST")


class DnsOptions(OptionStore):
    """DNS."""

    dns_name_servers: Sequence[str] = option(
        (),
        "Mode dns: whom to ask, instead of the system's name servers: ADDRESS, or tcp://, tls:// or https:// before it. May be given several times.",
        metavar="SERVER",
        check=check_name_servers,
    )
    dns_use_hosts_file: bool = option(True, "Mode dns: answer from the system's hosts file what stands there.")
    dns_timeout: float = option(
        2.0, "A name server must answer; then the next is asked, or the same once more.", lowest=0.1, metavar="SECONDS"
    )
    strip_ech: bool = option(
        True, "Take keys for Encrypted ClientHello out of HTTPS records, so that server names stay readable."
    )
    strip_http3: bool = option(True, "Take HTTP/3 out of HTTPS records, so that clients take what is read here.")


class TlsOptions(OptionStore):
    """Certificates and TLS."""

    confdir: FilePath = option(
        DEFAULT_CONFDIR,
        "Folder of the CA certificate and of config.toml.",
        flags=("--confdir",),
        metavar="PATH",
    )
    ssl_insecure: bool = option(False, "Do not verify certificates of servers.", flags=("-k", "--ssl-insecure"))
    ssl_verify_upstream_trusted_ca: FilePath | None = option(
        None, "PEM file of the CAs that servers are verified with.", metavar="PATH"
    )
    ssl_verify_upstream_trusted_confdir: FilePath | None = option(
        None, "Folder of CAs, named by hash as c_rehash does, that servers are verified with.", metavar="PATH"
    )
    certs: Sequence[str] = option(
        (),
        "Own certificates for clients: [PATTERN=]PATH of a PEM file with key, certificate and chain; PATTERN is a host, *.domain or *.",
        flags=("--certs",),
        metavar="SPEC",
    )
    cert_passphrase: str | None = option(
        None,
        "Passphrase of private keys. Processes on this machine can see flags; prefer MIDSTREAM_CERT_PASSPHRASE.",
        flags=("--cert-passphrase",),
        metavar="PASS",
    )
    client_certs: FilePath | None = option(
        None, "PEM file with the certificate to show to servers, or a folder with one HOST.pem each.", metavar="PATH"
    )
    request_client_cert: bool = option(False, "Ask clients for a certificate; any is accepted and recorded.")
    upstream_cert: bool = option(True, "Look at the server's certificate to make a like one for the client.")
    add_upstream_certs_to_client_chain: bool = option(
        False, "Append the server's certificate chain to what clients get."
    )
    ciphers_client: str | None = option(
        None, "Ciphers for clients, in OpenSSL's notation; TLS 1.3 suites by name too.", metavar="CIPHERS"
    )
    ciphers_server: str | None = option(
        None, "Ciphers for servers, in OpenSSL's notation; TLS 1.3 suites by name too.", metavar="CIPHERS"
    )
    tls_version_client_min: TlsVersion = option("TLS1_2", "Lowest TLS version for clients.")
    tls_version_client_max: TlsVersion = option("UNBOUNDED", "Highest TLS version for clients.")
    tls_version_server_min: TlsVersion = option("TLS1_2", "Lowest TLS version for servers.")
    tls_version_server_max: TlsVersion = option("UNBOUNDED", "Highest TLS version for servers.")
    tls_ecdh_curve_client: str | None = option(None, "The only curve offered to clients.", metavar="CURVE")
    tls_ecdh_curve_server: str | None = option(None, "The only curve offered to servers.", metavar="CURVE")
    tls_keylog_file: FilePath | None = option(None, "Append TLS secrets to this file, for Wireshark.", metavar="PATH")
    ca_key_type: Literal["ec", "rsa"] = option("ec", "Key of a newly made CA.")
    leaf_key_type: Literal["ec", "rsa"] | None = option(
        None, "Key of the certificates made for clients; as ca_key_type unless given."
    )
    key_size: int = option(2048, "Bits of RSA keys.", lowest=2048, highest=16384)
    leaf_lifetime_days: int = option(197, "Days that certificates made for clients are valid.", lowest=1, highest=3650)


class MessageOptions(OptionStore):
    """Messages and bodies."""

    profile: Literal["strict", "lenient", "raw"] = option(
        "lenient",
        "How faults of peers are taken: refuse all, repair what is unambiguous, or pass on whatever can be framed.",
        flags=("--profile",),
    )
    validate_inbound_headers: bool = option(True, "Refuse heads that could smuggle requests past somebody.")
    stream_large_bodies: Size | None = option(
        10 << 20, "Never hold back bodies above this size, even where a script wants them whole.", metavar="SIZE"
    )
    store_streamed_bodies: bool = option(
        False, "Keep streamed bodies for the record.", flags=("--store-streamed-bodies",)
    )
    body_size_limit: Size | None = option(None, "Refuse messages with larger bodies: 413 or 502.", metavar="SIZE")
    body_memory: Size = option(1 << 20, "How much of one body is kept in memory.", metavar="SIZE")
    stream_messages_kept: int = option(
        1000, "How many gRPC messages or server-sent events of one flow are kept in memory.", lowest=1
    )


class LimitOptions(OptionStore):
    """Limits and timeouts."""

    max_head_bytes: Size = option(64 << 10, "Size of a message head.", metavar="SIZE")
    max_head_fields: int = option(256, "Number of fields in a message head.", lowest=1)
    max_chunk_line: Size = option(4 << 10, "Size of the line before a chunk.", metavar="SIZE")
    max_trailer_bytes: Size = option(16 << 10, "Size of trailers.", metavar="SIZE")
    max_pool_idle_per_host: int = option(128, "Idle connections kept per server.", lowest=0)
    tcp_timeout: float = option(
        600.0, "Close a tunnel, or a connection inside a body, on which nothing moves.", lowest=0, metavar="SECONDS"
    )
    udp_timeout: float = option(
        60.0, "Forget a client of UDP from whom, and for whom, nothing comes.", lowest=1, metavar="SECONDS"
    )
    max_udp_clients: int = option(
        4096, "Clients of UDP at a time; the one that was silent longest makes room for another.", lowest=1
    )
    udp_amplification: int = option(
        10,
        "How many times the bytes that a public address has sent over UDP may be sent to it: it may be forged. 0: no limit.",
        lowest=0,
    )
    client_idle_timeout: float = option(
        600.0, "Close a client connection without a request.", lowest=0, metavar="SECONDS"
    )
    server_idle_timeout: float = option(
        55.0, "Close a server connection without a request.", lowest=0, metavar="SECONDS"
    )
    header_timeout: float = option(
        60.0, "A message head must be whole after its first byte.", lowest=0, metavar="SECONDS"
    )
    connect_timeout: float = option(30.0, "A server must take the connection.", lowest=0, metavar="SECONDS")
    tls_handshake_timeout: float = option(30.0, "A TLS handshake must be done.", lowest=0, metavar="SECONDS")
    first_byte_timeout: float = option(600.0, "A server must begin its answer.", lowest=0, metavar="SECONDS")


class Http2Options(OptionStore):
    """HTTP/2."""

    http2: bool = option(True, "Speak HTTP/2 with clients and servers that can.", flags=("--http2",))
    server_http2: Literal["mirror", "always", "never"] = option(
        "mirror", "When to offer HTTP/2 to servers: if the client speaks it, whenever there is TLS, or not at all."
    )
    http2_priority: bool = option(False, "Pass on what clients say about priorities: frames and Priority fields.")
    http2_mirror_fingerprint: bool = option(
        False,
        "Introduce ourselves to servers like the client: its SETTINGS, windows, priorities, order of pseudo-header fields.",
    )
    http2_timeline: int = option(
        0, "Frames kept of each HTTP/2 connection, for scripts; flow_detail 4 keeps 1000.", lowest=0, metavar="FRAMES"
    )
    http2_ping_keepalive: float = option(
        58.0,
        "Ping a silent HTTP/2 connection with open streams; without an answer in as long, close it.",
        lowest=0,
        metavar="SECONDS",
    )
    http2_connections_per_host: int = option(
        8, "HTTP/2 connections to one server, where it does not take enough streams on fewer.", lowest=1
    )
    http2_max_streams: int = option(1000, "Streams that a client may have open on one connection.", lowest=1)
    http2_stream_window: Size = option(
        1 << 20, "Bytes of one body that a peer may send before they have gone on.", metavar="SIZE"
    )
    http2_window_growth: int = option(
        4, "To how many times that it grows for a stream while its data goes on as fast as it comes.", lowest=1
    )
    http2_connection_window: Size = option(
        16 << 20, "Bytes of all bodies of a connection that a peer may send before they have gone on.", metavar="SIZE"
    )
    http2_max_frame_size: int = option(16384, "Largest frame that peers may send.", lowest=16384, highest=16777215)
    http2_table_size: Size = option(4 << 10, "Size of the header compression tables.", metavar="SIZE")
    http2_max_continuations: int = option(16, "CONTINUATION frames of one message head.", lowest=0)
    http2_max_resets: int = option(
        100, "Streams per second that a client may break off, or make us break off.", lowest=1
    )
    http2_max_control_frames: int = option(
        200, "PING, SETTINGS, PRIORITY and unknown frames per second that a peer may send.", lowest=1
    )
    http2_max_empty_frames: int = option(100, "DATA frames per second without data.", lowest=1)
    http2_max_window_updates: int = option(
        1000, "WINDOW_UPDATE frames per second beyond two for each DATA frame that we sent.", lowest=1
    )


class WebSocketOptions(OptionStore):
    """WebSocket."""

    websocket: bool = option(
        True, "Read the messages of WebSocket connections; off: relay them as raw TCP.", flags=("--websocket",)
    )
    websocket_ping: Literal["answer", "relay"] = option(
        "answer", "Answer pings here and keep both connections alive, or pass pings and pongs on as they come."
    )
    websocket_max_message: Size | None = option(
        64 << 20, "Largest message that is held back where a script wants to see it first.", metavar="SIZE"
    )
    websocket_idle_timeout: float = option(
        0.0, "Close a WebSocket connection on which nothing moves.", lowest=0, metavar="SECONDS"
    )


class ReplayOptions(OptionStore):
    """Replay."""

    client_replay_concurrency: int = option(
        1, "How many flows are replayed at a time; 0 or -1 for all at once.", lowest=-1
    )
    client_replay_timeout: float = option(
        30.0,
        "A replay that is not over by then keeps no other waiting; it goes on beside them.",
        lowest=0,
        metavar="SECONDS",
    )
    websocket_replay_timing: Literal["answers", "recorded", "at_once"] = option(
        "answers",
        "When a message of a recorded session is sent: after as many answers as in the recording, with the pauses of the recording besides, or at once.",
    )


class ToolOptions(OptionStore):
    """Scripts and output."""

    scripts: Sequence[FilePath] = option(
        (), "Load an addon: a Python file. May be given several times.", flags=("-s", "--scripts"), metavar="PATH"
    )
    dumper_filter: str | None = option(None, "Print only flows that match this filter.", metavar="FILTER")
    flow_detail: int = option(
        1,
        "How much to print: 0 nothing, 1 one line per flow, 2 with fields, 3 with cut bodies, 4 everything.",
        flags=("--flow-detail",),
        metavar="LEVEL",
        lowest=0,
        highest=4,
    )
    showhost: bool = option(False, "Show URLs with the name of the Host field.", flags=("--showhost",))
    termlog_verbosity: Literal["error", "warn", "info", "alert", "debug"] = option(
        "info", "Least level of log lines shown."
    )
    event_loop: Literal["auto", "uvloop", "asyncio"] = option(
        "auto", "What drives the engine; auto takes uvloop where it is installed."
    )


class Options(
    ListenOptions,
    RouteOptions,
    DnsOptions,
    TlsOptions,
    MessageOptions,
    LimitOptions,
    Http2Options,
    WebSocketOptions,
    ReplayOptions,
    ToolOptions,
):
    """All built-in options with the values of one engine."""
