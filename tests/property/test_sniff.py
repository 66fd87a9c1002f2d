"""Sniffing: a verdict comes for everything in the end, and stays."""

from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.sniff import MAX_BLANK, MAX_LINE, sniff

starts = st.sampled_from(
    [
        b"",
        b"GET ",
        b"CONNECT ",
        b"\r\n",
        b"PRI * HTTP/2.0",
        b"PROXY TCP4 ",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x16\x03",
        b"SSH-",
        b"X /",
    ]
)


@given(starts, st.binary(max_size=60) | st.text("GET /HTP1.\r\n ", max_size=60).map(str.encode))
def test_a_verdict_stays(start, rest):
    verdict = None
    for end in range(len(start + rest) + 1):
        now = sniff((start + rest)[:end])
        assert verdict is None or now is verdict
        verdict = now


@given(starts, st.text("ab /.", max_size=60).map(str.encode))
def test_a_verdict_comes(start, rest):
    assert sniff(start + rest + b"x" * (MAX_LINE + MAX_BLANK)) is not None
