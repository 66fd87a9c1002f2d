import gzip

import pytest

from midstream.addons.flowtext import FlowText, connection_facts, human_size, times
from midstream.flow import (
    Annotation,
    Body,
    Client,
    Error,
    GrpcMessage,
    Headers,
    Http2Facts,
    Http2Frame,
    Response,
    Server,
    ServerSentEvent,
    TCPFlow,
    TCPMessage,
    WebSocketData,
    WebSocketMessage,
)

LINE = "127.0.0.1:50000 GET http://example.com/path?x=1 << 200 OK 5b\n"


@pytest.fixture
def shown(make_flow):
    """A function that returns a flow as text: `change` is called with the flow before."""

    def show(detail: int = 1, change=None, *, shows_host: bool = False, is_coloured: bool = False, **facts) -> str:
        flow = make_flow(**facts)
        if change is not None:
            change(flow)
        return FlowText(detail=detail, shows_host=shows_host, is_coloured=is_coloured).http(flow)

    return show


def test_detail_1_is_one_line(shown):
    assert shown() == LINE


def test_versions_are_shown_where_they_are_not_the_usual_one(shown):
    def change(flow):
        flow.request.http_version = "HTTP/2.0"
        flow.response.http_version = "HTTP/1.0"

    assert shown(change=change) == ("127.0.0.1:50000 GET http://example.com/path?x=1 HTTP/2.0 << HTTP/1.0 200 OK 5b\n")


def test_the_name_that_the_client_used_is_shown_on_request(shown):
    facts = {"url": "http://192.0.2.1/", "headers": [(b"Host", b"example.com")]}
    assert " http://192.0.2.1/ " in shown(**facts)
    assert " http://example.com/ " in shown(shows_host=True, **facts)


def test_markers_stand_in_front(shown):
    def change(flow):
        flow.is_replay = "request"
        flow.marked = ":star:"

    assert shown(change=change) == f"[:star:] [replay] {LINE}"


def test_failures(shown):
    def change(flow):
        flow.response = None
        flow.error = Error("no\nroute")

    assert shown(change=change) == "127.0.0.1:50000 GET http://example.com/path?x=1 << no\\x0aroute\n"


def test_requests_that_could_not_be_read(shown, make_flow):
    def change(flow):
        data = flow.request.data
        data.method = data.path = data.scheme = b""
        data.host, data.port = "", 0
        flow.response, flow.error = None, Error("what?")

    assert shown(change=change) == "127.0.0.1:50000 (unreadable request) << what?\n"


def test_connect(shown):
    def change(flow):
        flow.request.data.authority = b"example.com:443"
        flow.request.data.port = 443
        flow.request.method = "CONNECT"
        flow.response = None
        flow.error = Error("cannot connect")

    assert shown(change=change) == "127.0.0.1:50000 CONNECT example.com:443 << cannot connect\n"


def test_long_urls_are_cut_where_there_is_one_line(shown):
    url = "http://example.com/" + "x" * 1000
    assert "x" * 300 not in shown(url=url)
    assert "… << 200" in shown(url=url)
    assert url in shown(2, url=url)


@pytest.mark.parametrize("detail", [1, 2, 3, 4])
def test_ui_15_nothing_of_a_peer_reaches_the_terminal_unescaped(detail, make_flow):
    evil = "\x1b]0;x\x07\x9b\u202e"
    flow = make_flow(content=evil.encode() + b" in the middle of a longer text, which is no binary at all then")
    flow.request.path = "/" + evil
    flow.request.data.method = b"G\x1bT"
    flow.request.http_version = evil
    flow.request.headers = Headers([(evil.encode(), evil.encode())])
    flow.response.http_version = evil
    flow.response.data.reason = b"\x1b\x9b"
    flow.response.trailers = Headers([(evil.encode(), evil.encode())])
    flow.informational = [Response(b"\x1b", 103, b"\x1b", Headers([(b"\x1b", b"\x1b")]), b"")]
    flow.annotations = [Annotation(evil, evil)]
    flow.held_back = flow.comment = flow.marked = evil
    flow.error = Error(evil)
    flow.server_conn.sni = flow.server_conn.tls_version = flow.server_conn.cipher = evil
    flow.server_conn.alpn = b"\x1b"
    flow.server_conn.address = (evil, 1)
    text = FlowText(detail=detail, shows_host=True).http(flow)
    assert not set(text) & set("\x1b\x07\x9b\u202e")


