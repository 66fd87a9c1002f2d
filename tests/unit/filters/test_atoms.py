import datetime as dt

import pytest

from midstream.filters import HELP, parse
from midstream.filters.atoms import ATOMS
from midstream.flow import (
    Body,
    Client,
    DNSFlow,
    DNSMessage,
    Error,
    Question,
    ResourceRecord,
    Server,
    TCPFlow,
    TCPMessage,
    UDPFlow,
    WebSocketData,
    WebSocketMessage,
)


@pytest.fixture
def dns():
    flow = DNSFlow(Client(), Server())
    flow.request = DNSMessage(id=1, questions=[Question("dns.example", 1)], timestamp=5.0)
    return flow


@pytest.fixture
def tcp():
    flow = TCPFlow(Client(peername=("::1", 9)), Server(address=("db", 5432)))
    flow.messages = [TCPMessage(True, b"select"), TCPMessage(False, b"rows and rows")]
    return flow


@pytest.mark.parametrize(
    "text",
    [
        "~all", "~http", "~s", "~a", "~b needle", "~b answer", "~bq needle", "~bs answer", "~b NEEDLE",
        "~h x-req:.one", "~hq '^X-Req: one two$'", "~hs x-res", "~hn ^x-re[qs]$", "~hnq x-req", "~hns set-cookie",
        "~hv ^three$", "~hvq two", "~hvs a=b", "~t css", "~t json", "~tq json", "~ts css", "~m ^post$", "~m P",
        "~d example", "~d 198.51", "~u api/v1", "~u ^https://example.com/api", "example.com", "~src 192.0.2.1:50123",
        "~dst 198.51.100.7:443", "~c 404", "~c 4xx", "~c 4XX", "~c 400-499", "~c 400..499", "~c >=400", "~c <500",
        "~c 200,404", "~sni ^example", "~ver 1.1", "~ver 2", "~ver HTTP/2", "~ver h2", "~ver 1", "~dur >1s",
        "~dur 1400ms-1.6s", "~dur >1000ms", "~sizeq 21", "~sizes 22", "~size 43", "~size <1k", "~size 0-1mb",
        "~time 2023", "~time 2023-11-14..2023-11-15", "~time >=2023-11-14T22:13:20Z", "~time 2023-11-14T22:13Z",
    ],
)  # fmt: skip
def test_atoms_that_match(flow, text):
    if text == "~time 2023":
        with pytest.raises(ValueError, match="expected a time"):
            parse(text)
        return
    assert parse(text)(flow) is True


@pytest.mark.parametrize(
    "text",
    [
        "~tcp", "~udp", "~dns", "~websocket", "~q", "~e", "~marked", "~marker x", "~comment x", "~meta x", "~replay",
        "~replayq", "~replays", "~bq answer", "~bs needle", "~hq x-res", "~hs x-req", "~hn ^x$", "~hnq set-cookie",
        "~hns x-req", "~hv ^x-req$", "~hvq three", "~hvs two", "~tq css", "~ts json", "~m get", "~d other", "~u other",
        "~src ^198", "~dst ^192", "~c 200", "~c 5xx", "~c >404", "~c <404", "~c 200-403", "~sni other", "~ver 3",
        "~ver 1.0", "~dur <1s", "~size >43", "~sizeq >1k", "~time <2023-11-14", "~time >2023-11-16",
        "~time 2023-11-14T22:13:21Z", "~time ..2023-01-01",
    ],
)  # fmt: skip
def test_atoms_that_do_not_match(flow, text):
    assert parse(text)(flow) is False


def test_unanswered_flows(pending):
    assert parse("~q")(pending)
    for text in ("~s", "~a", "~c 404", "~bs x", "~hs x", "~ts x", "~dur >0", "~sizes >=0"):
        assert not parse(text)(pending), text


def test_notes(flow):
    flow.marked = ":bug:"
    flow.comment = "first\nsecond line"
    flow.metadata = {"a": 1, "b": "two"}
    flow.error = Error("broken")
    for text in ("~marked", "~marker bug", "~comment ^second", "~meta '^b: two'", "~e"):
        assert parse(text)(flow), text


@pytest.mark.parametrize(("side", "matching"), [("request", "~replayq"), ("response", "~replays")])
def test_replays(flow, side, matching):
    flow.is_replay = side
    assert parse("~replay")(flow)
    assert {text for text in ("~replayq", "~replays") if parse(text)(flow)} == {matching}


