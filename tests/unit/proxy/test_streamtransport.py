"""A stream of HTTP/2 as a transport: a peer on it cannot tell it from a connection."""

import pytest

from midstream.proxy.deadlines import Deadlines
from midstream.proxy.peer import ByteReader, Peer
from midstream.proxy.streamtransport import tunnel_over
from midstream.proxy.turns import Turns
from midstream.testing.transport import MemoryTransport
from midstream.wire.errors import PeerError
from midstream.wire.events import END, Data, Reset, Trailers


class Session:
    def __init__(self):
        self.deadlines = Deadlines()
        self.turns = Turns(lambda _call: None)


class Stream:
    """As much of a stream as the transport needs."""

    broken = 10

    def __init__(self, waiting=()):
        self.waiting = list(waiting)
        self.sent = []
        self.is_full = False
        self.taken = 0
        self.over_with = []
        self.tunnel = None

    def become(self, tunnel):
        self.tunnel = tunnel
        return self.waiting

    def send(self, event):
        self.sent.append(event)

    def consumed(self, count):
        self.taken += count

    def over(self, code=None):
        self.over_with.append(code)


class Receiver:
    def __init__(self, peer):
        self.heard = []
        peer.receiver = self

    def received(self, data):
        self.heard.append(data)

    def ended(self):
        self.heard.append("ended")

    def lost(self, error):
        self.heard.append(error.message)

    def writable(self):
        self.heard.append("writable")


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def carrier(session):
    peer = Peer("client", session.deadlines, session.turns)
    peer.connection_made(MemoryTransport(peer, ("127.0.0.1", 5), ("127.0.0.1", 8080)))
    return peer


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def peer(session, stream, carrier):
    return tunnel_over(session, stream, "client", carrier)[0]


@pytest.fixture
def receiver(peer):
    return Receiver(peer)


def test_addresses_are_those_of_the_connection(peer):
    assert peer.address_of("peername") == ("127.0.0.1", 5)
    assert peer.address_of("sockname") == ("127.0.0.1", 8080)


def test_what_comes_goes_up_and_the_window_opens(stream, receiver):
    stream.tunnel.take([Data(b"one"), Data(b""), Data(b"two")])
    assert receiver.heard == [b"one", b"two"]
    assert stream.taken == 6


def test_what_is_written_is_data_and_the_end_is_the_end(session, stream, peer, receiver):
    peer.write(b"hello")
    assert stream.sent == []
    session.turns.end()
    peer.write_now(b"more")
    assert stream.sent == [Data(b"hello"), Data(b"more")]
    assert peer.transport.can_write_eof()
    peer.write_eof()
    peer.write_eof()
    assert stream.sent[2:] == [END]
    peer.write_now(b"too late")
    assert stream.sent[2:] == [END]
    stream.tunnel.take([Data(b"still heard")])
    assert receiver.heard == [b"still heard"]


def test_what_came_before_is_the_rest(session, carrier):
    stream = Stream([Data(b"already "), Data(b"here")])
    _, rest = tunnel_over(session, stream, "server", carrier)
    assert rest == b"already here"
    assert stream.taken == 12


def test_an_end_that_came_before_is_told_later(session, carrier):
    stream = Stream([Data(b"all"), END])
    peer, rest = tunnel_over(session, stream, "server", carrier)
    receiver = Receiver(peer)
    assert rest == b"all"
    assert receiver.heard == []
    session.turns.end()
    assert receiver.heard == ["ended"]


def test_a_reset_that_came_before_is_told_later(session, carrier):
    stream = Stream([Data(b"all"), Reset("gone", 8)])
    peer, rest = tunnel_over(session, stream, "server", carrier)
    reader = ByteReader(peer)
    assert rest == b"all"
    session.turns.end()
    with pytest.raises(PeerError, match="the server closed the connection: gone"):
        reader.take()


def test_the_window_stays_shut_while_nobody_reads(session, stream, peer, receiver):
    peer.pause_reading()
    stream.tunnel.take([Data(b"one")])
    stream.tunnel.take([Data(b"two"), END])
    assert receiver.heard == []
    assert stream.taken == 0
    peer.resume_reading()
    session.turns.end()
    assert receiver.heard == [b"one", b"two", "ended"]
    assert stream.taken == 6
    peer.pause_reading()
    peer.resume_reading()
    session.turns.end()
    assert receiver.heard == [b"one", b"two", "ended"]


