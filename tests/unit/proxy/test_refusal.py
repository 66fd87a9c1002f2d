"""Error pages."""

import pytest

from midstream.proxy.refusal import refusal


@pytest.mark.parametrize(("status", "reason"), [(400, b"Bad Request"), (502, b"Bad Gateway"), (599, b"")])
def test_h1_47_a_refusal(status, reason):
    head, body = refusal(status, "because <b>&</b> of \udc80 ä")
    assert (head.status, head.reason, head.version) == (status, reason, b"HTTP/1.1")
    assert head.body_size == len(body)
    assert (b"Content-Length", b"%d" % len(body)) in head.headers
    assert (b"Content-Type", b"text/plain; charset=utf-8") in head.headers
    assert "because <b>&</b> of ? ä" in body.decode()
