import asyncio
import io
import subprocess
import sys
import urllib.request

import pytest

from midstream.addon import OptionsError
from midstream.addons.dumper import Dumper, is_coloured
from midstream.hooks.spec import HOOKS

GET = b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LINE = "127.0.0.1:50000 GET http://a.test/x << 200 OK 2b\n"


class Dump:
    """A proxy with a dumper, and what it printed."""

    def __init__(self, scenario, mode="regular", **options):
        self.stream = io.StringIO()
        self.dumper = Dumper(self.stream)
        self.proxy = scenario(mode, (self.dumper,), **options)

    def fetch(self, request: bytes = GET, answer: bytes = OK):
        before = len(self.proxy.servers)
        client = self.proxy.client()
        client.sends(request)
        server = self.proxy.servers[before if len(self.proxy.servers) > before else 0]
        server.sends(answer, piece=10)
        return client

    @property
    def printed(self) -> str:
        asyncio.run(self.dumper.done())
        return self.stream.getvalue()


@pytest.fixture
def dump(scenario):
    return lambda *args, **options: Dump(scenario, *args, **options)


def test_flows_are_printed_as_they_finish(dump):
    made = dump()
    made.fetch()
    assert made.printed == LINE


def test_with_detail_0_there_is_no_hook(dump):
    made = dump(flow_detail=0)
    hooks = made.proxy.hooks
    own = [h.addon for hook in HOOKS if hook.group != "Life of an addon" for h in getattr(hooks, hook.name)]
    assert not any(name.startswith("dumper") for name in own)
    made.fetch()
    made.proxy.options.update(flow_detail=1)
    made.fetch()
    made.proxy.options.update(flow_detail=0)
    made.fetch()
    assert made.printed == LINE


def test_it_only_looks(dump):
    made = dump(flow_detail=4, dumper_filter="~b ok")
    assert not made.proxy.hooks.holds_response
    made.fetch()
    assert LINE in made.printed


def test_the_filter_chooses(dump):
    made = dump(dumper_filter="~c 404")
    made.fetch()
    made.fetch(answer=OK.replace(b"200 OK", b"404 No"))
    assert made.printed == LINE.replace("200 OK", "404 No")


def test_a_filter_of_bodies_works_on_what_was_kept(dump):
    made = dump(dumper_filter="~bs needle", body_memory=20)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    for body in (b"a needle", b"nothing", b"a needle in a large haystack"):
        made.fetch(answer=answer % (len(body), body))
    assert made.printed == LINE.replace("2b", "8b")


def test_a_filter_that_cannot_be_read_is_refused(dump):
    with pytest.raises(OptionsError, match="dumper_filter: "):
        dump(dumper_filter="~nonsense")


def test_a_refused_filter_leaves_the_one_before(dump):
    made = dump(dumper_filter="~c 200")
    with pytest.raises(OptionsError):
        made.proxy.options.update(dumper_filter="~c (")
    made.fetch()
    assert made.printed == LINE


def test_other_options_are_nothing_to_it(dump):
    made = dump()
    before = made.proxy.hooks.response
    made.proxy.options.update(onboarding=False)
    assert [handler.call for handler in made.proxy.hooks.response] == [handler.call for handler in before]


