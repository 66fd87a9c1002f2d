import pytest

from midstream.flow import Client, ConnectionState, Headers, Http2Facts, HTTPFlow, Request, Server
from midstream.options import ModeSpec
from midstream.proxy.origin import ANY_HTTP, HTTP1, HTTP2
from midstream.proxy.replayway import client_like, mode_for, server_side
from midstream.proxy.stepper import Step
from midstream.testing import Scenario


class Nowhere:
    """Where no switch and no tunnel leads to."""


def recorded(url="https://a.test/", *, mode="regular", version="HTTP/1.1", host="", address=None, sni=None, http2=None):
    flow = HTTPFlow(Client(proxy_mode=ModeSpec.parse(mode)), Server(address=address))
    flow.request = Request.make("GET", url, headers=Headers([(b"Host", host.encode())] if host else []))
    flow.request.headers["host"] = host or flow.request.host
    flow.request.http_version = version
    flow.server_conn.sni, flow.server_conn.http2 = sni, http2
    return flow


def way(flow, *modes, **options):
    scenario = Scenario(*modes[:1], **options)
    return server_side(scenario.session, scenario.pool, flow, Nowhere())


def origin(flow, *modes, **options):
    side, request = way(flow, *modes, **options), flow.request
    return side.origin(request.scheme, request.host, request.port, side.via)


def test_it_goes_where_the_flow_says():
    side = way(recorded("https://a.test:8443/"))
    assert (side.way.destination, side.way.scheme, side.way.is_explicit) == (("a.test", 8443), "https", False)
    assert (side.via, side.host_field) == (None, None)


@pytest.mark.parametrize(
    ("flow", "sni"),
    [
        (recorded(), "a.test"),
        (recorded(sni="b.test", address=("a.test", 443)), "b.test"),
        (recorded(sni="b.test", address=("c.test", 443)), "a.test"),
        (recorded(sni=None, address=("a.test", 443)), "a.test"),
        (recorded("https://192.0.2.7/", sni="b.test", address=("192.0.2.7", 443)), "b.test"),
        (recorded("https://192.0.2.7/", host="b.test"), "b.test"),
        (recorded("https://192.0.2.7/"), None),
    ],
)
def test_server_names(flow, sni):
    assert origin(flow).sni == sni


@pytest.mark.parametrize(
    ("flow", "versions"),
    [
        (recorded(), HTTP1),
        (recorded(version="HTTP/2.0"), ANY_HTTP),
        (recorded(version="HTTP/3"), ANY_HTTP),
        (recorded("http://a.test/"), HTTP1),
        (recorded("http://a.test/", version="HTTP/2.0"), HTTP1),
        (recorded("http://a.test/", version="HTTP/2.0", http2=Http2Facts()), ANY_HTTP),
    ],
)
def test_versions(flow, versions):
    assert origin(flow).versions == versions


def test_the_versions_of_reverse_mode():
    mode = "reverse:h2c://a.test:80"
    assert origin(recorded("http://a.test/", mode=mode), mode).versions == HTTP2
    assert origin(recorded("http://b.test/", mode=mode), mode).versions == HTTP1


@pytest.mark.parametrize(
    ("url", "mode", "is_explicit", "is_tunnelled"),
    [
        ("http://a.test/", "upstream:http://p", True, False),
        ("https://a.test/", "upstream:http://p", False, False),
        ("http://a.test/", "upstream:socks5://p", False, True),
        ("http://a.test/", "regular", False, False),
    ],
)
def test_md_11_parents(url, mode, is_explicit, is_tunnelled):
    flow = recorded(url)
    assert way(flow, mode).way.is_explicit is is_explicit
    assert origin(flow, mode).is_tunnelled is is_tunnelled


def test_a_mode_that_is_no_more():
    session = Scenario("reverse:http://a.test").session
    assert mode_for(session, recorded("http://a.test/", mode="reverse:http://a.test")).name == "reverse"
    assert mode_for(session, recorded("http://a.test/", mode="socks5")).name == "regular"
    session.options.update(mode=[])
    assert mode_for(session, recorded()).name == "regular"


def test_its_client():
    recording = Client(peername=("192.0.2.1", 5), timestamp_start=1.0, state=ConnectionState.CLOSED)
    recording.timestamp_end, recording.error = 2.0, "gone"
    client = client_like(recording, 7.0)
    assert client != recording
    assert (client.peername, client.timestamp_start, client.timestamp_end, client.error) == (
        ("192.0.2.1", 5),
        7.0,
        None,
        None,
    )
    assert client.connected


def test_a_client_that_never_leaves():
    side, told = way(recorded("http://a.test/")), []

    async def dial():
        told.append((await side.dial(("a.test", 80))).server)

    Step(dial()).start()
    (server,) = told
    assert server.connected
