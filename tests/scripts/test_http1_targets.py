"""Where requests go: the forms of the target, the Host field, names and addresses; one value decides for all."""

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(play, tape, head: bytes, mode: str = "regular", addons=(), **options):
    """Send a request; return the one server that was connected to, and what it got."""
    scenario = play(mode, addons=[tape, *addons], **options)
    client = scenario.client()
    client.sends(head + b"\r\n\r\n")
    assert client.received() == b""
    (server,) = scenario.servers
    received = server.received()
    server.sends(OK)
    assert client.received().endswith(b"\r\n\r\nok")
    return server.address, received


def refused(play, tape, head: bytes, mode: str = "regular", status: int = 400, **options) -> bytes:
    scenario = play(mode, addons=[tape], **options)
    client = scenario.client()
    client.sends(head + b"\r\n\r\n")
    received = client.received()
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert client.was_told_the_end
    assert scenario.dialled == []
    assert tape.hooks[-1] == "error"
    return received


class Edits:
    def request(self, flow):
        flow.request.headers["X-New"] = "1"


# Absolute form.


@pytest.mark.parametrize(
    ("target", "host", "address", "path"),
    [
        (b"http://a/x?y", b"a", ("a", 80), b"/x?y"),
        (b"HTTP://A.Example/x", b"A.Example", ("a.example", 80), b"/x"),
        (b"http://a:8080/", b"a:8080", ("a", 8080), b"/"),
        (b"http://a:80/", b"a:80", ("a", 80), b"/"),
        (b"http://a", b"a", ("a", 80), b"/"),
        (b"http://a?q=/", b"a", ("a", 80), b"/?q=/"),
        (b"http://a?q", b"a", ("a", 80), b"/?q"),
        (b"http://a:/x", b"a:", ("a", 80), b"/x"),
        (b"http://[2001:db8::1]/x", b"[2001:db8::1]", ("2001:db8::1", 80), b"/x"),
        (b"http://[::1]:8000/x", b"[::1]:8000", ("::1", 8000), b"/x"),
        (b"http://a/http://b/", b"a", ("a", 80), b"/http://b/"),
        (b"http://a//x", b"a", ("a", 80), b"//x"),
        (b"ws://a/x", b"a", ("a", 80), b"/x"),
        (b"WS://a:81/x", b"a:81", ("a", 81), b"/x"),
    ],
)
def test_h1_02_h1_27_h1_60_absolute_form_becomes_origin_form(play, tape, target, host, address, path):
    got = asked(play, tape, b"GET " + target + b" HTTP/1.1\r\nHost: " + host)
    assert got == (address, b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (tape.flow.request.host, tape.flow.request.port) == address
    assert tape.flow.request.path.encode() == path
    assert tape.flow.request.scheme == "http"
    assert not tape.flow.annotations


def test_h1_27_credentials_in_the_target_are_not_sent_as_host(play, tape):
    address, received = asked(play, tape, b"GET http://user:pass@a:81/x HTTP/1.1\r\nHost: a:81")
    assert address == ("a", 81)
    assert received == b"GET /x HTTP/1.1\r\nHost: a:81\r\n\r\n"


def test_h1_27_userinfo_does_not_deceive(play, tape):
    address, _ = asked(play, tape, b"GET http://good.example@evil.example/ HTTP/1.1\r\nHost: evil.example")
    assert address == ("evil.example", 80)


@pytest.mark.parametrize(
    "target",
    [
        b"ftp://a/", b"http:/a", b"http:///x", b"http://", b"a/x", b"http://a b/", b"http://a:99999/", b"http://a:0/",
        b"http://a:8x/", b"http://[::1/", b"http://[::1]x/", b"http://[x]/", b"http://:80/", b"http://a\\b/", b"http://a#b/",
        b"http://?x", b"://a/",
    ],
)  # fmt: skip
def test_h1_27_targets_that_lead_nowhere(play, tape, target):
    refused(play, tape, b"GET " + target + b" HTTP/1.1\r\nHost: a")


# Host.


@pytest.mark.parametrize("addons", [(), (Edits(),)])
@pytest.mark.parametrize("host", [b"evil", b"a:81", b"a.", b"evil:80"])
def test_h1_29_h1_30_the_target_beats_host_and_is_what_is_sent(play, tape, host, addons):
    address, received = asked(play, tape, b"GET http://a/x HTTP/1.1\r\nhost: " + host + b"\r\nX: 1", addons=addons)
    assert address == ("a", 80)
    assert received.startswith(b"GET /x HTTP/1.1\r\nhost: a\r\nX: 1\r\n")
    assert tape.flow.annotations
    assert tape.flow.request.pretty_host == "a"


@pytest.mark.parametrize("host", [b"A", b"a:80", b"a:"])
def test_h1_30_another_spelling_is_no_other_host(play, tape, host):
    address, received = asked(play, tape, b"GET http://a/x HTTP/1.1\r\nHost: " + host)
    assert address == ("a", 80)
    assert received == b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def test_h1_30_another_host_is_refused_in_strict(play, tape):
    refused(play, tape, b"GET http://a/x HTTP/1.1\r\nHost: evil", profile="strict")


def test_h1_30_two_hosts_are_refused_in_strict(play, tape):
    refused(play, tape, b"GET http://a/x HTTP/1.1\r\nHost: a\r\nHost: evil", profile="strict")


@pytest.mark.parametrize("addons", [(), (Edits(),)])
@pytest.mark.parametrize("hosts", [b"Host: a\r\nHost: evil", b"Host: evil\r\nHost: a", b"Host: a\r\nHost: a"])
def test_h1_30_of_two_hosts_only_the_right_one_is_sent(play, tape, hosts, addons):
    address, received = asked(play, tape, b"GET http://a/x HTTP/1.1\r\n" + hosts, addons=addons)
    assert address == ("a", 80)
    assert received.startswith(b"GET /x HTTP/1.1\r\nHost: a\r\n")
    assert b"evil" not in received
    assert received.count(b"Host:") == 1
    assert tape.flow.annotations


def test_h1_29_a_missing_host_is_refused(play, tape):
    refused(play, tape, b"GET /x HTTP/1.1")


def test_h1_29_a_missing_host_is_refused_in_absolute_form_too(play, tape):
    refused(play, tape, b"GET http://a/x HTTP/1.1")


@pytest.mark.parametrize("addons", [(), (Edits(),)])
def test_h1_29_http_1_0_needs_no_host_but_the_server_gets_one(play, tape, addons):
    address, received = asked(play, tape, b"GET http://a:81/x HTTP/1.0", addons=addons)
    assert address == ("a", 81)
    assert received.startswith(b"GET /x HTTP/1.0\r\nHost: a:81\r\n")


def test_h1_59_a_request_without_host_that_an_addon_moved(play, tape):
    class Moves:
        def request(self, flow):
            flow.request.host = "b"

    address, received = asked(play, tape, b"GET http://a/x HTTP/1.0", addons=[Moves()])
    assert address == ("b", 80)
    assert b"Host: a" not in received


def test_h1_59_host_follows_the_move_even_where_it_was_wrong(play, tape):
    class Moves:
        def request(self, flow):
            flow.request.host = "b"
            flow.request.port = 82

    address, received = asked(play, tape, b"GET http://a/x HTTP/1.1\r\nHost: evil", addons=[Moves()])
    assert address == ("b", 82)
    assert received == b"GET /x HTTP/1.1\r\nHost: b:82\r\n\r\n"


def test_h1_30_a_host_that_an_addon_wants_is_sent(play, tape):
    class Fronts:
        def request(self, flow):
            flow.request.headers["Host"] = "front"

    address, received = asked(play, tape, b"GET http://a/x HTTP/1.1\r\nHost: a", addons=[Fronts()])
    assert address == ("a", 80)
    assert received == b"GET /x HTTP/1.1\r\nHost: front\r\n\r\n"


@pytest.mark.parametrize("host", [b"a b", b"a/b", b"a@b", b"<a>", b"a?b"])
def test_h1_29_a_host_that_is_none_is_refused(play, tape, host):
    refused(play, tape, b"GET /x HTTP/1.1\r\nHost: " + host)


# Origin form, asterisk form.


def test_h1_29_origin_form_to_a_proxy_goes_by_host(play, tape):
    address, received = asked(play, tape, b"GET /x HTTP/1.1\r\nHost: a:81")
    assert address == ("a", 81)
    assert received == b"GET /x HTTP/1.1\r\nHost: a:81\r\n\r\n"


def test_h1_29_origin_form_without_a_name_says_what_is_missing(play, tape):
    assert b"proxy" in refused(play, tape, b"GET /x HTTP/1.0")
    assert tape.flow.request.path == "/x"


@pytest.mark.parametrize("mode", ["regular", "reverse:http://a:80"])
def test_h1_28_options_asterisk_stays_as_it_is(play, tape, mode):
    address, received = asked(play, tape, b"OPTIONS * HTTP/1.1\r\nHost: a", mode)
    assert address == ("a", 80)
    assert received.startswith(b"OPTIONS * HTTP/1.1\r\nHost: a")
    assert tape.flow.request.path == "*"


def test_h1_28_authority_form_stays_as_it_is_where_connect_is_not_ours(play, tape):
    scenario = play("reverse:http://b:8080", addons=[tape], keep_host_header=True)
    client = scenario.client()
    client.sends(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nhello")
    (server,) = scenario.servers
    assert server.address == ("b", 8080)
    assert server.received() == b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
    server.sends(b"HTTP/1.1 200 OK\r\n\r\nyo")
    assert client.received() == b"HTTP/1.1 200 OK\r\n\r\nyo"
    assert server.received() == b"hello"


def test_h1_28_authority_form_that_is_refused(play, tape):
    scenario = play("reverse:http://b:8080", addons=[tape])
    client = scenario.client()
    client.sends(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    scenario.servers[0].sends(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 2\r\n\r\nno")
    assert client.received().endswith(b"\r\n\r\nno")
    assert tape.flow.response.status_code == 405


# Names.


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("bücher.example".encode(), "xn--bcher-kva.example"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"a_b.example", "a_b.example"),
        (b"-a-.example", "-a-.example"),
        (b"a.example.", "a.example."),
        (b"127.0.0.1", "127.0.0.1"),
        (b"%61.example", "%61.example"),
    ],
)
def test_h1_37_names_that_dns_knows(play, tape, name, host):
    address, received = asked(play, tape, b"GET http://" + name + b"/x HTTP/1.1\r\nHost: " + name)
    assert address == (host, 80)
    assert received == b"GET /x HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"


# Reverse mode.


@pytest.mark.parametrize(("keep", "host"), [(False, b"b:8080"), (True, b"a")])
def test_md_13_reverse_mode_names_the_server_unless_told_to_keep_host(play, tape, keep, host):
    address, received = asked(play, tape, b"GET /x HTTP/1.1\r\nHost: a", "reverse:http://b:8080", keep_host_header=keep)
    assert address == ("b", 8080)
    assert received == b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def test_absolute_form_in_reverse_mode_goes_where_the_mode_says(play, tape):
    address, received = asked(play, tape, b"GET http://evil/x HTTP/1.1\r\nHost: evil", "reverse:http://b:8080")
    assert address == ("b", 8080)
    assert received == b"GET /x HTTP/1.1\r\nHost: b:8080\r\n\r\n"


def test_an_addon_may_move_a_request_in_reverse_mode(play, tape):
    class Moves:
        def request(self, flow):
            flow.request.host = "c"

    address, _ = asked(play, tape, b"GET /x HTTP/1.1\r\nHost: a", "reverse:http://b:8080", addons=[Moves()])
    assert address == ("c", 8080)


def test_h1_27_an_http_parent_gets_the_whole_url(play, tape):
    scenario = play("upstream:http://parent:3128", addons=[tape])
    client = scenario.client()
    client.sends(b"GET http://a:81/x?y HTTP/1.1\r\nHost: a:81\r\nProxy-Authorization: Basic eDp5\r\nX: 1\r\n\r\n")
    (server,) = scenario.servers
    assert server.address == ("parent", 3128)
    received = server.received()
    assert received.startswith(b"GET http://a:81/x?y HTTP/1.1\r\nHost: a:81\r\n")
    assert b"Proxy-Authorization: Basic eDp5\r\n" in received
    server.sends(OK)
    assert client.received() == OK
