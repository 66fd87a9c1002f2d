"""Hooks of the messages inside bodies: gRPC messages and server-sent events, edited, dropped, held and only looked at."""

import gzip
import random
import tracemalloc

import pytest

from midstream.addon import observe
from midstream.flow import recoding
from midstream.proxy.stepper import Signal

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
CALL = (
    b"POST http://a/pkg.Service/Method HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def message(content, flags=0):
    return bytes([flags]) + len(content).to_bytes(4, "big") + content


def unchunked(data):
    """Return what was sent in chunks, after a head or without; the end of the body as `b"END"`."""
    pieces = []
    if data.startswith(b"HTTP/"):
        data = data.partition(b"\r\n\r\n")[2]
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(data[:length] if length else b"END")
        data = data[length + 2 :]
    return b"".join(pieces)


class Listens:
    """Does one thing to each message, and keeps what it saw."""

    def __init__(self, act=lambda message: None, after=lambda flow: None):
        self.act = act
        self.after = after
        self.seen = []

    def grpc_message(self, flow):
        self.seen.append(flow.grpc_messages[-1])
        self.act(flow.grpc_messages[-1])
        return self.after(flow)

    def sse_event(self, flow):
        self.seen.append(flow.sse_events[-1])
        self.act(flow.sse_events[-1])
        return self.after(flow)


@observe
class Looks(Listens):
    pass


def begin(scenario, head=EVENTS):
    """A client asks, the server has begun its answer; return both."""
    client = scenario.client()
    client.sends(GET)
    server = scenario.servers[-1]
    server.received()
    server.sends(head)
    client.received()
    return client, server


def call(scenario):
    """A client has begun a call; return it and the server."""
    client = scenario.client()
    client.sends(CALL)
    server = scenario.servers[-1]
    server.received()
    return client, server


# Server-sent events.


def test_each_event_is_told_and_sent_as_it_comes(play, tape):
    looks = Looks()
    client, server = begin(play(addons=[looks, tape]))
    server.sends(chunk(b"event: add\r\ndata: 1\r\nid: 7\r\n\r\n"))
    assert unchunked(client.received()) == b"event: add\r\ndata: 1\r\nid: 7\r\n\r\n"
    (seen,) = looks.seen
    assert (seen.event, seen.data, seen.id, seen.retry, seen.timestamp) == ("add", "1", "7", None, 1000.0)
    server.sends(chunk(b"data: 2\ndata"))
    assert client.received() == b""
    server.sends(chunk(b": 3\n\n: ping\n"))
    assert unchunked(client.received()) == b"data: 2\ndata: 3\n\n: ping\n"
    assert looks.seen[-1].data == "2\n3"
    assert "response" not in tape.hooks
    server.sends(chunk(b"data: no event") + END)
    assert unchunked(client.received()) == b"data: no eventEND"
    assert len(looks.seen) == 2
    assert tape.hooks[-1] == "response"
    assert tape.flow.response.content.endswith(b"ping\ndata: no event")
    assert tape.flow.annotations == []


def test_events_that_come_whole_with_the_head_are_told_too(play):
    listens = Listens(lambda event: setattr(event, "data", event.data.upper()))
    scenario = play(addons=[listens])
    client = scenario.client()
    client.sends(GET)
    body = b"data: a\n\n"
    (server,) = scenario.servers
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n" + body)
    received = client.received()
    assert b"content-length" not in received.lower()
    assert unchunked(received) == b"data: A\n\nEND"


def test_an_observer_leaves_the_framing_alone(play):
    looks = Looks(lambda event: event.drop())
    scenario = play(addons=[looks])
    client = scenario.client()
    client.sends(GET)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: a\n\n"
    scenario.servers[0].sends(answer)
    assert client.received() == answer
    assert [event.data for event in looks.seen] == ["a"]


def test_events_are_edited_and_dropped(play):
    def act(event):
        if event.data == "secret":
            event.drop()
        elif event.data == "old":
            event.data, event.event, event.id, event.retry = "new\nlines", "change", "9", 10

    client, server = begin(play(addons=[Listens(act)]))
    server.sends(chunk(b"data: secret\n\ndata:  as it is\r\n\r\n: why\ndata: old\n\n") + END)
    assert unchunked(client.received()) == (
        b"data:  as it is\r\n\r\n: why\nevent: change\nid: 9\nretry: 10\ndata: new\ndata: lines\n\nEND"
    )


def test_an_edit_that_cannot_be_written_ends_the_flow(play, tape):
    client, server = begin(play(addons=[Listens(lambda event: setattr(event, "event", "a\nb")), tape]))
    server.sends(chunk(b"data: a\n\n"))
    assert client.is_closed
    assert tape.flow.error.msg.startswith("an addon made a message that cannot be sent: the event of a server-sent")


def test_an_async_hook_keeps_the_order(play):
    gates = []

    async def later(_flow):
        gates.append(Signal())
        await gates[-1]

    scenario = play(addons=[Listens(after=later)])
    client, server = begin(scenario)
    server.sends(chunk(b"data: a\n\ndata: b\n\n"))
    assert client.received() == b""
    scenario.act(gates[0].set, None)
    assert unchunked(client.received()) == b"data: a\n\n"
    server.sends(END)
    scenario.act(gates[1].set, None)
    assert unchunked(client.received()) == b"data: b\n\nEND"


def test_a_flow_is_killed_inside_the_hook(play, tape):
    def kill(flow):
        if flow.sse_events[-1].data == "b":
            flow.kill()

    client, server = begin(play(addons=[Listens(after=kill), tape]))
    server.sends(chunk(b"data: a\n\ndata: b\n\ndata: c\n\n"))
    assert unchunked(client.received()) == b"data: a\n\n"
    assert client.is_closed
    assert tape.hooks[-1] == "error"
    assert len(tape.flow.sse_events) == 2


def test_a_flow_is_held_inside_the_hook_and_goes_on(play, tape):
    scenario = play(addons=[Listens(after=lambda flow: flow.intercept()), tape])
    client, server = begin(scenario)
    server.sends(chunk(b"data: a\n\ndata: b\n\n"))
    assert client.received() == b""
    tape.flow.sse_events[-1].data = "edited"
    scenario.act(tape.flow.resume)
    assert unchunked(client.received()) == b"data: edited\n\n"
    scenario.act(tape.flow.resume)
    assert unchunked(client.received()) == b"data: b\n\n"


def test_a_held_flow_is_killed(play, tape):
    scenario = play(addons=[Listens(after=lambda flow: flow.intercept()), tape])
    client, server = begin(scenario)
    server.sends(chunk(b"data: a\n\n"))
    scenario.act(tape.flow.kill)
    assert client.received() == b""
    assert client.is_closed
    assert server.is_closed


def test_the_client_leaves_while_an_event_is_held(play, tape):
    scenario = play(addons=[Listens(after=lambda flow: flow.intercept()), tape])
    client, server = begin(scenario)
    server.sends(chunk(b"data: a\n\n"))
    client.leaves()
    assert server.is_closed
    assert tape.flow.error.msg == "the client disconnected"
    scenario.act(tape.flow.resume)


def test_a_failing_hook_lets_the_event_pass(play, caplog):
    def fail(_event):
        raise RuntimeError("broken")

    client, server = begin(play(addons=[Listens(fail)]))
    server.sends(chunk(b"data: a\n\n"))
    assert unchunked(client.received()) == b"data: a\n\n"
    assert "failed in sse_event" in caplog.text


def test_whoever_listens_now_is_told(play):
    before, after = Listens(), Listens(lambda event: setattr(event, "data", "new"))
    after.name = "after"
    scenario = play(addons=[before])
    client, server = begin(scenario)
    server.sends(chunk(b"data: a\n\n"))
    scenario.addons.add(after)
    scenario.addons.remove(before)
    server.sends(chunk(b"data: b\n\n"))
    scenario.addons.remove(after)
    server.sends(chunk(b"data: c\n\n"))
    assert unchunked(client.received()) == b"data: a\n\ndata: new\n\ndata: c\n\n"
    assert len(before.seen) == len(after.seen) == 1


def test_a_callable_of_a_script_takes_the_place_of_the_hooks(play):
    class Upper(Listens):
        def responseheaders(self, flow):
            flow.response.stream = bytes.upper

    upper = Upper()
    client, server = begin(play(addons=[upper]))
    server.sends(chunk(b"data: a\n\n"))
    assert unchunked(client.received()) == b"DATA: A\n\n"
    assert upper.seen == []


def test_without_a_listener_nothing_is_taken_apart(play, tape):
    client, server = begin(play(addons=[tape]))
    server.sends(chunk(b"data: a"))
    assert unchunked(client.received()) == b"data: a"
    server.sends(END)
    assert tape.flow.sse_events == []


def test_a_listener_of_the_other_kind_does_not_count(play, tape):
    class OnlyGrpc:
        grpc_message = Listens.grpc_message

    client, server = begin(play(addons=[OnlyGrpc(), tape]))
    server.sends(chunk(b"data: a"))
    assert unchunked(client.received()) == b"data: a"


def test_other_bodies_are_not_taken_apart(play):
    looks = Looks()
    client, server = begin(play(addons=[looks]), EVENTS.replace(b"text/event-stream", b"text/plain"))
    server.sends(chunk(b"data: a"))
    assert unchunked(client.received()) == b"data: a"
    assert looks.seen == []


# Compressed streams.


def coded_events(coding):
    return EVENTS.replace(b"Transfer", b"Content-Encoding: " + coding.encode() + b"\r\nTransfer")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_events_of_a_compressed_stream_are_told_and_its_bytes_go_on(play, tape, coding):
    looks = Looks()
    client, server = begin(play(addons=[looks, tape]), coded_events(coding))
    encoder, sent = recoding.encoder(coding), b""
    for number in range(3):
        piece = encoder.encode(b"data: %d\n\n" % number)
        sent += piece
        server.sends(chunk(piece))
        assert unchunked(client.received()) == piece
        assert [event.data for event in looks.seen] == ["0", "1", "2"][: number + 1]
    end = encoder.finish()
    server.sends((chunk(end) if end else b"") + END)
    assert unchunked(client.received()) == end + b"END"
    assert tape.flow.response.raw_content == sent + end
    assert tape.flow.annotations == []


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_events_of_a_compressed_stream_are_edited(play, coding):
    client, server = begin(play(addons=[Listens(lambda event: setattr(event, "data", "new"))]), coded_events(coding))
    encoder, decode = recoding.encoder(coding), recoding.decoder(coding)
    for data in (b"data: a\n\n", b": ping\ndata: b\n\n"):
        server.sends(chunk(encoder.encode(data)))
        assert b"".join(decode(unchunked(client.received()))).endswith(b"data: new\n\n")
    server.sends(chunk(encoder.finish() or encoder.encode(b"x")) + END)
    received = unchunked(client.received())
    assert received.endswith(b"END")
    list(decode(received.removesuffix(b"END")))


def test_a_broken_compressed_stream_goes_on_where_nobody_edits(play, tape):
    looks = Looks()
    client, server = begin(play(addons=[looks, tape]), coded_events("gzip"))
    good = recoding.encoder("gzip").encode(b"data: a\n\n")
    for piece in (good, b"\xff\xff\xff\xff", b"more"):
        server.sends(chunk(piece))
        assert unchunked(client.received()) == piece
    assert [event.data for event in looks.seen] == ["a"]
    (note,) = tape.flow.annotations
    assert note.message.startswith("the body is not valid gzip")


def test_a_broken_compressed_stream_ends_where_somebody_edits(play, tape):
    client, server = begin(play(addons=[Listens(), tape]), coded_events("gzip"))
    server.sends(chunk(b"no gzip"))
    assert client.is_closed
    assert tape.flow.error.msg.startswith("the server's response cannot be relayed: the body is not valid gzip")


def test_a_slow_reader_of_a_compressed_stream_is_waited_for(play):
    client, server = begin(play(addons=[Listens()]), coded_events("gzip"))
    client.transport.reads_slowly = True
    event = b"data: " + random.Random(1).randbytes(100_000).hex().encode() + b"\n\n"
    server.sends(chunk(gzip.compress(event * 2)))
    decode = recoding.decoder("gzip")
    for _ in range(2):
        assert b"".join(decode(unchunked(client.received()))) == event


@pytest.mark.parametrize("coding", ["compress", "gzip, br"])
def test_a_stream_in_other_codings_goes_on_unread_and_the_flow_says_so(play, tape, coding):
    listens = Listens()
    client, server = begin(play(addons=[listens, tape]), coded_events(coding))
    server.sends(chunk(b"anything"))
    assert unchunked(client.received()) == b"anything"
    assert listens.seen == []
    assert [note.message for note in tape.flow.annotations] == [f"messages in {coding} are not read"]


# Bounds.


def test_an_endless_stream_needs_no_endless_memory(play, tape):
    class Edits:
        def sse_event(self, flow):
            flow.sse_events[-1].data += "!"

    client, server = begin(play(addons=[Edits(), tape], stream_messages_kept=10))

    def run(count):
        for _ in range(count):
            server.sends(chunk(b"data: " + b"x" * 1000 + b"\n\n"))
            client.received()

    run(1500)  # until the record of the body is full
    tracemalloc.start()
    run(50)
    before = tracemalloc.get_traced_memory()[0]
    run(500)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
    flow = tape.flow
    assert len(flow.sse_events) == 10
    assert flow.messages_forgotten == 2040


def test_the_record_is_bounded_in_bytes_too(play, tape):
    client, server = begin(play(addons=[Looks(), tape], body_memory=25))
    for data in (b"a", b"b", b"c", b"d" * 100):
        server.sends(chunk(b"data: " + data + b"\n\n"))
    assert [event.data for event in tape.flow.sse_events] == ["d" * 100]
    assert tape.flow.messages_forgotten == 3
    client.received()


def test_a_hook_may_empty_the_record(play, tape):
    client, server = begin(
        play(addons=[Listens(after=lambda flow: flow.sse_events.clear()), tape], stream_messages_kept=1)
    )
    server.sends(chunk(b"data: a\n\ndata: b\n\n"))
    assert unchunked(client.received()) == b"data: a\n\ndata: b\n\n"
    assert tape.flow.sse_events == []


def test_an_event_that_is_too_large_goes_on_unread(play, tape):
    looks = Looks()
    client, server = begin(play(addons=[looks, tape], stream_large_bodies=20))
    server.sends(chunk(b"data: a\n\ndata: " + b"b" * 30))
    assert unchunked(client.received()) == b"data: a\n\ndata: " + b"b" * 30
    server.sends(chunk(b"\n\ndata: c\n\n"))
    assert unchunked(client.received()) == b"\n\ndata: c\n\n"
    assert [event.data for event in looks.seen] == ["a"]
    assert [note.message for note in tape.flow.annotations] == ["an event of more than 20 bytes"]


# gRPC.


def test_messages_of_both_directions_are_told_and_sent_as_they_come(play, tape):
    looks = Looks()
    client, server = call(play(addons=[looks, tape]))
    client.sends(chunk(message(b"ask")[:4]))
    assert server.received() == b""
    client.sends(chunk(message(b"ask")[4:]))
    assert unchunked(server.received()) == message(b"ask")
    server.sends(ANSWER + chunk(message(b"answer", 1)))
    assert unchunked(client.received()) == message(b"answer", 1)
    client.sends(chunk(message(b"again")) + END)
    assert unchunked(server.received()) == message(b"again") + b"END"
    server.sends(b"0\r\ngrpc-status: 5\r\ngrpc-message: no%20such\r\n\r\n")
    assert client.received().endswith(b"0\r\ngrpc-status: 5\r\ngrpc-message: no%20such\r\n\r\n")
    assert [(seen.from_client, seen.content, seen.is_compressed) for seen in looks.seen] == [
        (True, b"ask", False),
        (False, b"answer", True),
        (True, b"again", False),
    ]
    assert tape.flow.grpc_messages == looks.seen
    assert (tape.flow.grpc.service, tape.flow.grpc.method) == ("pkg.Service", "Method")
    assert (tape.flow.grpc.status, tape.flow.grpc.message) == (5, "no such")


def test_messages_are_edited_and_dropped(play):
    def act(seen):
        if seen.content == b"drop":
            seen.drop()
        elif seen.content == b"old":
            seen.content = b"longer than before"

    client, server = call(play(addons=[Listens(act)]))
    client.sends(chunk(message(b"drop") + message(b"old") + message(b"")) + END)
    assert unchunked(server.received()) == message(b"longer than before") + message(b"") + b"END"
    server.sends(ANSWER + chunk(message(b"old") + message(b"drop")) + END)
    assert unchunked(client.received()) == message(b"longer than before") + b"END"


def test_a_request_of_known_size_may_grow_only_where_it_may_be_edited(play):
    head = CALL.replace(b"Transfer-Encoding: chunked", b"Content-Length: 6")
    for addon, framing in ((Looks(), b"content-length: 6"), (Listens(), b"transfer-encoding: chunked")):
        scenario = play(addons=[addon])
        client = scenario.client()
        client.sends(head + message(b"a"))
        assert framing in scenario.servers[0].received().lower()
        assert len(addon.seen) == 1


def test_compressed_messages_are_edited_in_clear(play):
    def act(seen):
        assert seen.data == b"clear"
        seen.data = b"changed"

    client, server = begin(play(addons=[Listens(act)]), ANSWER.replace(b"Transfer", b"grpc-encoding: gzip\r\nTransfer"))
    server.sends(chunk(message(gzip.compress(b"clear"), 1)) + END)
    received = unchunked(client.received())
    assert received[0] == 1
    assert gzip.decompress(received[5:].removesuffix(b"END")) == b"changed"


def test_the_other_direction_waits_while_a_hook_thinks(play):
    gates, last = [], []

    class Thinks:
        async def grpc_message(self, flow):
            gates.append(Signal())
            await gates[-1]
            last.append(flow.grpc_messages[-1].content)

    scenario = play(addons=[Thinks()])
    client, server = call(scenario)
    client.sends(chunk(message(b"ask")))
    server.sends(ANSWER + chunk(message(b"answer")))
    assert unchunked(client.received()) == b""
    scenario.act(gates[0].set, None)
    scenario.act(gates[1].set, None)
    assert last == [b"ask", b"answer"]
    assert unchunked(server.received()) == message(b"ask")
    assert unchunked(client.received()) == message(b"answer")
    client.sends(chunk(message(b"more")))
    client.leaves()
    scenario.act(gates[2].set, None)


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_call_is_killed_in_either_direction_while_the_other_waits(play, tape, side):
    gates = []

    class Kills:
        async def grpc_message(self, flow):
            gates.append(Signal())
            await gates[-1]
            flow.kill()

    scenario = play(addons=[Kills(), tape])
    client, server = call(scenario)
    first, second = (client, server) if side == "client" else (server, client)
    server.sends(ANSWER)
    client.received()
    first.sends(chunk(message(b"first")))
    second.sends(chunk(message(b"second")))
    scenario.act(gates[0].set, None)
    assert client.received() == server.received() == b""
    assert client.is_closed
    assert server.is_closed
    assert tape.hooks[-1] == "error"
    assert len(gates) == 1


def test_a_broken_message_goes_on_unread_and_the_flow_says_so(play, tape):
    looks = Looks()
    client, server = call(play(addons=[looks, tape]))
    client.sends(chunk(message(b"a") + b"\x07broken") + END)
    assert unchunked(server.received()) == message(b"a") + b"\x07brokenEND"
    server.sends(ANSWER + chunk(message(b"cut")[:6]) + END)
    assert unchunked(client.received()) == message(b"cut")[:6] + b"END"
    assert [seen.content for seen in looks.seen] == [b"a"]
    assert [note.message for note in tape.flow.annotations] == [
        "a gRPC message begins with the byte 0x07",
        "the body ends inside a gRPC message",
    ]


def test_the_strict_profile_refuses_a_broken_request(play, tape):
    client, _server = call(play(addons=[Looks(), tape], profile="strict"))
    client.sends(chunk(b"\x07broken") + END)
    assert client.received().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert tape.flow.error.msg.startswith("a gRPC message begins with the byte 0x07")


def test_the_strict_profile_breaks_a_broken_response_off(play, tape):
    client, server = begin(play(addons=[Looks(), tape], profile="strict"), ANSWER)
    server.sends(chunk(b"\x07broken"))
    assert client.is_closed
    assert tape.flow.error.msg.startswith("the server's response cannot be relayed: a gRPC message begins")


def test_a_message_that_is_too_large_goes_on_unread(play):
    looks = Looks()
    client, server = begin(play(addons=[looks], stream_large_bodies=10), ANSWER)
    server.sends(chunk(message(b"large, it is")[:8]))
    assert unchunked(client.received()) == message(b"large, it is")[:8]
    server.sends(chunk(message(b"large, it is")[8:] + message(b"small")))
    assert unchunked(client.received()) == message(b"large, it is")[8:] + message(b"small")
    assert [seen.content for seen in looks.seen] == [b"small"]


def test_the_trailers_of_grpc_web_are_no_message(play):
    listens = Listens()
    client, server = begin(
        play(addons=[listens]), ANSWER.replace(b"application/grpc+proto", b"application/grpc-web+proto")
    )
    body = message(b"a") + message(b"grpc-status: 0\r\n", 0x80)
    server.sends(chunk(body) + END)
    assert unchunked(client.received()) == body + b"END"
    assert [seen.content for seen in listens.seen] == [b"a"]


def test_grpc_web_in_base64_goes_on_unread(play, tape):
    listens = Listens()
    client, server = begin(
        play(addons=[listens, tape]), ANSWER.replace(b"application/grpc+proto", b"application/grpc-web-text")
    )
    server.sends(chunk(b"AAAAAAFh"))
    assert unchunked(client.received()) == b"AAAAAAFh"
    assert [note.message for note in tape.flow.annotations] == ["messages in base64 are not read"]


def test_a_slow_reader_is_waited_for_between_messages(play):
    scenario = play(addons=[Listens(lambda seen: setattr(seen, "content", seen.content * 2000))])
    client, server = begin(scenario, ANSWER)
    client.transport.reads_slowly = True
    server.sends(chunk(message(b"x" * 100) * 4))
    for _ in range(4):
        assert len(unchunked(client.received())) == 200_005
    assert client.received() == b""
