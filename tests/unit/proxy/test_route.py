import pytest

from midstream.options import Options
from midstream.proxy.route import explain


def told(host="a.example", port=443, **settings):
    options = Options()
    options.update(**settings)
    return "\n".join(explain(options, host, port))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "a.example:443 is connected to directly"),
        ({}, "no list names it"),
        ({}, "the server's certificate is verified"),
        ({"ssl_insecure": True}, "not verified (ssl_insecure)"),
        ({"ignore_hosts": ["a"]}, "ignore_hosts 'a' matches a.example:443"),
        ({"allow_hosts": ["b"]}, "may yet match"),
        ({"tcp_hosts": ["a"]}, "raw TCP"),
        ({"mode": ["upstream:http://p:3128"]}, "through the parent proxy http://p:3128"),
        ({"mode": ["reverse:http://b:80"]}, "every client is led to http://b:80"),
        ({"stream_large_bodies": None}, "bodies of any size may be held back"),
    ],
)
def test_what_is_explained(settings, sentence):
    assert sentence in told(**settings)


def test_each_mode_has_its_own_part():
    text = told(mode=["regular", "socks5@1081"])
    assert text.splitlines()[0] == "regular:"
    assert "socks5@1081:" in text.splitlines()


def test_names_are_shown_as_they_are_matched():
    assert "xn--bcher-kva.example:443" in told("bücher.example")
    assert "[::1]:443" in told("::1")
