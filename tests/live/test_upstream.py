"""Parent proxies of every kind, with real connections."""

import pytest

from livekit.nginx import SMALL


@pytest.mark.parametrize("is_tls", [True, False])
def test_http_parents_with_and_without_tls(proxy, http_parent, nginx_origin, curl, is_tls):
    parent = http_parent(tls=is_tls)
    running = proxy(f"upstream:{parent.spec}")
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    assert parent.heads[-1].startswith(f"GET {nginx_origin.http('/small')} HTTP/1.1\r\n".encode())
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).body == SMALL
    assert parent.heads[-1].startswith(b"CONNECT localhost:")


def test_md_12_the_parents_407_reaches_the_client(proxy, http_parent, nginx_origin, curl):
    running = proxy(f"upstream:{http_parent(credentials='me:secret').spec}")
    assert curl(nginx_origin.http("/small"), proxy=running.url).status == 407
    answer = curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca)
    assert answer.facts["http_connect"] == 407


def test_upstream_auth_for_http_parents(proxy, http_parent, nginx_origin, curl):
    parent = http_parent(credentials="me:secret")
    running = proxy(f"upstream:{parent.spec}", upstream_auth="me:secret")
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).body == SMALL


def test_upstream_auth_for_socks_parents(proxy, socks_parent, nginx_origin, curl):
    parent = socks_parent(credentials=("me", "secret"))
    running = proxy(f"upstream:{parent.spec}", upstream_auth="me:secret")
    assert curl(nginx_origin.https("/small"), proxy=running.url, ca=running.ca).body == SMALL
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL


def test_a_socks_parent_that_wants_a_login_is_a_502_that_says_so(proxy, socks_parent, nginx_origin, curl):
    running = proxy(f"upstream:{socks_parent(credentials=('me', 'secret')).spec}")
    answer = curl(nginx_origin.http("/small"), proxy=running.url)
    assert answer.status == 502
    assert b"SOCKS" in answer.body or b"parent" in answer.body


def test_md_11_an_unreachable_parent_is_a_502_that_names_it(proxy, nginx_origin, curl):
    running = proxy("upstream:http://127.0.0.1:9")
    answer = curl(nginx_origin.http("/small"), proxy=running.url)
    assert answer.status == 502
    assert b"127.0.0.1:9" in answer.body


def test_md_01_a_parent_that_is_this_proxy(proxy, nginx_origin, curl):
    running = proxy()
    running.call(lambda: running.engine.options.update(mode=[f"upstream:http://localhost:{running.port}"]))
    answer = curl(nginx_origin.http("/small"), proxy=running.url)
    assert answer.status == 502
    assert b"this proxy itself" in answer.body