def test_wide_characters_stay(shown):
    assert "http://example.com/日本" in shown(change=lambda flow: setattr(flow.request, "path", "/日本"))


def test_detail_2_has_the_fields(shown):
    assert shown(2, headers=[(b"A", b"1"), (b"a", b"2")]) == (
        f"{LINE}    A: 1\n    a: 2\n  << 200 OK\n    Content-Type: text/plain\n\n"
    )


def test_detail_3_has_the_bodies(shown):
    assert shown(3, headers=[]) == f"{LINE}  << 200 OK\n    Content-Type: text/plain\n\n    hello\n\n"


def test_bodies_are_shown_decoded(shown):
    fields = [(b"Content-Encoding", b"gzip"), (b"Content-Type", b"text/plain; charset=utf-8")]
    assert "\n    grüße\n" in shown(3, content=gzip.compress("grüße".encode()), response_headers=fields)


def test_charsets_are_respected(shown):
    fields = [(b"Content-Type", b"text/plain; charset=utf-16")]
    assert "\n    grüße\n" in shown(3, content="grüße".encode("utf-16"), response_headers=fields)


def test_a_charset_makes_no_text_of_an_image(shown):
    fields = [(b"Content-Type", b"image/png; charset=utf-8")]
    assert "\n    00000000  89 50 " in shown(3, content=b"\x89PNG\x00\xff\xfe\xfd", response_headers=fields)


def test_what_cannot_be_decoded_is_said(shown):
    content = gzip.compress(b"hello, world! " * 100)[:-12]
    text = shown(3, content=content, response_headers=[(b"Content-Encoding", b"gzip")])
    assert "\n    hello, world! hello" in text
    assert "\n    (" in text


def test_binary_is_a_hex_dump(shown):
    assert "\n    00000000  89 50 4e 47 00 01 02 03  ff " in shown(3, content=b"\x89PNG\x00\x01\x02\x03\xff")


def test_detail_3_cuts_and_detail_4_does_not(shown):
    for content in (b"line\n" * 500, b"x" * 50_000, b"\xff\x00" * 20_000):
        assert len(shown(3, content=content)) < 7000
        assert f"\n    (cut: the whole has {human_size(len(content))})\n" in shown(3, content=content)
        assert len(shown(4, content=content)) > len(content)
        assert "(cut:" not in shown(4, content=content)


def test_bodies_that_were_not_kept_have_a_size(shown):
    def change(flow):
        body = Body(10)
        body.append(b"x" * 2048)
        flow.response.body = body

    assert " << 200 OK 2.0k\n" in shown(1, change)
    assert "(a body of 2.0k, which was not kept)" in shown(3, change)


def test_bodies_that_never_came(shown):
    def change(flow):
        flow.response.timestamp_end = None

    assert shown(content=None) == LINE.replace("5b", "(no body)")
    assert shown(1, change, content=None) == LINE.replace("5b", "(incomplete)")
    assert shown(3, headers=[], content=None).endswith("text/plain\n\n")


def test_detail_4_has_everything(make_flow):
    flow = make_flow(headers=[])
    flow.informational = [Response(b"HTTP/1.1", 103, b"Early Hints", Headers([(b"Link", b"</a>")]), b"")]
    flow.response.trailers = Headers([(b"X-Sum", b"1")])
    flow.annotations = [Annotation("two lengths", "RFC 9112 §6.3"), Annotation("odd")]
    flow.held_back = "an addon wants the whole body"
    flow.comment = "look here"
    server = flow.server_conn
    server.peername = ("::1", 443, 0, 0)
    server.via = ("http", ("parent", 3128))
    server.tls_version, server.cipher, server.alpn, server.sni = "TLSv1.3", "AES", b"http/1.1", "example.com"
    assert FlowText(detail=4).http(flow) == (
        f"{LINE}"
        "  103 Early Hints\n    Link: </a>\n"
        "  << 200 OK\n    Content-Type: text/plain\n\n    hello\n  trailers:\n    X-Sum: 1\n"
        "  client: 127.0.0.1:50000\n"
        "  server: [::1]:443, via http://parent:3128, TLSv1.3, AES, ALPN http/1.1, SNI example.com\n"
        "  times: request complete 0.0 ms, response head 500.0 ms, response complete 1000.0 ms\n"
        "  held back: an addon wants the whole body\n"
        "  fault: two lengths (RFC 9112 §6.3)\n"
        "  fault: odd\n"
        "  comment: look here\n\n"
    )