def test_websocket_messages_count_for_their_side(flow):
    flow.websocket = WebSocketData()
    flow.websocket.messages = [WebSocketMessage(1, True, b"ping up"), WebSocketMessage(2, False, b"pong")]
    for text in ("~websocket", "~b ping", "~bq up", "~bs pong", "~sizeq 28", "~sizes 26"):
        assert parse(text)(flow), text
    assert not parse("~bq pong")(flow)


def test_tcp_flows(tcp):
    for text in (
        "~tcp",
        "~b select",
        "~bq select",
        "~bs rows",
        "~sizeq 6",
        "~size 19",
        "~src '^.::1.:9$'",
        "~dst db",
    ):
        assert parse(text)(tcp), text
    for text in ("~http", "~q", "~s", "~u select", "~d db", "~m x", "~h x", "~c 200", "~ver 1", "~dur >0", "~a", "x"):
        assert not parse(text)(tcp), text
    tcp.client_conn.timestamp_end = tcp.timestamp_created + 9
    assert parse("~dur >8s")(tcp)


def test_flows_without_addresses_or_messages():
    udp = UDPFlow(Client(), Server())
    assert parse("~udp")(udp)
    for text in ("~src .", "~dst .", "~sni .", "~size >=0"):
        assert not parse(text)(udp), text


def test_dns_flows(dns):
    for text in ("~dns", "~q", "~u dns.example"):
        assert parse(text)(dns), text
    assert not parse("~s")(dns)
    assert parse("~size 29 & ~b 'dns.example IN A' & ~bq dns")(dns)
    assert not parse("~bs .")(dns)
    assert not parse("~dur >=0s")(dns)
    dns.response = dns.request.succeed([ResourceRecord.A("dns.example", "192.0.2.1")])
    dns.response.timestamp = 6.0
    for text in ("~s", "~bs '60 IN A 192.0.2.1'", "~sizes >29", "~dur 900ms-1.1s"):
        assert parse(text)(dns), text
    dns.transfer = [dns.response, dns.request.succeed([ResourceRecord.A("dns.example", "192.0.2.77")])]
    assert parse("~bs 192.0.2.77")(dns)
    dns.request.questions = []
    assert not parse("~u .")(dns)


def test_size_counts_bodies_that_were_not_kept(flow):
    flow.response.body = Body(limit=10)
    flow.response.body.append(b"x" * 5000)
    assert parse("~sizes 5000")(flow)
    assert not parse("~bs x")(flow)


def test_size_believes_content_length_while_the_body_is_missing(flow):
    flow.response.body = None
    assert not parse("~sizes >=0")(flow)
    flow.response.headers["content-length"] = "10485760"
    assert parse("~sizes >=10m")(flow)
    flow.response.headers["content-length"] = "+5"
    assert not parse("~sizes >=0")(flow)


def test_bodies_are_decoded_and_raw_where_they_cannot_be(flow):
    flow.response.headers["content-encoding"] = "gzip"
    flow.response.content = b"hidden"
    assert parse("~bs hidden")(flow)
    flow.response.raw_content = b"plain after all"
    assert parse("~bs 'plain after'")(flow)


def test_times_without_a_zone_are_local(flow):
    local = dt.datetime.fromtimestamp(flow.timestamp_start, dt.UTC).astimezone()
    assert parse(f"~time {local:%Y-%m-%dT%H:%M:%S}")(flow)
    assert parse(f"~time '{local:%Y-%m-%d %H:%M}'")(flow)
    assert parse(f"~time {local:%Y-%m-%d}")(flow)
    assert not parse(f"~time >{local:%Y-%m-%d}")(flow)
    assert parse(f"~time <={local:%Y-%m-%d}")(flow)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("~c abc", "expected a status"), ("~c 12345", "expected a status"), ("~size 10x", "expected a size"),
        ("~dur 5", "expected a comparison"), ("~dur >5y", "expected a duration"), ("~time noon", "expected a time"),
        ("~time 2023-13-01", "month"), ("~ver abc", "expected an HTTP version"), ("~c -", "expected a number"),
        ("~time >9999-12-31", "out of range"),
    ],
)  # fmt: skip
def test_bad_arguments_say_what_was_expected(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_only_body_atoms_need_bodies():
    assert {name for name, atom in ATOMS.items() if atom.build(_sample(atom), 0).needs_body} == {"b", "bq", "bs"}


def _sample(atom):
    return {"status": "200", "size": "1k", "duration": ">1s", "time": "2026-01-01", "version": "2"}.get(atom.takes, "x")


def test_help_lists_every_atom():
    assert len(HELP) == len(ATOMS)
    assert ("~c status", "status of the response") in HELP
    assert ("~q", "a request without response") in HELP
