import pytest

from midstream.flow.dnsname import DNSFormatError
from midstream.flow.dnsservice import ALPN, ECH, ServiceBinding

DATA = b"\0\1\0" + b"\0\1\0\6\2h2\2h3" + b"\0\5\0\2\xfe\x0d"


def test_reading_and_writing():
    binding = ServiceBinding.unpack(DATA)
    assert binding == ServiceBinding(1, "", {ALPN: b"\2h2\2h3", ECH: b"\xfe\x0d"})
    assert binding.alpn == (b"h2", b"h3")
    assert binding.pack() == DATA
    alias = ServiceBinding.unpack(b"\0\0\1a\0")
    assert (alias.priority, alias.target, alias.alpn) == (0, "a", None)


def test_parameters_are_written_in_order():
    binding = ServiceBinding(1, "", {ECH: b"x", ALPN: b"\2h2"})
    assert binding.pack() == b"\0\1\0\0\1\0\3\2h2\0\5\0\1x"
    assert binding.with_param(ECH, None).params == {ALPN: b"\2h2"}
    assert binding.with_param(3, b"\1\xbb").params == {ECH: b"x", ALPN: b"\2h2", 3: b"\1\xbb"}


@pytest.mark.parametrize("data", [b"", b"\0\1", b"\0\1\1", *(DATA[:end] for end in (4, 6, 8, 14, 18))])
def test_what_is_cut_is_none(data):
    with pytest.raises(DNSFormatError):
        ServiceBinding.unpack(data)


def test_names_of_protocols_that_are_cut():
    with pytest.raises(DNSFormatError):
        _ = ServiceBinding(1, "", {ALPN: b"\3h2"}).alpn
