"""SOCKS, both sides: whole, byte by byte, with the tunnel's first bytes behind."""

import errno

import pytest

from midstream.errors import UsageError
from midstream.wire.socks import (
    REPLY,
    AuthRequest,
    ConnectRequest,
    SocksClient,
    SocksError,
    SocksServer,
    reply_code,
)

GREETING = b"\x05\x01\x00"
LOGIN_GREETING = b"\x05\x02\x00\x02"
LOGIN = b"\x01\x04user\x06secret"
TO_NAME = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"
TO_V4 = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"
TO_V6 = b"\x05\x01\x00\x04" + bytes.fromhex("20010db8000000000000000000000001") + b"\x1f\x90"
NOWHERE = b"\x01\0\0\0\0\0\0"


def serve(data, *, require_auth=False, size=0):
    """Feed a server that says yes to every login; return its events, its output, and what it has left over."""
    server = SocksServer(require_auth)
    events, output = [], b""
    size = size or len(data)
    for at in range(0, len(data), size):
        pending = server.receive(data[at : at + size])
        while pending:
            events += pending
            output += server.take_output()
            last = pending[-1]
            pending = []
            if isinstance(last, AuthRequest):
                output += server.accept_auth(True)
                pending = server.receive(b"")
    return events, output + server.take_output(), server.release()


def fault(data, **kw):
    """Return the fault that all ways of feeding end with; fed on, the engine is silent."""
    events, _, rest = serve(data, **kw)
    error = events[-1]
    assert isinstance(error, SocksError)
    assert rest == b""
    one_by_one = serve(data, size=1, **kw)[0][-1]
    assert (str(one_by_one), one_by_one.reply, one_by_one.code) == (str(error), error.reply, error.code)
    return error


# Server, SOCKS5


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize(
    ("request_bytes", "host", "port"),
    [(TO_NAME, "example.com", 443), (TO_V4, "192.0.2.1", 80), (TO_V6, "2001:db8::1", 8080)],
)
def test_md_17_names_and_addresses(request_bytes, host, port, size):
    events, output, rest = serve(GREETING + request_bytes + b"tunnel", size=size)
    assert events == [ConnectRequest(host, port, 5)]
    assert output == b"\x05\x00"
    assert rest == b"tunnel"


@pytest.mark.parametrize("size", [0, 1])
def test_md_09_a_login_is_asked_for(size):
    events, output, rest = serve(LOGIN_GREETING + LOGIN + TO_V4 + b"x", require_auth=True, size=size)
    assert events == [AuthRequest("user", "secret"), ConnectRequest("192.0.2.1", 80, 5)]
    assert output == b"\x05\x02\x01\x00"
    assert rest == b"x"


def test_a_login_that_is_refused():
    server = SocksServer(True)
    server.receive(LOGIN_GREETING + LOGIN)
    assert server.accept_auth(False) == b"\x01\x01"
    assert server.receive(TO_V4) == []


def test_a_login_of_other_letters_keeps_its_bytes():
    events, _, _ = serve(LOGIN_GREETING + b"\x01\x01\xff\x00", require_auth=True)
    assert events == [AuthRequest("\udcff", "")]


def test_a_client_that_only_knows_logins_gets_in_where_none_is_asked_for():
    events, output, _ = serve(b"\x05\x01\x02" + LOGIN + TO_V4)
    assert events == [ConnectRequest("192.0.2.1", 80, 5)]
    assert output == b"\x05\x02\x01\x00"


def test_a_client_without_a_login_where_one_is_asked_for():
    error = fault(GREETING, require_auth=True)
    assert error.reply == b"\x05\xff"
    assert error.code == REPLY["not-allowed"]
    assert "user name and password" in error.message


def test_a_client_with_unknown_methods_only():
    error = fault(b"\x05\x02\x01\x80")
    assert error.reply == b"\x05\xff"
    assert "01 80" in error.message


