import pytest

from midstream.wire.h1 import line as kinds
from midstream.wire.h1.section import read_section


def test_a_section_without_fields():
    section = read_section(b"\r\n")
    assert (section.fields, section.kinds, section.length, section.host) == ([], 0, -1, None)
    assert section.is_forwardable


def test_h1_31_order_case_and_duplicates_survive():
    section = read_section(b"b: 1\r\nA: 2\r\nB: 3\r\nb: 1\r\n\r\n")
    assert section.fields == [(b"b", b"1"), (b"A", b"2"), (b"B", b"3"), (b"b", b"1")]
    assert section.odd_lines is None


def test_odd_spacing_is_remembered_by_field():
    section = read_section(b"A:1\r\nB: 2\r\nC:  3 \r\n\r\n")
    assert section.odd_lines == {(b"A", b"1"): b"A:1", (b"C", b"3"): b"C:  3 "}
    assert section.is_forwardable


@pytest.mark.parametrize(
    ("block", "length", "body_size", "is_doubtful"),
    [
        (b"Content-Length: 5\r\n\r\n", 5, 5, False),
        (b"Transfer-Encoding: chunked\r\n\r\n", -1, None, False),
        (b"A: b\r\n\r\n", -1, 0, False),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 5, 5, True),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 5, None, True),
        (b"Content-Length: x\r\n\r\n", -1, 0, True),
    ],
)
def test_framing(block, length, body_size, is_doubtful):
    for _ in range(2):
        section = read_section(block)
        assert (section.length, section.body_size) == (length, body_size)
        assert bool(section.kinds & kinds.DOUBTFUL_FRAMING) is is_doubtful
        assert section.is_forwardable is not is_doubtful


def test_the_first_of_several_hosts_counts_and_leaves_a_doubt():
    section = read_section(b"Host: a\r\nHost: b\r\n\r\n")
    assert section.host == b"a"
    assert section.kinds & kinds.DOUBTFUL_HOST


def test_upgrade_counts_if_connection_names_it():
    assert read_section(b"Upgrade: websocket\r\n\r\n").upgrade == b""
    assert (
        read_section(b"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n").upgrade == b"h2c, websocket"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Connection: keep-alive", True),
        (b"Connection: close", False),
        (b"Connection: X-Secret", False),
        (b"Connection: upgrade", False),
        (b"Upgrade: websocket", False),
        (b"TE: trailers", False),
        (b"Keep-Alive: timeout=5", False),
        (b"Proxy-Connection: keep-alive", False),
        (b"Proxy-Authorization: Basic YQ==", False),
        (b"Expect: 100-continue", True),
        (b"Host: a", True),
    ],
)
def test_h1_39_what_can_be_forwarded_verbatim(line, expected):
    assert read_section(line + b"\r\n\r\n").is_forwardable is expected


@pytest.mark.parametrize(
    "block", [b"A: b\nC: d\r\n\r\n", b"A : b\r\n\r\n", b" A: b\r\n\r\n", b"A: b\r\n c\r\n\r\n", b"A\r\n\r\n"]
)
def test_sections_that_are_not_clean(block):
    assert read_section(block) is None


def test_a_section_of_too_many_lines_is_not_read():
    block = b"Too-Many: 1\r\nToo-Many: 2\r\n\r\n"
    assert read_section(block, 1) is None
    assert read_section(block, 2) is not None
