"""SOCKS: our client against our server, and anything against either, in any pieces."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from midstream.wire.socks import AuthRequest, ConnectRequest, SocksClient, SocksError, SocksServer

hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,10}){0,3}", fullmatch=True),
)
words = st.text(max_size=60)
starts = st.sampled_from(
    [
        b"",
        b"\x05\x01\x00",
        b"\x05\x01\x02\x01",
        b"\x05\x02\x00\x02\x05\x01\x00\x03",
        b"\x04\x01\x00\x50",
        b"\x04\x01\0\0\0\0\0\x01",
    ]
)


def pieces(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[at:to] for at, to in itertools.pairwise(edges)]


def served(data, require_auth):
    server = SocksServer(require_auth)
    seen, output = [], b""
    for piece in data:
        events = server.receive(piece)
        while events:
            seen += [str(event) if isinstance(event, SocksError) else event for event in events]
            output += server.take_output()
            if isinstance(events[-1], AuthRequest):
                output += server.accept_auth(True)
            events = server.receive(b"")
    return seen, output + server.take_output(), server.release()


@given(starts, st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_a_server_reads_anything_the_same_in_any_pieces(start, rest, cuts, require_auth):
    data = start + rest
    assert served([data], require_auth) == served(pieces(data, cuts), require_auth)


@given(st.sampled_from([b"", b"\x05\x00", b"\x05\x02\x01\x00", b"\x05\x00\x05\x00\x00"]), st.binary(max_size=300))
def test_a_client_raises_nothing_but_socks_errors(start, rest):
    client = SocksClient("example.com", 80, "user", "secret")
    try:
        for byte in start + rest:
            client.receive(bytes((byte,)))
    except SocksError:
        assert not client.is_done


@given(hosts, st.integers(0, 65535), st.none() | st.tuples(words, words), st.binary(max_size=20))
def test_our_client_and_our_server_understand_each_other(host, port, login, tunnel):
    client = SocksClient(host, port, *(login or (None, None)))
    server = SocksServer(login is not None)
    to_server, request = client.start(), None
    while request is None:
        events = server.receive(to_server)
        to_client = server.take_output()
        for event in events:
            if isinstance(event, AuthRequest):
                assert (event.username, event.password) == login
                to_client += server.accept_auth(True)
            else:
                request = event
        to_server = client.receive(to_client)
    assert request == ConnectRequest(host, port, 5)
    assert client.receive(server.reply(0, (host, port)) + tunnel) == b""
    assert client.is_done
    assert client.bound == (host, port)
    assert client.release() == tunnel
