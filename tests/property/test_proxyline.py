"""The PROXY protocol: round trip, and anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.errors import PeerError
from midstream.wire.proxyline import read_proxy_line, write_v1, write_v2


def addresses(version):
    return st.tuples(st.ip_addresses(v=version).map(str), st.integers(0, 65535))


pairs = st.tuples(addresses(4), addresses(4)) | st.tuples(addresses(6), addresses(6))


@pytest.mark.parametrize("write", [write_v1, write_v2])
@given(pair=pairs, tail=st.binary(max_size=30))
def test_what_is_written_is_read(write, pair, tail):
    data = write(*pair)
    found = read_proxy_line(data + tail)
    assert found is not None
    assert found.size == len(data)
    assert (found.source, found.destination) == pair


@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", b"PROXY TCP6 ", b"\r\n\r\n\0\r\nQUIT\n\x21"]),
    st.binary(max_size=150) | st.text("0123456789abcdef:.% \r\n", max_size=150).map(str.encode),
    st.binary(max_size=10),
)
def test_anything_is_read_or_refused_and_that_stays(start, rest, tail):
    def attempt(data):
        try:
            return read_proxy_line(data)
        except PeerError as error:
            return str(error)

    verdict = attempt(start + rest)
    if verdict is not None:
        assert attempt(start + rest + tail) == verdict
