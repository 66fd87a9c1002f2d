"""SOCKS clients: curl in each of its dialects."""

import pytest

from livekit.nginx import SMALL


@pytest.mark.parametrize("dialect", ["socks4", "socks4a", "socks5", "socks5h"])
def test_every_dialect(proxy, nginx_origin, curl, dialect):
    running = proxy("socks5")
    through = f"{dialect}://127.0.0.1:{running.port}"
    assert curl(nginx_origin.http("/small"), proxy=through).body == SMALL
    assert curl(nginx_origin.https("/small"), proxy=through, ca=running.ca).body == SMALL
    assert len(running.recorder.wait_for_flows(2)) == 2


def test_md_09_with_a_password(proxy, nginx_origin, curl):
    running = proxy("socks5", proxyauth="me:secret")
    assert curl(nginx_origin.http("/small"), proxy=f"socks5h://me:secret@127.0.0.1:{running.port}").body == SMALL
    for who in ("me:guess@", ""):
        refused = curl(nginx_origin.http("/small"), proxy=f"socks5h://{who}127.0.0.1:{running.port}")
        assert refused.exit_code == 97


def test_md_17_an_unreachable_server(proxy, curl):
    running = proxy("socks5")
    answer = curl("http://127.0.0.1:9/", proxy=f"socks5://127.0.0.1:{running.port}")
    assert answer.exit_code == 97
    assert "(5)" in answer.error or "refused" in answer.error


def test_md_17_a_name_that_does_not_exist(proxy, curl):
    running = proxy("socks5")
    answer = curl("http://no-such-name.invalid/", proxy=f"socks5h://127.0.0.1:{running.port}")
    assert answer.exit_code == 97
    assert "(4)" in answer.error or "unreachable" in answer.error


def test_md_17_plain_http_to_the_port(proxy, curl):
    answer = curl(proxy("socks5").url)
    assert answer.status == 400
    assert b"SOCKS" in answer.body