def test_facts_that_are_not_known_are_left_out(make_flow):
    assert connection_facts(Server()) == ""
    server = Server()
    server.tls_version = "TLSv1.2"
    assert connection_facts(server) == "TLSv1.2"
    flow = make_flow()
    flow.response = None
    assert times(flow) == "request complete 0.0 ms"


@pytest.mark.parametrize(("status", "colour"), [(103, "34"), (200, "32"), (302, "33"), (404, "31"), (500, "31")])
def test_colours_of_statuses(shown, status, colour):
    assert f"\x1b[{colour}m{status} OK\x1b[0m" in shown(is_coloured=True, status=status)


def test_colours_of_methods(shown):
    assert "\x1b[32mGET\x1b[0m" in shown(is_coloured=True)
    assert "\x1b[33mPATCH\x1b[0m" in shown(1, lambda flow: setattr(flow.request, "method", "PATCH"), is_coloured=True)


@pytest.fixture
def tcp():
    return TCPFlow(Client(peername=("127.0.0.1", 50000)), Server(address=("db.test", 5432)))


def test_tcp_flows(tcp):
    assert FlowText(detail=1).stream(tcp) == "127.0.0.1:50000 <-> tcp <-> db.test:5432 closed\n"
    tcp.error = Error("reset")
    assert FlowText(detail=1).stream(tcp) == "127.0.0.1:50000 <-> tcp <-> db.test:5432 << reset\n"
    assert "  client: 127.0.0.1:50000\n" in FlowText(detail=4).stream(tcp)


def test_tcp_flows_tell_from_detail_2_on_who_closed(tcp):
    tcp.closed_by, tcp.close_reason = "server", "RST"
    assert FlowText(detail=1).stream(tcp).endswith(" closed\n")
    assert FlowText(detail=2).stream(tcp).endswith(" closed (first closed by server: RST)\n")
    tcp.starttls, tcp.error = "SMTP", Error("reset")
    assert FlowText(detail=2).stream(tcp).endswith(" << reset (STARTTLS of SMTP) (first closed by server: RST)\n")
    tcp.starttls, tcp.closed_by = "TLS", ""
    assert FlowText(detail=2).stream(tcp).endswith(" << reset (TLS began on the way)\n")


def test_tcp_messages_tell_what_was_done_to_them(tcp):
    message = TCPMessage(True, b"x", injected=True)
    assert FlowText(detail=3).message(tcp, message).startswith("127.0.0.1:50000 -> tcp injected -> db.test:5432\n")
    message = TCPMessage(True, b"x", dropped=True)
    assert FlowText(detail=3).message(tcp, message).startswith("127.0.0.1:50000 -> tcp dropped -> db.test:5432\n")


def test_tcp_messages(tcp):
    assert FlowText(detail=3).message(tcp, TCPMessage(True, b"select 1;")) == (
        "127.0.0.1:50000 -> tcp -> db.test:5432\n\n    select 1;\n"
    )
    answer = FlowText(detail=3).message(tcp, TCPMessage(False, b"\x00\x01\xff"))
    assert answer.startswith("127.0.0.1:50000 <- tcp <- db.test:5432\n\n    00000000  00 01 ff ")


def test_addresses_that_are_not_known():
    flow = TCPFlow(Client(peername=None), Server())
    assert FlowText(detail=1).stream(flow) == "? <-> tcp <-> ? closed\n"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0b"),
        (999, "999b"),
        (1024, "1.0k"),
        (1234, "1.2k"),
        (102_400, "100k"),
        (1 << 20, "1.0m"),
        (5 << 30, "5.0g"),
        (9 << 50, "9216t"),
    ],
)
def test_sizes(size, expected):
    assert human_size(size) == expected


@pytest.fixture
def grpc_call(make_flow):
    flow = make_flow(url="http://example.com/pkg.Service/Method", headers=[(b"content-type", b"application/grpc")])
    flow.server_conn.address = ("example.com", 80)
    return flow


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ([(b"grpc-status", b"0")], " << 200 OK 5b grpc-status 0 OK\n"),
        (
            [(b"grpc-status", b"5"), (b"grpc-message", b"no%0asuch")],
            " << 200 OK 5b grpc-status 5 NOT_FOUND: no\\x0asuch\n",
        ),
        ([(b"grpc-status", b"77")], " << 200 OK 5b grpc-status 77\n"),
        ([], " << 200 OK 5b\n"),
    ],
)
def test_what_came_of_a_grpc_call(grpc_call, fields, shown):
    grpc_call.response.trailers = Headers(fields)
    assert FlowText(detail=1).http(grpc_call).endswith(shown)