def test_who_pauses_while_hearing_hears_the_rest_later(session, stream, peer, receiver):
    receiver.received = lambda data: (receiver.heard.append(data), peer.pause_reading())
    stream.tunnel.take([Data(b"one"), Data(b"two")])
    assert receiver.heard == [b"one"]
    peer.resume_reading()
    session.turns.end()
    assert receiver.heard == [b"one", b"two"]


def test_a_full_stream_holds_the_writer(stream, peer, receiver):
    peer.write_now(b"fits")
    assert not peer.is_full
    stream.is_full = True
    peer.write_now(b"x")
    peer.write_now(b"y")
    assert peer.is_full
    stream.tunnel.writable()
    stream.tunnel.writable()
    assert not peer.is_full
    assert receiver.heard == ["writable"]


def test_room_for_a_stream_that_is_lost_is_no_news(session, stream, peer, receiver):
    stream.is_full = True
    peer.write_now(b"x")
    peer.abort()
    stream.tunnel.writable()
    session.turns.end()
    assert receiver.heard == ["the client closed the connection"]


def test_a_reset_overtakes_what_waits(session, stream, peer, receiver):
    peer.pause_reading()
    stream.tunnel.take([Data(b"unread")])
    stream.tunnel.take([Reset("the client reset the stream: CANCEL", 8)])
    assert receiver.heard == [], "not inside the call"
    assert stream.over_with == [None]
    session.turns.end()
    session.turns.end()
    assert receiver.heard == ["the client closed the connection: the client reset the stream: CANCEL"]
    assert peer.is_lost


def test_a_fault_is_a_reset(session, stream, receiver):
    stream.tunnel.take([PeerError("a second head")])
    session.turns.end()
    assert receiver.heard == ["the client closed the connection: a second head"]


def test_closing_ends_our_half_and_drops_what_still_comes(session, stream, peer, receiver):
    peer.pause_reading()
    stream.tunnel.take([Data(b"unread")])
    peer.close()
    peer.close()
    assert stream.sent == [END]
    assert peer.transport.is_closing()
    assert stream.taken == 6, "the connection gets its window back"
    stream.tunnel.take([Data(b"more")])
    assert stream.taken == 10
    assert stream.over_with == []
    stream.tunnel.take([END])
    assert stream.over_with == [None]
    session.turns.end()
    assert receiver.heard == ["the client closed the connection"]


def test_closing_after_the_other_end(session, stream, peer, receiver):
    stream.tunnel.take([END])
    peer.close()
    peer.transport.close()
    assert stream.sent == [END]
    assert stream.over_with == [None]
    session.turns.end()
    assert receiver.heard == ["ended", "the client closed the connection"]


def test_an_abort_resets(session, stream, peer, receiver):
    peer.abort()
    peer.transport.abort()
    assert stream.over_with == [10]
    assert stream.sent == []
    session.turns.end()
    assert receiver.heard == ["the client closed the connection"]


def test_an_abort_after_our_end_is_a_cancel(stream, peer):
    peer.write_eof()
    peer.abort()
    assert stream.over_with == [8]


def test_breaking_off_says_what_there_is_to_say_and_resets(stream, peer):
    peer.write(b"last words")
    peer.break_off()
    assert stream.sent == [Data(b"last words")]
    assert stream.over_with == [10]


def test_a_connection_that_breaks_off_is_just_closed(carrier):
    carrier.write(b"last words")
    carrier.break_off()
    assert carrier.transport.written == b"last words"
    assert carrier.transport.is_closing()


def test_who_closes_while_hearing_hears_no_more(session, stream, peer, receiver):
    receiver.received = lambda data: (receiver.heard.append(data), peer.abort())
    stream.tunnel.take([Data(b"one"), Data(b"two"), END])
    assert receiver.heard == [b"one"]
    session.turns.end()
    assert receiver.heard == [b"one", "the client closed the connection"]


def test_the_end_of_all_is_told_once(session, stream, peer, receiver):
    peer.pause_reading()
    stream.tunnel.take([Data(b"unread")])
    peer.resume_reading()
    stream.tunnel.take([Reset("gone", 8)])
    session.turns.end()
    assert receiver.heard == ["the client closed the connection: gone"]


def test_fields_behind_the_last_bytes_are_none_of_them(stream, receiver):
    stream.tunnel.take([Data(b"bytes"), Trailers([(b"a", b"b")]), END])
    assert receiver.heard == [b"bytes", "ended"]
