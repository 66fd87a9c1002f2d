import pytest

from midstream.flow import Client, ConnectionState, Server
from midstream.testing import Scenario


@pytest.fixture
def session():
    made = Scenario().session
    made.own_addresses.clear()
    return made


@pytest.mark.parametrize(
    ("bound", "host", "is_own"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST.", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::1", False),
        ("::1", "::1", True),
        ("::1", "::", True),
        ("0.0.0.0", "127.0.0.2", True),
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "::1", False),
        ("0.0.0.0", "203.0.113.77", False),
        ("::", "::1", True),
        ("::", "2001:db8::77", False),
        ("203.0.113.5", "203.0.113.5", True),
        ("203.0.113.5", "name.example", False),
    ],
)
def test_md_01_own_addresses(session, bound, host, is_own):
    session.own_addresses.add((bound, 8080))
    assert session.is_own(host, 8080) is is_own
    assert not session.is_own(host, 8081)


@pytest.mark.parametrize(
    ("peername", "is_trusted"),
    [
        (("10.1.2.3", 1), True),
        (("::ffff:10.1.2.3", 1), True),
        (("11.1.2.3", 1), False),
        (None, False),
        (("x", 1), False),
    ],
)
def test_md_24_balancers(peername, is_trusted):
    session = Scenario(proxy_protocol=["10.0.0.0/8"]).session
    assert session.trusts_proxy_line(peername) is is_trusted


def test_the_end_of_a_server_connection_is_recorded(session):
    server = Server(address=("a", 1))
    server.state = ConnectionState.OPEN
    session.server_lost(server, Client())
    assert server.timestamp_end == 1000.0
    assert not server.connected


def test_changed_options_are_taken_over(session):
    session.options.update(tcp_timeout=7, proxy_protocol=["::1"], ignore_hosts=["a"])
    session.reload()
    assert session.settings.tcp_timeout == 7
    assert session.trusts_proxy_line(("::1", 1))
    assert session.policy.needs_names