def test_a_login_of_an_unknown_version():
    assert fault(LOGIN_GREETING + b"\x05", require_auth=True).reply == b"\x01\x01"


@pytest.mark.parametrize(("command", "name"), [(2, "BIND"), (3, "UDP ASSOCIATE"), (9, "command 9")])
def test_md_17_other_commands_are_refused_clearly(command, name):
    error = fault(GREETING + bytes((5, command)) + TO_V4[2:])
    assert error.reply == b"\x05\x07\x00" + NOWHERE
    assert error.code == 7
    assert name in error.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x04\x01\x00\x01", 1),
        (b"\x05\x01\x00\x05\x00", 8),
        (b"\x05\x01\x00\x03\x00\x00\x50", 8),
        (b"\x05\x01\x00\x03\x03a b\x00\x50", 8),
        (b"\x05\x01\x00\x03\x03a\0b\x00\x50", 8),
        (b"\x05\x01\x00\x03\x02\xff\xfe\x00\x50", 8),
    ],
)
def test_requests_that_make_no_sense(data, code):
    assert fault(GREETING + data).reply == bytes((5, code, 0)) + NOWHERE


def test_an_international_name_passes():
    name = "bücher.example".encode()
    events, _, _ = serve(GREETING + b"\x05\x01\x00\x03" + bytes((len(name),)) + name + b"\x00\x50")
    assert events == [ConnectRequest("bücher.example", 80, 5)]


def test_replies_of_version_5():
    server = SocksServer(False)
    server.receive(GREETING + TO_V4)
    assert server.reply(5) == b"\x05\x05\x00" + NOWHERE
    assert server.reply(0, ("192.0.2.9", 1080)) == b"\x05\x00\x00\x01\xc0\x00\x02\x09\x04\x38"
    assert server.reply(0, ("fe80::1%eth0", 1)) == b"\x05\x00\x00\x04\xfe\x80" + bytes(13) + b"\x01\x00\x01"
    assert server.reply(0, ("name", 1)) == b"\x05\x00\x00\x03\x04name\x00\x01"


# Server, SOCKS4 and 4a


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", ConnectRequest("192.0.2.1", 80, 4)),
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01me\x00", ConnectRequest("192.0.2.1", 80, 4, "me")),
        (b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00example.com\x00", ConnectRequest("example.com", 443, 4, "me")),
        (b"\x04\x01\x01\xbb\x00\x00\x00\x00\x00", ConnectRequest("0.0.0.0", 443, 4)),
    ],
)
def test_socks4(data, request_, size):
    events, output, rest = serve(data + b"tunnel", size=size)
    assert events == [request_]
    assert output == b""
    assert rest == b"tunnel"


def test_replies_of_version_4():
    server = SocksServer(False)
    server.receive(b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00")
    assert server.reply(0, ("192.0.2.9", 1080)) == b"\x00\x5a\x04\x38\xc0\x00\x02\x09"
    assert server.reply(5) == b"\x00\x5b" + bytes(6)
    assert server.reply(0, ("::1", 1)) == b"\x00\x5a\x00\x01" + bytes(4)


@pytest.mark.parametrize(
    ("data", "require_auth", "text"),
    [
        (b"\x04\x02\x00\x50\xc0\x00\x02\x01\x00", False, "BIND"),
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", True, "use SOCKS5"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", False, "no host name"),
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01" + b"x" * 512, False, "longer than 512"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + b"x" * 512, False, "longer than 512"),
    ],
)
def test_socks4_refusals(data, require_auth, text):
    error = fault(data, require_auth=require_auth)
    assert error.reply == b"\x00\x5b" + bytes(6)
    assert text in error.message


