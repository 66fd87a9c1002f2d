import pytest

from midstream.flow import multipart

CONTENT_TYPE = 'multipart/form-data; boundary="a b\\"c"'
BODY = (
    b'preamble\r\n--a b"c\r\nContent-Disposition: form-data; name="text"\r\nX-Own: kept\r\n\r\nline 1\r\nline 2\r\n'
    b'--a b"c  \r\ncontent-disposition: form-data; filename="x\\"y.bin"; name=file\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n--a b\r\n"
    b'--a b"c\r\n\r\nno headers\r\n--a b"c--\r\nepilogue'
)
PLAIN = BODY.replace(b'"c  \r\n', b'"c\r\n')


def test_h1_53_forms_are_read_with_binary_parts_and_part_headers():
    form = multipart.parse(CONTENT_TYPE, BODY)
    assert form.boundary == b'a b"c'
    assert form.pairs() == [(b"text", b"line 1\r\nline 2"), (b"file", b"\x00\xff\r\n\r\n--a b"), (b"", b"no headers")]
    assert [part.filename for part in form.parts] == [None, b'x"y.bin', None]
    assert form.parts[0].headers == [(b"Content-Disposition", b'form-data; name="text"'), (b"X-Own", b"kept")]
    assert form.preamble == b"preamble\r\n"
    assert form.epilogue == b"\r\nepilogue"


def test_h1_53_forms_are_written_back_byte_for_byte():
    assert multipart.parse(CONTENT_TYPE, PLAIN).dump() == PLAIN
    no_preamble = PLAIN.removeprefix(b"preamble\r\n")
    assert multipart.parse(CONTENT_TYPE, no_preamble).dump() == no_preamble
    bare = b'--a b"c--'
    assert multipart.parse(CONTENT_TYPE, bare).dump() == bare


def test_h1_53_an_edit_changes_one_value_and_nothing_else():
    form = multipart.parse(CONTENT_TYPE, PLAIN)
    edited = form.with_pairs([(b"text", b"new"), *form.pairs()[1:]])
    assert edited.dump() == PLAIN.replace(b"line 1\r\nline 2", b"new")


def test_h1_53_parts_come_and_go():
    form = multipart.parse(CONTENT_TYPE, PLAIN)
    edited = form.with_pairs([(b"text", b"1"), (b"text", b"2"), (b'q"\r\n', b"3")])
    assert edited.pairs() == [(b"text", b"1"), (b"text", b"2"), (b'q"\r\n', b"3")]
    assert b"X-Own" in edited.parts[0].head
    assert edited.parts[1].head == b'Content-Disposition: form-data; name="text"'
    assert multipart.parse(CONTENT_TYPE, edited.dump()).pairs() == edited.pairs()


def test_new_forms_can_be_read():
    form = multipart.new_form([(b"a", b"1"), (b"b", b"\r\n2")])
    content_type = f"multipart/form-data; boundary={form.boundary.decode()}"
    assert multipart.parse(content_type, form.dump()).pairs() == [(b"a", b"1"), (b"b", b"\r\n2")]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Mixed;Boundary=abc; charset=x", b"abc"),
        ("multipart/form-data; charset=x; boundary=abc", b"abc"),
        ('multipart/form-data; boundary="abc"', b"abc"),
        ('multipart/form-data; boundary=""', None),
        ("multipart/form-data", None),
        ("text/plain; boundary=abc", None),
        ("", None),
    ],
)
def test_boundaries(content_type, boundary):
    assert multipart.boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        b"--abc\r\n",
        b"--abc\r\nX: y\r\n\r\nno end",
        b"--abcd\r\n\r\nx\r\n--abc--",
        b"--abc\r\nx\r\n--abc--",
    ],
)
def test_bodies_that_are_no_forms(body):
    assert multipart.parse("multipart/form-data; boundary=abc", body) is None


def test_no_boundary_no_form():
    assert multipart.parse("text/plain", b"x") is None
