import codecs

import pytest

from midstream.flow import charset


@pytest.mark.parametrize(
    ("content_type", "body", "name"),
    [
        ("text/html; charset=latin-1", codecs.BOM_UTF8 + b"x", "utf-8-sig"),
        ("text/plain", "x".encode("utf-16"), "utf-16"),
        ("text/plain", codecs.BOM_UTF32_LE + b"x\0\0\0", "utf-32"),
        ("text/plain; charset=UTF-16LE", b"x\0", "utf-16-le"),
        ('text/plain; x=y; charset="cp1252"', b"x", "cp1252"),
        ("text/html; charset=gb2312", b"x", "gb18030"),
        ("text/html; charset=nonsense", b"x", "utf-8"),
        ("text/html; charset=base64", b"x", "utf-8"),
        ("text/html; charset=idna", b"x", "utf-8"),
        ("text/html; charset=unicode_escape", b"x", "utf-8"),
        ("text/html; charset=\0", b"x", "utf-8"),
        ("text/html; charset=windows-1252", b"x", "cp1252"),
        ("text/html; charset=ISO-8859-15", b"x", "iso8859-15"),
        ("text/html; charset=UTF8", b"x", "utf-8"),
        ("text/html; charset=EUC-KR", b"x", "euc_kr"),
        ("text/html; charset=Big5", b"x", "big5"),
        ("text/html; charset=us-ascii", b"x", "ascii"),
        ("text/html; charset=koi8-u", b"x", "koi8-u"),
        ("text/html", b'<html><meta charset="shift_jis">', "shift_jis"),
        ("text/html", b'<META http-equiv=x content="text/html; charset=koi8-r">', "koi8-r"),
        ("application/json", b'{"a": "<meta charset=koi8-r>"}', "utf-8"),
        ("application/xml", b'<?xml version="1.0" encoding="iso-8859-15"?>', "iso8859-15"),
        ("application/xhtml+xml", b"<?xml version='1.0' encoding='koi8-r'?>", "koi8-r"),
        ("text/css", b'@charset "koi8-r"; a {}', "koi8-r"),
        ("text/css", b'a {} @charset "koi8-r";', "utf-8"),
        ("text/plain", "ü".encode(), "utf-8"),
        ("text/plain", "ü".encode("latin-1") + b" ", "iso8859-1"),
        ("", b"", "utf-8"),
    ],
)
def test_h1_52_where_the_charset_comes_from(content_type, body, name):
    assert codecs.lookup(charset.guess(content_type, body)).name == codecs.lookup(name).name


def test_h1_52_a_character_cut_in_the_middle():
    body = "grün".encode()[:3]
    assert charset.guess("text/plain", body) == "utf-8"
    assert charset.decode(body, "text/plain") == "gr\udcc3"
    with pytest.raises(ValueError, match="decode"):
        charset.decode(body, "text/plain", strict=True)


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-16", "text/plain; charset=shift_jis"])
def test_h1_52_bodies_cut_in_other_charsets(content_type):
    assert charset.decode("日本".encode(charset.guess(content_type, b""))[:-1], content_type)


def test_surrogates_survive_a_round_trip():
    body = b"abc\xff\xfe\xe4"
    text = charset.decode(body, "text/plain; charset=utf-8")
    assert charset.encode(text, "text/plain; charset=utf-8") == (body, None)


@pytest.mark.parametrize(
    ("text", "content_type", "expected"),
    [
        ("ü", "text/plain; charset=latin-1", (b"\xfc", None)),
        ("ü", "text/plain", (b"\xc3\xbc", None)),
        ("€", "text/plain; charset=latin-1", ("€".encode(), "text/plain; charset=utf-8")),
        ("€", "text/plain; charset=latin-1; a=b", ("€".encode(), "text/plain; a=b; charset=utf-8")),
        ("ü<meta charset=latin-1>", "text/html", (b"\xfc<meta charset=latin-1>", None)),
        ("ü", "text/plain; charset=nonsense", (b"\xc3\xbc", None)),
        ("ü", "", (b"\xc3\xbc", None)),
        ("€<meta charset=latin-1>", "text/html", ("€<meta charset=latin-1>".encode(), "text/html; charset=utf-8")),
    ],
)
def test_text_is_written_in_the_declared_charset_or_utf_8(text, content_type, expected):
    assert charset.encode(text, content_type) == expected