def test_the_status_of_a_grpc_call_is_coloured(grpc_call):
    for status, colour in ((b"0", "\x1b[32mgrpc"), (b"13", "\x1b[31mgrpc")):
        grpc_call.response.trailers = Headers([(b"grpc-status", status)])
        assert colour in FlowText(detail=1, is_coloured=True).http(grpc_call)


def test_grpc_messages(grpc_call):
    show = FlowText(detail=3).grpc_message
    assert show(grpc_call, GrpcMessage(True, gzip.compress(b"hello"), True, "gzip")) == (
        "127.0.0.1:50000 -> grpc pkg.Service/Method -> example.com:80\n\n    hello\n"
    )
    broken = show(grpc_call, GrpcMessage(False, b"hello", True, "gzip"))
    assert broken.startswith("127.0.0.1:50000 <- grpc pkg.Service/Method <- example.com:80\n\n    hello\n    (the body")
    grpc_call.request.headers["content-type"] = "text/plain"
    assert show(grpc_call, GrpcMessage(True, b"")) == "127.0.0.1:50000 -> grpc  -> example.com:80\n"


def test_server_sent_events(grpc_call):
    show = FlowText(detail=3).sse_event
    assert show(grpc_call, ServerSentEvent("a\nb", "add", "7")) == (
        "127.0.0.1:50000 <- event add 7 <- example.com:80\n\n    a\n    b\n"
    )
    assert show(grpc_call, ServerSentEvent("", "a\x1b")).startswith("127.0.0.1:50000 <- event a\\x1b <- ")
    assert " <- event message <- " in show(grpc_call, ServerSentEvent("\udcff"))


def test_streams_of_http2_are_shown_with_the_facts(shown):
    def change(flow):
        flow.stream_id, flow.server_stream_id = 3, 7

    assert "  streams: client 3, server 7\n" in shown(4, change)
    assert "streams" not in shown(4)


def test_messages_of_websocket_connections(make_flow):
    flow = make_flow(url="http://example.com/chat")
    text = FlowText(detail=3)
    message = WebSocketMessage(1, True, b"h\xc3\xa9llo\x1b", injected=True)
    shown = text.websocket_message(flow, message)
    assert shown == "127.0.0.1:50000 -> websocket text injected -> example.com:80\n\n    hé" + "llo\\x1b\n"
    message = WebSocketMessage(2, False, b"\0\1", dropped=True)
    assert "<- websocket binary dropped <-" in text.websocket_message(flow, message)


@pytest.mark.parametrize(
    ("code", "reason", "by_client", "expected"),
    [
        (1000, None, True, "closed by the client 1000"),
        (4001, "gone\x1b", False, "closed by the server 4001 gone\\x1b"),
        (1006, None, None, "closed 1006"),
    ],
)
def test_the_end_of_a_websocket_connection(make_flow, code, reason, by_client, expected):
    flow = make_flow(url="http://example.com/chat")
    flow.websocket = data = WebSocketData()
    data.close_code, data.close_reason, data.closed_by_client = code, reason, by_client
    line = FlowText(detail=1).websocket(flow)
    assert line == f"127.0.0.1:50000 <-> websocket <-> http://example.com/chat {expected}\n"
    flow.error = Error("killed")
    assert FlowText(detail=1).websocket(flow).endswith("<< killed\n")


def test_the_frames_of_an_http2_connection():
    client = Client(peername=("127.0.0.1", 50000))
    text = FlowText(detail=4)
    assert text.http2("client", client) == ""
    client.http2 = facts = Http2Facts()
    assert text.http2("client", client) == ""
    facts.fingerprint = "4:1|00|0|m"
    facts.frames_dropped = 2
    facts.frames.append(Http2Frame(10.0, False, "HEADERS", 1, 20, ("END_STREAM",)))
    facts.frames.append(Http2Frame(10.5, True, "RST_STREAM", 1, 4, detail="CANCEL"))
    assert text.http2("client", client).splitlines() == [
        "127.0.0.1:50000 HTTP/2 with the client",
        "  fingerprint: 4:1|00|0|m",
        "  (2 earlier frames were not kept)",
        "        0.0 ms < HEADERS stream 1, 20 bytes END_STREAM",
        "      500.0 ms > RST_STREAM stream 1, 4 bytes CANCEL",
        "",
    ]
