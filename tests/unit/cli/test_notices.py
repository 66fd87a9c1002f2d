import pytest

from midstream.cli.notices import describe, start_lines, url
from midstream.options import ModeSpec, Options


class At:
    def __init__(self, mode, address):
        self.spec = ModeSpec.parse(mode)
        self.address = address


@pytest.mark.parametrize(
    ("mode", "address", "line"),
    [
        ("regular", ("127.0.0.1", 8080), "regular proxy at http://127.0.0.1:8080"),
        ("socks5", ("::1", 1080), "socks5 proxy at socks5://[::1]:1080"),
        ("dns", ("127.0.0.1", 53), "dns proxy at 127.0.0.1:53"),
        ("reverse:dns://a", ("::1", 53), "reverse proxy at [::1]:53, for dns://a:53"),
        ("reverse:udp://a:9", ("", 9000), "reverse proxy at *:9000, for udp://a:9"),
        ("reverse:dtls://a:9", ("::1", 9000), "reverse proxy at [::1]:9000, for dtls://a:9"),
        ("transparent", ("", 8080), "transparent proxy at *:8080"),
        ("regular", ("0.0.0.0", 8080), "regular proxy at http://*:8080"),
        ("regular", ("::", 8080), "regular proxy at http://*:8080"),
        ("reverse:https://a", ("127.0.0.1", 1), "reverse proxy at http://127.0.0.1:1, for https://a:443"),
        ("reverse:tcp://a:5", ("127.0.0.1", 1), "reverse proxy at 127.0.0.1:1, for tcp://a:5"),
        ("upstream:p:3128", ("127.0.0.1", 1), "upstream proxy at http://127.0.0.1:1, through http://p:3128"),
    ],
)
def test_one_line_per_listener(mode, address, line):
    assert describe(At(mode, address)) == line


def test_the_ca_is_pointed_to_when_something_listens():
    options = Options(confdir="/conf")
    assert start_lines(options, []) == []
    lines = start_lines(options, [At("regular", ("127.0.0.1", 1))])
    assert len(lines) == 2
    assert "/conf" in lines[1]
    assert "midstream trust" in lines[1]


def test_url():
    assert url("http", ("*", 1)) == "http://*:1"
    assert url("", ("::1", 1)) == "[::1]:1"
