"""What events that break a message off mean."""

import pytest

from midstream.proxy.failure import ClientLeft, Failed, client_failure, server_failure
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Reset


@pytest.mark.parametrize(
    ("event", "status", "text"),
    [
        (PeerError("odd", "RFC 1", status=431), 431, "odd (RFC 1)"),
        (Reset("gone"), 400, "gone"),
        (END, 400, "the client left"),
    ],
)
def test_clients(event, status, text):
    failure = client_failure(event)
    assert failure.status == status
    assert text in failure.message


@pytest.mark.parametrize(
    ("event", "status", "text"),
    [
        (PeerError("odd", status=431), 502, "odd"),
        (PeerError("slow", status=504), 504, "slow"),
        (Reset("gone"), 502, "gone"),
        (END, 502, "closed"),
    ],
)
def test_servers(event, status, text):
    failure = server_failure(event, is_stale=True)
    assert failure.status == status
    assert text in failure.message
    assert failure.is_stale == (not isinstance(event, PeerError))


def test_h2_03_a_reset_with_a_code_is_an_answer():
    failure = server_failure(Reset("no", 8), is_stale=True)
    assert (failure.code, failure.is_stale, failure.is_refused) == (8, False, False)


def test_no_boundary_of_addons_swallows_them():
    assert not issubclass(Failed, Exception)
    assert not issubclass(ClientLeft, Exception)
