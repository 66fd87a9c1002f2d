"""gRPC through the proxy: calls of all four kinds, messages one by one, and every way a call can end."""

import queue

import grpc
import pytest

WAIT = 20


@pytest.fixture(params=["tls tunnel", "clear tunnel", "tls reverse", "clear reverse"])
def route(request, proxy, grpc_server, grpc_client):
    """Lay a way from a gRPC client to a server: the proxy, the server, the client."""
    security, _, kind = request.param.partition(" ")
    server = grpc_server(tls=security == "tls")
    scheme = "https" if server.is_tls else "h2c"
    running = proxy(
        "regular" if kind == "tunnel" else f"reverse:{scheme}://localhost:{server.port}", stream_large_bodies="1"
    )
    ca = running.ca if server.is_tls else None
    if kind == "tunnel":
        return running, server, grpc_client(f"localhost:{server.port}", ca=ca, proxy=running.url)
    return running, server, grpc_client(f"localhost:{running.port}", ca=ca)


def test_one_message_for_one(route):
    running, server, client = route
    answer, call = client.shout.with_call(b"hello", metadata=(("x-token", "abc"),), timeout=WAIT)
    assert answer == b"HELLO"
    assert server.metadata["x-token"] == "abc"
    assert ("x-first", "yes") in call.initial_metadata()
    assert {("x-last", "yes"), ("x-binary-bin", b"\x00\xff")} <= set(call.trailing_metadata())
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.path == "/live.Echo/Shout"
    assert flow.response.trailers["grpc-status"] == "0"


def test_messages_come_one_by_one(route):
    """The server sends each message only after the client has taken the one before."""
    _, server, client = route
    answers = client.count(b"5", timeout=WAIT)
    for number in range(5):
        server.allow.release()
        assert next(answers) == str(number).encode()
    assert list(answers) == []
    assert answers.code() is grpc.StatusCode.OK


def test_many_messages_for_one(route):
    _, _, client = route
    assert client.sum((str(number).encode() for number in range(100)), timeout=WAIT) == b"4950"


def test_a_conversation(route):
    """Each side waits for the other, message by message."""
    _, _, client = route
    outgoing = queue.SimpleQueue()
    answers = client.talk(iter(outgoing.get, None), timeout=WAIT)
    for word in (b"one", b"two", b"three"):
        outgoing.put(word)
        assert next(answers) == b"heard " + word
    outgoing.put(None)
    assert list(answers) == []


def test_a_large_message(route):
    _, _, client = route
    message = b"abcdefgh" * (3 << 16)
    assert client.shout(message, timeout=WAIT) == message.upper()


def test_many_calls_at_once(route):
    _, _, client = route
    calls = [client.shout.future(b"m%d" % number, timeout=WAIT) for number in range(50)]
    assert [call.result() for call in calls] == [b"M%d" % number for number in range(50)]


def test_an_error_is_told_in_trailers_only(route):
    _, _, client = route
    with pytest.raises(grpc.RpcError) as caught:
        client.refuse(b"", timeout=WAIT)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, "not you: ä%")


def test_an_unknown_method(route):
    _, _, client = route
    with pytest.raises(grpc.RpcError) as caught:
        client.unknown(b"", timeout=WAIT)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_cancelled_call_is_cancelled_at_the_server(route):
    _, server, client = route
    call = client.hang.future(b"")
    assert server.hanging.wait(WAIT)
    call.cancel()
    assert server.abandoned.wait(WAIT), "the server was not told"
    assert client.shout(b"still here", timeout=WAIT) == b"STILL HERE"


def test_a_deadline_passes(route):
    """The client gives up by itself; what it says to the server is on the way of the proxy."""
    _, server, client = route
    with pytest.raises(grpc.RpcError) as caught:
        client.hang(b"", timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    if server.hanging.is_set():
        assert server.abandoned.wait(WAIT)


def test_a_server_that_is_gone(proxy, grpc_server, grpc_client):
    server = grpc_server()
    running = proxy(f"reverse:h2c://localhost:{server.port}")
    server.stop()
    client = grpc_client(f"localhost:{running.port}")
    with pytest.raises(grpc.RpcError) as caught:
        client.shout(b"", timeout=WAIT)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
