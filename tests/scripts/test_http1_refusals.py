"""The proxy's own answers: exactly one, plain text, with the right status, and nothing in it is ever markup."""

import pytest

GET = b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def parse(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    return start, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}, body


CAUSES = {
    400: b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    414: b"GET http://a/" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    431: b"GET http://a/ HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    501: b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    502: GET,
    505: b"GET http://a/ HTTP/9.9\r\n\r\n",
}


@pytest.mark.parametrize("status", CAUSES)
def test_h1_47_an_error_page_is_one_whole_plain_answer(play, tape, status):
    scenario = play(addons=[tape])
    scenario.unreachable["a", 0] = OSError(113, "No route to host")
    client = scenario.client()
    client.sends(CAUSES[status])
    start, fields, body = parse(client.received())
    assert start.startswith(b"HTTP/1.1 %d " % status)
    assert len(start.split(b" ", 2)[2]) > 3
    assert int(fields[b"content-length"]) == len(body)
    assert fields[b"content-type"] == b"text/plain; charset=utf-8"
    assert fields[b"x-content-type-options"] == b"nosniff"
    assert fields[b"cache-control"] == b"no-store"
    assert fields[b"connection"] == b"close"
    assert client.was_told_the_end
    assert tape.hooks.count("error") == 1
    assert "response" not in tape.hooks


@pytest.mark.parametrize("target", [b"http://a/<script>alert(1)</script>", b"http://<script>/", b"<script>"])
def test_h1_47_what_a_client_sent_is_never_markup(play, target):
    scenario = play()
    scenario.unreachable["a", 0] = OSError(113, "No route to host")
    client = scenario.client()
    client.sends(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    start, fields, _ = parse(client.received())
    assert start[9:12] in {b"400", b"502"}
    assert fields[b"content-type"].startswith(b"text/plain")
    assert fields[b"x-content-type-options"] == b"nosniff"


def test_h1_47_head_gets_no_body(play):
    scenario = play()
    scenario.unreachable["a", 0] = OSError(113, "No route to host")
    client = scenario.client()
    client.sends(GET.replace(b"GET", b"HEAD"))
    start, fields, body = parse(client.received())
    assert start.startswith(b"HTTP/1.1 502 ")
    assert int(fields[b"content-length"]) > 0
    assert body == b""


def test_h1_47_a_fault_behind_a_head_request_gets_its_page(play):
    scenario = play()
    client = scenario.client()
    client.sends(GET.replace(b"GET", b"HEAD") + b"BROKEN\r\n\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    answers = client.received()
    assert answers.count(b"HTTP/1.1 400 ") == 1
    _, fields, body = parse(answers.partition(b"\r\n\r\n")[2])
    assert int(fields[b"content-length"]) == len(body)


def test_an_http_1_0_client_gets_its_page(play):
    scenario = play()
    scenario.unreachable["a", 0] = OSError(113, "No route to host")
    client = scenario.client()
    client.sends(b"GET http://a/ HTTP/1.0\r\n\r\n")
    start, fields, body = parse(client.received())
    assert start.startswith(b"HTTP/1.1 502 ")
    assert int(fields[b"content-length"]) == len(body)
    assert client.was_told_the_end


def test_md_01_the_proxy_does_not_ask_itself(play, tape):
    scenario = play(addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://127.0.0.1:8080/ HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
    assert client.received()[9:12] in {b"502", b"508", b"403", b"400"}
    assert scenario.servers == []
