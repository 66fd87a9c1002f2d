import base64

import pytest

from midstream.addon import DNSFlow, DNSMessage, Error, HTTPFlow, Question, Request, ResourceRecord, Response
from midstream.addons.flowtext import FlowText
from midstream.flow import Client, Server

QUERY = DNSMessage(
    id=7, flags=0x0130, questions=[Question("www.example", 1)], additionals=[ResourceRecord("", 41, 1232)]
)


@pytest.fixture
def flow():
    made = DNSFlow(Client(peername=("127.0.0.1", 50000)), Server(address=("192.0.2.53", 53)), request=QUERY.copy())
    made.request.id = 7
    return made


def test_one_line(flow):
    text = FlowText(detail=1)
    assert text.dns(flow) == "127.0.0.1:50000 DNS A www.example\n"
    flow.response = flow.request.succeed([ResourceRecord.A("www.example", f"192.0.2.{n}") for n in range(1, 4)])
    assert text.dns(flow) == "127.0.0.1:50000 DNS A www.example << NOERROR 192.0.2.1, 192.0.2.2, 192.0.2.3\n"
    flow.response.answers += flow.response.answers
    assert text.dns(flow).endswith("<< NOERROR 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.1, and 2 more\n")
    flow.response = flow.request.fail(3)
    assert text.dns(flow).endswith("<< NXDOMAIN\n")
    flow.error = Error("too late")
    assert text.dns(flow).endswith("<< NXDOMAIN << too late\n")


def test_dns_17_questions_that_are_none_or_several(flow):
    flow.request.questions = []
    assert FlowText(detail=1).dns(flow) == "127.0.0.1:50000 DNS (no question)\n"
    flow.request.questions = [Question("", 2), Question("a.b", 65400)]
    assert FlowText(detail=1).dns(flow) == "127.0.0.1:50000 DNS NS ., TYPE65400 a.b\n"


def test_all_that_is_known(flow):
    flow.response = flow.request.succeed([ResourceRecord.A("www.example", "192.0.2.1")])
    flow.response.authorities = [ResourceRecord("example", 2, 1, 60, b"\2ns\0")]
    lines = FlowText(detail=2).dns(flow).splitlines()
    assert lines[1:] == [
        "    id 7, query, recursion desired, authentic data, checking disabled",
        "    question: www.example IN A",
        "  <<",
        "    id 7, NOERROR, recursion desired, recursion available",
        "    question: www.example IN A",
        "    answer: www.example 60 IN A 192.0.2.1",
        "",
    ]
    whole = FlowText(detail=4).dns(flow)
    assert "    additional: . OPT udp 1232\n" in whole
    assert "    authority: example 60 IN NS ns\n" in whole
    assert "  client: 127.0.0.1:50000\n" in whole


def test_colours(flow):
    flow.response = flow.request.fail(2)
    assert "\x1b[31mSERVFAIL\x1b[0m" in FlowText(detail=1, is_coloured=True).dns(flow)
    flow.response = flow.request.succeed([])
    assert "\x1b[32mNOERROR\x1b[0m" in FlowText(detail=1, is_coloured=True).dns(flow)


def test_names_cannot_harm_the_terminal(flow):
    flow.request.questions[0].name = "\x1b[31m"
    assert "\x1b" not in FlowText(detail=3).dns(flow)


def test_zone_transfers(flow):
    flow.response = flow.request.succeed([ResourceRecord.A("www.example", "192.0.2.1")])
    flow.transferred, flow.transfer = 3, [flow.response, flow.request.fail(2)]
    assert FlowText(detail=1).dns(flow).endswith("<< SERVFAIL, 3 messages\n")
    lines = FlowText(detail=2).dns(flow).splitlines()
    assert [line for line in lines if "NOERROR" in line or "SERVFAIL" in line] == [
        "127.0.0.1:50000 DNS A www.example << SERVFAIL, 3 messages",
        "    id 7, NOERROR, recursion desired, recursion available",
        "    id 7, SERVFAIL, recursion desired, recursion available",
    ]
    flow.transferred, flow.transfer = 1, []
    assert FlowText(detail=1).dns(flow).endswith("<< NOERROR, 1 message\n")


KIND = {"content-type": "application/dns-message"}


def shown(message):
    flow = HTTPFlow(Client(peername=("127.0.0.1", 50000)), Server())
    flow.request = message if isinstance(message, Request) else Request.make("GET", "https://dns.example/")
    flow.response = message if isinstance(message, Response) else None
    return FlowText(detail=3).http(flow)


@pytest.mark.parametrize("kind", ["application/dns-message", "Application/DNS-message; charset=x"])
def test_dns_24_bodies_of_dns_over_https(kind):
    text = shown(Request.make("POST", "https://dns.example/dns-query", QUERY.packed, {"content-type": kind}))
    assert "    id 7, query, recursion desired" in text
    assert "    question: www.example IN A\n" in text
    answer = QUERY.succeed([ResourceRecord.A("www.example", "192.0.2.1")])
    assert "    answer: www.example 60 IN A 192.0.2.1\n" in shown(
        Response.make(200, answer.packed, {"content-type": kind})
    )


def test_dns_24_queries_in_urls():
    encoded = base64.urlsafe_b64encode(QUERY.packed).rstrip(b"=").decode()
    url = f"https://dns.example/dns-query?dns={encoded}"
    assert "    question: www.example IN A\n" in shown(Request.make("GET", url, b"", {"accept": KIND["content-type"]}))
    assert "question" not in shown(Request.make("GET", url))


@pytest.mark.parametrize(
    "message",
    [
        Request.make("GET", "https://x/?dns=AAAA", b"", {"accept": KIND["content-type"]}),
        Request.make("GET", "https://x/?dns=A", b"", {"accept": KIND["content-type"]}),
        Request.make("GET", "https://x/?dns=%C3%A9", b"", {"accept": KIND["content-type"]}),
        Request.make("GET", "https://x/", b"", {"accept": KIND["content-type"]}),
        Request.make("POST", "https://x/", QUERY.packed, {"content-type": "application/octet-stream"}),
        Request.make("POST", "https://x/", QUERY.packed[:-1], KIND),
        Response.make(200, b"", KIND),
    ],
)
def test_dns_24_what_is_no_dns_is_shown_as_it_is(message):
    assert "question" not in shown(message)
