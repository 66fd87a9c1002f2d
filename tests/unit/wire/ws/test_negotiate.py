import pytest

from midstream.wire.errors import PeerError
from midstream.wire.ws.negotiate import Compression, agreed, answer, offer_field, offers

DEFLATE = b"permessage-deflate"


def field(value):
    return [(b"Sec-WebSocket-Extensions", value)]


def offered(*values):
    return offers([pair for value in values for pair in field(value)])


def test_ws_02_unknown_extensions_are_not_offered_on():
    found = offered(b"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits, bbf-usp-protocol")
    assert offer_field(found) == b"permessage-deflate; client_max_window_bits"
    assert offer_field(offered(b"x-unknown; a=1")) == b""
    assert offers([(b"Host", DEFLATE)]) == []


def test_offers_go_on_as_they_are_written_and_in_order():
    found = offered(
        b'Permessage-Deflate;server_max_window_bits="10" ,permessage-deflate',
        b"permessage-deflate; client_no_context_takeover",
    )
    assert offer_field(found) == (
        b'Permessage-Deflate;server_max_window_bits="10", permessage-deflate, permessage-deflate; client_no_context_takeover'
    )
    assert found[0].compression == Compression(server_bits=10)
    assert found[2].compression == Compression(client_keeps_context=False)


@pytest.mark.parametrize(
    "bad",
    [
        b"unknown",
        b"server_no_context_takeover=1",
        b"client_no_context_takeover; client_no_context_takeover",
        b"client_max_window_bits; client_max_window_bits=8",
        b"server_max_window_bits",
        b"server_max_window_bits=7",
        b"server_max_window_bits=16",
        b"server_max_window_bits=08",
        b"client_max_window_bits=x",
    ],
)
def test_offers_that_nobody_can_follow_are_left_out(bad):
    assert offer_field(offered(DEFLATE + b"; " + bad + b", permessage-deflate")) == DEFLATE
    with pytest.raises(PeerError):
        agreed(offered(DEFLATE + b"; client_max_window_bits"), field(DEFLATE + b"; " + bad))


@pytest.mark.parametrize(
    ("offer", "response", "expected"),
    [
        (b"", [], None),
        (DEFLATE, [], None),
        (DEFLATE, field(b""), None),
        (DEFLATE, field(DEFLATE), Compression()),
        (DEFLATE, field(DEFLATE + b"; server_no_context_takeover"), Compression(server_keeps_context=False)),
        (DEFLATE, field(DEFLATE + b"; client_no_context_takeover"), Compression(client_keeps_context=False)),
        (DEFLATE, field(DEFLATE + b"; server_max_window_bits=8"), Compression(server_bits=8)),
        (
            DEFLATE + b"; client_max_window_bits",
            field(DEFLATE + b"; client_max_window_bits=9"),
            Compression(client_bits=9),
        ),
        (
            DEFLATE + b"; client_max_window_bits=10",
            field(DEFLATE + b"; client_max_window_bits=10"),
            Compression(client_bits=10),
        ),
        (
            DEFLATE + b"; server_max_window_bits=10",
            field(DEFLATE + b"; server_max_window_bits=9"),
            Compression(server_bits=9),
        ),
        (DEFLATE + b"; server_max_window_bits=10, " + DEFLATE, field(DEFLATE), Compression()),
    ],
)
def test_ws_01_what_a_server_may_agree_to(offer, response, expected):
    assert agreed(offered(offer), response) == expected


@pytest.mark.parametrize(
    ("offer", "response"),
    [
        (b"", DEFLATE),
        (DEFLATE, b"x-other"),
        (DEFLATE, b"permessage-deflate, permessage-deflate"),
        (DEFLATE, b"permessage-deflate, x-other"),
        (DEFLATE, b"permessage-deflate; client_max_window_bits=15"),
        (DEFLATE + b"; client_max_window_bits", b"permessage-deflate; client_max_window_bits"),
        (DEFLATE + b"; client_max_window_bits=10", b"permessage-deflate; client_max_window_bits=11"),
        (DEFLATE + b"; server_max_window_bits=10", b"permessage-deflate; server_max_window_bits=11"),
        (DEFLATE + b"; server_max_window_bits=10", DEFLATE),
        (DEFLATE + b"; server_no_context_takeover", DEFLATE),
        (DEFLATE, b"permessage-deflate;"),
    ],
)
def test_ws_02_what_it_may_not(offer, response):
    with pytest.raises(PeerError):
        agreed(offered(offer), field(response))


@pytest.mark.parametrize(
    ("offer", "text", "compression"),
    [
        (DEFLATE, DEFLATE, Compression()),
        (DEFLATE + b"; client_max_window_bits=9", DEFLATE, Compression(client_bits=9)),
        (
            DEFLATE + b"; client_no_context_takeover; server_max_window_bits=12; server_no_context_takeover, x",
            DEFLATE + b"; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
            Compression(server_bits=12, server_keeps_context=False, client_keeps_context=False),
        ),
    ],
)
def test_ws_01_answering_by_ourselves(offer, text, compression):
    found = offered(offer)
    assert answer(found) == (text, compression)
    agreed(found, field(text))


def test_nothing_offered_nothing_answered():
    assert answer([]) is None
