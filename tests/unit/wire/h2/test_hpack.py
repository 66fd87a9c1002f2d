"""The examples of RFC 7541, appendix C, and what is between their lines."""

import pytest

from midstream.wire.h2.errors import COMPRESSION_ERROR, FatalError
from midstream.wire.h2.hpack import Decoder, Encoder, integer
from midstream.wire.h2.limits import Limits

FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]
DATE = b"Mon, 21 Oct 2013 20:13:21 GMT"
LATER = b"Mon, 21 Oct 2013 20:13:22 GMT"
PLACE = (b"location", b"https://www.example.com")
COOKIE = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")
FOUND = [(b":status", b"302"), (b"cache-control", b"private"), (b"date", DATE), PLACE]
OTHER = [(b":status", b"307"), (b"cache-control", b"private"), (b"date", DATE), PLACE]
THERE = [
    (b":status", b"200"),
    (b"cache-control", b"private"),
    (b"date", LATER),
    PLACE,
    (b"content-encoding", b"gzip"),
    COOKIE,
]

REQUESTS = {
    "C.3": [
        ("828684410f7777772e6578616d706c652e636f6d", FIRST),
        ("828684be58086e6f2d6361636865", SECOND),
        ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD),
    ],
    "C.4": [
        ("828684418cf1e3c2e5f23a6ba0ab90f4ff", FIRST),
        ("828684be5886a8eb10649cbf", SECOND),
        ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD),
    ],
}
RESPONSES = {
    "C.5": [
        (
            (
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f"
                "2f7777772e6578616d706c652e636f6d"
            ),
            FOUND,
        ),
        ("4803333037c1c0bf", OTHER),
        (
            (
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b42"
                "5a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
            ),
            THERE,
        ),
    ],
    "C.6": [
        (
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            FOUND,
        ),
        ("4883640effc1c0bf", OTHER),
        (
            (
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f"
                "3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
            ),
            THERE,
        ),
    ],
}


def decoded(hexadecimal: str, **limits: int) -> list[tuple[bytes, bytes]]:
    return Decoder(Limits(**limits)).decode(bytes.fromhex(hexadecimal)).fields


def with_table(size: int) -> Decoder:
    decoder = Decoder()
    decoder.decode(integer(size, 5, 0x20))
    return decoder


