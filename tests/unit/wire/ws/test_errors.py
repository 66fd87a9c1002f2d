import pytest

from midstream.wire.errors import PeerError
from midstream.wire.ws.errors import WebSocketError, is_sendable


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
def test_codes_that_may_be_sent(code):
    assert is_sendable(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_ws_06_codes_that_may_not(code):
    assert not is_sendable(code)


def test_a_fault_carries_its_code():
    error = WebSocketError("nonsense", "RFC 6455 §5.2")
    assert isinstance(error, PeerError)
    assert (error.code, str(error)) == (1002, "nonsense (RFC 6455 §5.2)")
