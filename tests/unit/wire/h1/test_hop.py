import pytest

from midstream.wire.h1.hop import end_to_end

HOST = (b"Host", b"a")


def test_nothing_to_strip_gives_a_new_list():
    fields = [HOST, (b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked"), (b"Trailer", b"X")]
    result = end_to_end(fields, keep_upgrade=False)
    assert result == fields
    assert result is not fields


@pytest.mark.parametrize(
    "field",
    [
        (b"Connection", b"keep-alive"),
        (b"Connection", b"close"),
        (b"connection", b""),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Proxy-Authorization", b"Basic YQ=="),
        (b"TE", b"gzip"),
        (b"TE", b"trailers"),
        (b"Upgrade", b"websocket"),
    ],
)
def test_h1_39_hop_by_hop_fields_go(field):
    assert end_to_end([HOST, field, (b"X", b"y")], keep_upgrade=True) == [HOST, (b"X", b"y")]


def test_h1_39_fields_that_connection_names_go():
    fields = [
        (b"X-One", b"1"),
        (b"Connection", b"x-one"),
        (b"connection", b"X-Two, close"),
        (b"X-Two", b"2"),
        (b"X-Three", b"3"),
    ]
    assert end_to_end(fields, keep_upgrade=False) == [(b"X-Three", b"3")]


def test_h1_39_connection_cannot_name_framing_or_routing_away():
    fields = [HOST, (b"Connection", b"content-length, transfer-encoding, host"), (b"Content-Length", b"5")]
    assert end_to_end(fields, keep_upgrade=False) == [HOST, (b"Content-Length", b"5")]


@pytest.mark.parametrize("value", [b"trailers", b"gzip, Trailers", b"trailers, deflate;q=0.5"])
def test_h1_39_te_trailers_stays_with_its_option(value):
    fields = [HOST, (b"TE", value), (b"Connection", b"TE, keep-alive"), (b"te", b"trailers")]
    assert end_to_end(fields, keep_upgrade=False) == [HOST, (b"TE", b"trailers"), (b"Connection", b"TE")]


def test_te_named_without_trailers_goes():
    assert end_to_end([(b"TE", b"gzip"), (b"Connection", b"TE")], keep_upgrade=False) == []


def test_upgrade_stays_if_asked_for():
    fields = [HOST, (b"Connection", b"keep-alive, Upgrade"), (b"Upgrade", b"websocket")]
    assert end_to_end(fields, keep_upgrade=True) == [HOST, (b"Connection", b"upgrade"), (b"Upgrade", b"websocket")]
    assert end_to_end(fields, keep_upgrade=False) == [HOST]


def test_h1_22_http2_settings_go_with_their_option():
    fields = [(b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABk")]
    assert end_to_end(fields, keep_upgrade=False) == []