@pytest.mark.parametrize(
    ("value", "bits", "expected"), [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a"), (31, 5, "1f00")]
)
def test_c1_integers(value, bits, expected):
    assert integer(value, bits, 0).hex() == expected


@pytest.mark.parametrize(
    ("wire", "field", "is_secret"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header"), False),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), False),
        ("100870617373776f726406736563726574", (b"password", b"secret"), True),
        ("82", (b":method", b"GET"), False),
    ],
)
def test_c2_representations(wire, field, is_secret):
    block = Decoder().decode(bytes.fromhex(wire))
    assert block.fields == [field]
    assert block.never_indexed == ({field} if is_secret else set())


@pytest.mark.parametrize("name", REQUESTS)
def test_c3_c4_requests(name):
    decoder = Decoder()
    for wire, fields in REQUESTS[name]:
        assert decoder.decode(bytes.fromhex(wire)).fields == fields


@pytest.mark.parametrize("name", RESPONSES)
def test_c5_c6_responses_in_a_small_table(name):
    decoder = with_table(256)
    for wire, fields in RESPONSES[name]:
        assert decoder.decode(bytes.fromhex(wire)).fields == fields
    assert decoder._table.size == 215


def test_c4_what_we_encode_is_what_the_rfc_encodes():
    encoder = Encoder()
    for wire, fields in REQUESTS["C.4"]:
        assert encoder.encode(fields).hex() == wire


def test_a_field_that_changes_often_is_not_put_into_the_table():
    encoder, decoder = Encoder(), Decoder()
    fields = [(b":path", b"/x"), (b"etag", b"y" * 200), (b"age", b"1")]
    first = encoder.encode(fields)
    assert encoder.encode(fields) == first
    assert decoder.decode(first).fields == fields
    assert decoder._table.entries == []


def test_nor_is_one_that_would_push_all_others_out():
    encoder, decoder = Encoder(), Decoder()
    fields = [(b"x-large", b"y" * 3100)]
    assert decoder.decode(encoder.encode(fields)).fields == fields
    assert decoder._table.entries == []


def test_never_indexed_fields_stay_so():
    encoder, decoder = Encoder(), Decoder()
    field = (b"authorization", b"Basic Zm9v")
    encoder.encode([field])
    block = Decoder().decode(encoder.encode([field], frozenset((field,))))
    assert block.fields == [field]
    assert block.never_indexed == {field}
    named = (b"x-secret", b"y")
    assert decoder.decode(encoder.encode([named], frozenset((named,)))).never_indexed == {named}
    assert decoder._table.entries == []


def test_h2_17_the_table_may_change_its_size():
    encoder, decoder = Encoder(), Decoder(Limits(), 8192)
    fields = [(b"x-%d" % number, b"y" * 30) for number in range(80)]
    for capacity in (4096, 100, 0, 8192):
        encoder.resize(capacity)
        for _ in range(2):
            assert decoder.decode(encoder.encode(fields)).fields == fields
        assert decoder._table.size <= capacity
        assert decoder._table.entries == encoder._table.entries


def test_the_smallest_size_in_between_is_told_too():
    encoder = Encoder()
    for capacity in (100, 50, 2000, 3000):
        encoder.resize(capacity)
    block = encoder.encode([])
    assert block == integer(50, 5, 0x20) + integer(3000, 5, 0x20)
    assert Decoder().decode(block).fields == []


def test_indexes_beyond_one_byte():
    encoder, decoder = Encoder(), Decoder(Limits(head_fields=1000), 65536)
    encoder.resize(65536)
    fields = [(b"x-%d" % number, b"") for number in range(700)]
    for _ in range(2):
        assert decoder.decode(encoder.encode(fields)).fields == fields


def test_a_name_may_come_from_either_table():
    decoder = Decoder()
    decoder.decode(bytes.fromhex("400161") + b"\x01b")
    assert decoder.decode(b"\x0f\x2f\x01c").fields == [(b"a", b"c")]
    assert decoder.decode(b"\x1f\x2f\x01c").never_indexed == {(b"a", b"c")}


def test_a_block_is_remembered_until_the_table_changes():
    decoder = Decoder()
    add_a, add_b = bytes.fromhex("400161") + b"\x01a", bytes.fromhex("400162") + b"\x01b"
    decoder.decode(add_a)
    first = decoder.decode(b"\xbe")
    assert decoder.decode(b"\xbe") is first
    decoder.decode(add_b)
    assert decoder.decode(b"\xbe").fields == [(b"b", b"b")]
    decoder.decode(b"\x20\x3f\xe1\x1f")
    with pytest.raises(FatalError):
        decoder.decode(b"\xbe")


def test_few_blocks_are_remembered():
    decoder = Decoder()
    for number in range(100):
        decoder.decode(b"\x04\x03%03d" % number)
    assert len(decoder._blocks) <= 16
    decoder.decode(b"\x82" * 2000)
    assert len(decoder._blocks) <= 16


@pytest.mark.parametrize(
    "wire",
    [
        "80",  # index 0
        "be",  # an empty table
        "ff8080808001",
        "ffffffffff7f",
        "ff808080808001",
        "40",
        "4001",
        "400161",
        "40016105",
        "4001618100",  # Huffman: padding of zeros
        "40016184ffffffff",  # EOS
        "40016181ff40",
        "400161811f" + "3f",  # a change of size behind a field
        "3fe21f",  # larger than allowed
        "7f",
        "0f",
        "0fff",
    ],
)
def test_malformed_blocks(wire):
    with pytest.raises(FatalError) as caught:
        decoded(wire)
    assert caught.value.code == COMPRESSION_ERROR


def test_h2_17_hpack_bombs_are_not_unpacked():
    decoder = Decoder(Limits(head_bytes=100_000, head_fields=100_000))
    decoder.decode(b"\x40\x01a" + integer(4000, 7, 0) + b"x" * 4000)
    block = decoder.decode(b"\xbe" * 50_000)
    assert (block.is_whole, block.fields) == (False, [])
    assert decoder.decode(b"\xbe").is_whole


def test_too_many_fields():
    assert not Decoder(Limits(head_fields=3)).decode(b"\x82" * 4).is_whole
    assert Decoder(Limits(head_fields=3)).decode(b"\x82" * 3).is_whole


def test_texts_that_huffman_would_make_longer_are_spelled_out():
    text = bytes(range(128, 140))
    block = Encoder().encode([(b"x-a", text)])
    assert text in block
    assert Decoder().decode(block).fields == [(b"x-a", text)]


def test_an_encoder_remembers_blocks_until_its_table_changes():
    encoder, decoder = Encoder(), Decoder()
    first = [(b"a", b"1"), (b"etag", b"x")]
    second = [(b"b", b"2"), (b"etag", b"y")]
    for fields in (first, first, first, second, first, second, second, first):
        assert decoder.decode(encoder.encode(fields)).fields == fields
    encoder.resize(0)
    for fields in (first, first):
        assert decoder.decode(encoder.encode(fields)).fields == fields
    secret = frozenset(first[:1])
    for never_indexed in (secret, frozenset(), secret):
        assert decoder.decode(encoder.encode(first, never_indexed)).never_indexed == never_indexed


def test_an_encoder_remembers_few_blocks():
    encoder, decoder = Encoder(), Decoder()
    for number in [*range(40), *range(40)]:
        fields = [(b"etag", b"%d" % number)]
        assert decoder.decode(encoder.encode(fields)).fields == fields
