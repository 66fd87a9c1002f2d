import pytest

from midstream.errors import UsageError
from midstream.wire.errors import PeerError
from midstream.wire.sse import BOM, Event, Reader, written


def read(pieces, limit=0):
    reader = Reader(limit)
    parts = [part for piece in pieces for part in reader.receive(piece)]
    return parts + reader.eof()


def raw(parts):
    return b"".join(part.raw if isinstance(part, Event) else part for part in parts if not isinstance(part, PeerError))


def events(parts):
    """Return the events alone, without how they were spelled."""
    return [(part.event, part.data, part.id, part.retry) for part in parts if isinstance(part, Event)]


def read_each_way(data):
    """Read `data` whole, byte by byte, and cut at every place; it has to be the same."""
    whole = read([data])
    for pieces in [
        [data[at : at + 1] for at in range(len(data))],
        *([data[:at], data[at:]] for at in range(len(data))),
    ]:
        parts = read(pieces)
        assert events(parts) == events(whole)
        assert raw(parts) == data
    assert raw(whole) == data
    return events(whole)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_events_in_all_line_ends(end):
    lines = ["event: add", "data: 1", "data:2", "id: 7", "retry: 3000", "", "data", "", "data:  two blanks", "", ""]
    assert read_each_way(end.join(lines).encode()) == [
        ("add", "1\n2", "7", 3000),
        ("", "", None, None),
        ("", " two blanks", None, None),
    ]


def test_line_ends_may_be_mixed():
    assert read_each_way(b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r\ndata: e\n\n") == [
        ("", "a\nb\nc", None, None),
        ("", "d", None, None),
        ("", "e", None, None),
    ]


def test_an_event_comes_out_with_the_first_byte_that_ends_it():
    reader = Reader()
    assert reader.receive(b"data: a\r\n") == []
    assert reader.receive(b"\r") == [Event("a", raw=b"data: a\r\n\r")]
    assert reader.receive(b"\ndata: b") == [b"\n"]
    assert reader.receive(b"\r") == []
    assert reader.receive(b"") == []
    assert reader.receive(b"\n") == []
    assert reader.receive(b"\n") == [Event("b", raw=b"data: b\r\n\n")]


def test_comments_between_events_come_out_at_once():
    reader = Reader()
    assert reader.receive(b": ping\n") == [b": ping\n"]
    assert reader.receive(b"\n:\n") == [b"\n", b":\n"]
    assert reader.receive(b"data: a\n: inside\n\n") == [Event("a", raw=b"data: a\n: inside\n\n")]


def test_fields_without_data_make_no_event():
    assert read([b"id: 1\nretry: 5\n\nevent: x\n\n"]) == [b"id: 1\nretry: 5\n\n", b"event: x\n\n"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"id: a\0b", ("", "x", None, None)),
        (b"id", ("", "x", "", None)),
        (b"id: 1\nid: 2", ("", "x", "2", None)),
        (b"event: a\nevent", ("", "x", None, None)),
        (b"retry: 1s", ("", "x", None, None)),
        (b"retry: -1", ("", "x", None, None)),
        (b"retry", ("", "x", None, None)),
        (b"retry: " + b"9" * 5000, ("", "x", None, None)),
        (b"Data: no", ("", "x", None, None)),
        (b" data: no", ("", "x", None, None)),
        (b"colour: blue", ("", "x", None, None)),
        (b": data: no", ("", "x", None, None)),
        (b"data : no", ("", "x", None, None)),
    ],
)
def test_fields(line, found):
    assert events(read([line + b"\ndata: x\n\n"])) == [found]


def test_one_byte_order_mark_is_skipped():
    assert read_each_way(BOM + b"data: a\n\n") == [("", "a", None, None)]
    assert read_each_way(BOM + BOM + b"data: a\n\n") == []
    assert read_each_way(b"data: a\n\n" + BOM + b"data: b\n\n") == [("", "a", None, None)]
    assert read_each_way(BOM + b"\ndata: b\n\n") == [("", "b", None, None)]


def test_what_is_no_utf_8_survives():
    (event,) = read([b"data: \xff\n\n"])
    assert event.data == "\udcff"
    assert written(event) == b"data: \xff\n\n"


def test_an_event_that_is_cut_at_the_end_is_none():
    assert read([b"data: a\n\ndata: b\n"]) == [Event("a", raw=b"data: a\n\n"), b"data: b\n"]


def test_an_event_over_the_limit_is_a_fault_and_the_rest_bytes():
    reader = Reader(10)
    first, fault, rest = reader.receive(b"data: a\n\ndata: 45678")
    assert first == Event("a", raw=b"data: a\n\n")
    assert str(fault) == "an event of more than 10 bytes (WHATWG HTML §9.2.6)"
    assert rest == b"data: 45678"
    assert reader.receive(b"\n\ndata: b\n\n") == [b"\n\ndata: b\n\n"]
    assert reader.eof() == []


def test_events_are_written():
    event = Event("a\nb\r\nc\rd", "add", "7", 3000)
    assert written(event) == b"event: add\nid: 7\nretry: 3000\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
    assert written(Event("")) == b"data: \n\n"


def test_comments_and_unknown_fields_of_an_edited_event_are_kept():
    (event,) = read([BOM + b"colour: blue\r\ndata: a\r\n: why\r\n\r\n"])
    event.data = "b"
    assert written(event) == b"data: b\ncolour: blue\n: why\n\n"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event("", "a\nb"), r"the event of a server-sent event has no line end: 'a\\nb'"),
        (Event("", id="a\rb"), "the id of a server-sent event has no line end"),
        (Event("", id="\0"), "no NUL"),
        (Event("\ud800"), "UTF-8"),
    ],
)
def test_what_cannot_be_written_is_refused(event, message):
    with pytest.raises(UsageError, match=message):
        written(event)