def test_showhost(dump):
    made = dump("reverse:http://192.0.2.9", showhost=True, keep_host_header=True)
    made.fetch(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert made.printed == LINE


def test_failures_are_printed_once(dump):
    made = dump()
    made.proxy.unreachable["a.test", 0] = OSError(113, "No route to host")
    made.proxy.client().sends(GET)
    made.proxy.client().sends(CONNECT)
    assert made.printed == (
        "127.0.0.1:50000 GET http://a.test/x << cannot connect to a.test:80: No route to host\n"
        "127.0.0.1:50000 CONNECT a.test:443 << cannot connect to a.test:443: No route to host\n"
    )


def test_connect_is_not_printed_where_it_works(dump):
    made = dump()
    client = made.proxy.client()
    client.sends(CONNECT)
    client.sends(GET.replace(b"http://a.test", b""))
    made.proxy.servers[0].sends(OK)
    assert made.printed == LINE.replace("a.test", "a.test:443")


def test_tcp_flows_have_a_line_at_their_end(dump):
    made = dump("reverse:tcp://db.test:5432")
    assert made.proxy.hooks.tcp_message == ()
    client = made.proxy.client()
    client.sends(b"select 1;")
    client.leaves()
    made.proxy.servers[0].leaves()
    assert made.printed.startswith("127.0.0.1:50000 <-> tcp <-> db.test:5432 ")


def test_tcp_messages_from_detail_3_on(dump):
    made = dump("reverse:tcp://db.test:5432", flow_detail=3)
    client = made.proxy.client()
    client.sends(b"select 1;")
    made.proxy.servers[0].sends(b"\x00\x01\xff\xfe")
    client.ends()
    made.proxy.servers[0].ends()
    assert made.printed == (
        "127.0.0.1:50000 -> tcp -> db.test:5432\n\n    select 1;\n"
        "127.0.0.1:50000 <- tcp <- db.test:5432\n\n"
        "    00000000  00 01 ff fe                                       ....\n"
        "127.0.0.1:50000 <-> tcp <-> db.test:5432 closed (first closed by client: FIN)\n"
    )


def test_messages_inside_bodies_from_detail_3_on(dump):
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: a\n\n"
    call = b"POST http://a.test/S/M HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/grpc\r\nContent-Length: 6\r\n\r\n"
    for detail, is_shown in ((2, False), (3, True)):
        made = dump(flow_detail=detail)
        assert bool(made.proxy.hooks.sse_event) is bool(made.proxy.hooks.grpc_message) is is_shown
        made.fetch(answer=events)
        made.fetch(request=call + b"\0\0\0\0\x01b")
        assert ("127.0.0.1:50000 <- event message <- a.test:80\n\n    a\n" in made.printed) is is_shown
        assert ("127.0.0.1:50000 -> grpc S/M -> a.test:80\n\n    b\n" in made.printed) is is_shown


def test_messages_inside_bodies_are_printed_if_the_filter_wants_them(dump):
    made = dump(flow_detail=3, dumper_filter="~d b.test")
    made.fetch(answer=b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: a\n\n")
    call = b"POST http://a.test/S/M HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n"
    made.fetch(request=call + b"\0\0\0\0\0")
    assert made.printed == ""


def test_tcp_messages_are_kept_for_a_filter_of_bodies(dump):
    made = dump("reverse:tcp://db.test:5432", dumper_filter="~b select")
    for sent in (b"select 1;", b"begin;"):
        client = made.proxy.client()
        client.sends(sent)
        client.ends()
        made.proxy.servers[-1].ends()
    assert made.printed == "127.0.0.1:50000 <-> tcp <-> db.test:5432 closed\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals_unless_no_color_is_set(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert is_coloured(Terminal())
    assert not is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "")
    assert is_coloured(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(Terminal())


def test_without_a_stream_it_is_standard_output(scenario, capsys):
    dumper = Dumper()
    made = scenario(addons=(dumper,))
    client = made.client()
    client.sends(GET)
    made.servers[0].sends(OK)
    asyncio.run(dumper.done())
    assert capsys.readouterr().out == LINE


def test_in_an_engine(engine, ask, origin):
    stream = io.StringIO()

    async def main():
        async with origin(OK) as (port, _), engine(addons=[Dumper(stream)]) as opened:
            await ask(opened, b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % port)

    asyncio.run(main())
    assert stream.getvalue().endswith(" << 200 OK 2b\n")


def test_ui_22_a_reader_that_goes_away_ends_the_engine(engine, ask):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    async def main():
        async with engine(addons=[Dumper(Gone())]) as opened:
            await ask(opened, b"GET http://mid.st/ HTTP/1.1\r\nHost: mid.st\r\nConnection: close\r\n\r\n")
            await asyncio.wait_for(opened.serve_forever(), 10)

    asyncio.run(main())


def test_ui_22_the_command_ends_quietly_when_its_pipe_is_closed(confdir):
    arguments = ["dump", "--listen-port", "0", "--confdir", confdir, "--listen-host", "127.0.0.1"]
    command = [sys.executable, "-c", "from midstream.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = next(part for line in process.stderr for part in line.split() if part.startswith("http://127.0.0.1:"))
        process.stdout.close()
        proxied = urllib.request.build_opener(urllib.request.ProxyHandler({"http": address}))
        proxied.open("http://mid.st/trust-check", timeout=10).close()
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1"


def test_dns_flows_are_printed_when_they_end(dump):
    made = dump("dns", dns_name_servers=["192.0.2.53"])
    client = made.proxy.datagram_client()
    client.sends(QUERY)
    made.proxy.datagram_servers[0].sends(QUERY[:2] + b"\x81\x83" + QUERY[4:])
    client.sends(QUERY[:-1])
    assert made.printed == (
        "127.0.0.1:50000 DNS A www.example << NXDOMAIN\n"
        "127.0.0.1:50000 DNS (no question) << the query cannot be read: the message is cut\n"
    )


def test_dns_flows_are_chosen_by_the_filter(dump):
    made = dump("dns", dns_name_servers=["192.0.2.53"], dumper_filter="~u other")
    made.proxy.datagram_client().sends(QUERY)
    made.proxy.datagram_servers[0].sends(QUERY[:2] + b"\x81\x83" + QUERY[4:])
    assert made.printed == ""


@pytest.mark.parametrize("detail", [1, 3])
def test_udp_flows_are_printed(dump, detail):
    made = dump("reverse:udp://192.0.2.7:9", flow_detail=detail)
    client = made.proxy.datagram_client()
    client.sends(b"hello")
    made.proxy.datagram_servers[0].refuses()
    made.proxy.advance(100)
    client.sends(b"hello")
    made.proxy.datagram_servers[1].sends(b"you")
    made.proxy.advance(100)
    ends = (
        "127.0.0.1:50000 <-> udp <-> 192.0.2.7:9 << the server cannot be reached: Connection refused\n",
        "127.0.0.1:50000 <-> udp <-> 192.0.2.7:9 closed\n",
    )
    if detail == 1:
        assert made.printed == "".join(ends)
    else:
        assert "127.0.0.1:50000 -> udp -> 192.0.2.7:9\n\n    hello\n" + ends[0] in made.printed
        assert "127.0.0.1:50000 <- udp <- 192.0.2.7:9\n\n    you\n" + ends[1] in made.printed