# Server, other protocols


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"CONNECT x:443 HTTP/1.1\r\n\r\n", b"g"])
def test_md_17_http_on_the_port_is_told_so(data):
    error = fault(data)
    assert "socks5://" in error.message
    assert error.reply.startswith(b"HTTP/1.1 400 ")
    head, _, body = error.reply.partition(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"


def test_other_protocols_on_the_port():
    assert "TLS" in fault(b"\x16\x03\x01").message
    assert "0x00" in fault(b"\x00").message


def test_fed_after_a_fault_the_engine_is_silent():
    server = SocksServer(False)
    assert len(server.receive(b"\x00")) == 1
    assert server.receive(GREETING) == []
    assert server.take_output() == b""


# Client


def ask(client, answers, size=0):
    """Run the client over what a parent answers and return what it sent, greeting included."""
    sent = client.start()
    size = size or len(answers)
    for at in range(0, len(answers), size):
        sent += client.receive(answers[at : at + size])
    return sent


@pytest.mark.parametrize("size", [0, 1])
def test_a_parent_connects(size):
    client = SocksClient("example.com", 443)
    assert (
        ask(client, b"\x05\x00" + b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38" + b"tunnel", size) == GREETING + TO_NAME
    )
    assert client.is_done
    assert client.bound == ("127.0.0.1", 1080)
    assert client.release() == b"tunnel"
    assert client.receive(b"more") == b""


@pytest.mark.parametrize("size", [0, 1])
def test_a_parent_asks_for_the_login(size):
    client = SocksClient("192.0.2.1", 80, "user", "secret")
    answers = b"\x05\x02\x01\x00\x05\x00\x00\x03\x01x\x00\x00"
    assert ask(client, answers, size) == LOGIN_GREETING + LOGIN + TO_V4
    assert client.is_done
    assert client.bound == ("x", 0)


def test_a_parent_that_needs_no_login_is_told_none():
    client = SocksClient("2001:db8::1", 8080, "user")
    assert ask(client, b"\x05\x00") == LOGIN_GREETING + TO_V6
    assert not client.is_done


@pytest.mark.parametrize(
    ("login", "answers", "text", "code"),
    [
        (None, b"\x05\x02", "user name and password", 2),
        (None, b"\x05\xff", "user name and password", 2),
        ("user", b"\x05\xff", "wants another authentication", 2),
        ("user", b"\x05\x02\x01\x01", "refused the user name", 2),
        (None, b"HTTP/1.1 400", "does not speak SOCKS5; its first byte is 0x48", 1),
        (None, b"\x05\x00\x04", "unknown version 4 of the reply", 1),
        (None, b"\x05\x00\x05\x05", "connection refused", 5),
        (None, b"\x05\x00\x05\x63\x00\x01", "code 99", 99),
        (None, b"\x05\x00\x05\x00\x00\x09\x00", "unknown address type 9", 8),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_a_parent_refuses(login, answers, text, code, size):
    client = SocksClient("example.com", 443, login, "secret")
    with pytest.raises(SocksError, match=text) as caught:
        ask(client, answers, size)
    assert caught.value.code == code
    assert not client.is_done
    assert client.receive(b"x") == b""


def test_an_international_name_is_asked_for_as_a_labels():
    assert b"xn--bcher-kva.example" in ask(SocksClient("bücher.example", 80), b"\x05\x00")


@pytest.mark.parametrize(
    "arguments", [("", 80), ("a" * 256, 80), ("ä" * 70, 80), ("x", 80, "u" * 256), ("x", 80, "u", "p" * 256)]
)
def test_what_cannot_be_said_is_our_fault(arguments):
    with pytest.raises(UsageError):
        SocksClient(*arguments)


# Reply codes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), 5),
        (OSError(errno.EHOSTUNREACH, ""), 4),
        (OSError(errno.ENETUNREACH, ""), 3),
        (OSError(-2, "Name or service not known"), 4),
        (TimeoutError(), 6),
        (TimeoutError(errno.ETIMEDOUT, ""), 6),
        (PermissionError(errno.EACCES, ""), 2),
        (OSError("odd"), 1),
    ],
)
def test_md_17_codes_by_cause(error, code):
    assert reply_code(error) == code
