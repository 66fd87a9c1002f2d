import ipaddress

import dns.rdata
import pytest

from midstream.errors import UsageError
from midstream.flow import Question, ResourceRecord, ServiceBinding
from midstream.flow.dnsrecord import generic_text

ZONE = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "MX": "10 mail.example.com.",
    "SOA": "ns.example.com. host.example.com. 1 2 3 4 5",
    "SRV": "1 2 443 host.example.com.",
    "TXT": '"one two" "three"',
    "CAA": '0 issue "ca.example"',
    "DS": "12345 13 2 " + "ab" * 32,
    "TLSA": "3 1 1 " + "cd" * 32,
    "NAPTR": '1 2 "s" "SIP+D2U" "" _sip.example.com.',
    "HTTPS": '1 . alpn="h2,h3" ipv4hint="192.0.2.1"',
    "SSHFP": "4 2 " + "ef" * 32,
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",
    "TYPE65400": r"\# 3 010203",
}


@pytest.mark.parametrize("kind", ZONE)
def test_dns_19_data_as_zone_files_show_it(kind):
    record = ResourceRecord.from_json({"name": "x.example", "type": kind, "class": "IN", "ttl": 5, "data": ZONE[kind]})
    assert record.data_text == ZONE[kind]
    assert record.type_name == kind
    assert str(record) == f"x.example 5 IN {kind} {ZONE[kind]}"
    assert ResourceRecord.from_json(record.to_json()) == record
    judge = dns.rdata.from_wire(1, record.type, record.data, 0, len(record.data))
    assert judge.to_wire() == record.data


def test_makers_and_what_they_mean():
    name = "x.example"
    assert ResourceRecord.A(name, "192.0.2.1").ipv4_address == ipaddress.IPv4Address("192.0.2.1")
    assert ResourceRecord.AAAA(name, "::1", ttl=7) == ResourceRecord(name, 28, 1, 7, b"\0" * 15 + b"\1")
    assert ResourceRecord.AAAA(name, "::1").ipv6_address == ipaddress.IPv6Address("::1")
    assert ResourceRecord.CNAME(name, "y.example").domain_name == "y.example"
    assert str(ResourceRecord.PTR("1.2.0.192.in-addr.arpa", "")) == "1.2.0.192.in-addr.arpa 60 IN PTR ."
    assert ResourceRecord.TXT(name, "ä" * 200).text == "ä" * 200
    assert ResourceRecord.TXT(name, "").data == b"\0"
    binding = ServiceBinding(1, "", {1: b"\2h2"})
    assert ResourceRecord.HTTPS(name, binding).service == binding


def test_data_can_be_changed_by_its_meaning():
    record = ResourceRecord.A("x", "192.0.2.1")
    record.ipv4_address = "192.0.2.2"
    assert record.data_text == "192.0.2.2"
    record = ResourceRecord.AAAA("x", "::1")
    record.ipv6_address = "::2"
    assert record.data_text == "::2"
    record = ResourceRecord.CNAME("x", "y")
    record.domain_name = "z"
    assert record.data == b"\1z\0"
    record = ResourceRecord.TXT("x", "y")
    record.text = "z"
    assert record.data == b"\1z"
    record = ResourceRecord.HTTPS("x", ServiceBinding(1, ""))
    assert (record.https_alpn, record.https_ech) == (None, None)
    record.https_alpn, record.https_ech = [b"h2", b"h3"], b"key"
    assert record.service.params == {1: b"\2h2\2h3", 5: b"key"}
    record.https_alpn = record.https_ech = None
    assert record.data == b"\0\1\0"
    record.data_text = "2 . port=8443"
    assert record.service == ServiceBinding(2, "", {3: (8443).to_bytes(2, "big")})


@pytest.mark.parametrize("kind", [1, 28, 5, 15, 64])
def test_dns_19_data_that_is_not_what_its_type_says(kind):
    record = ResourceRecord("x", kind, data=b"\1\2\3")
    assert record.data_text == r"\# 3 010203"
    for attribute in ("ipv4_address", "ipv6_address", "domain_name", "text", "service"):
        with pytest.raises(ValueError):
            getattr(record, attribute)


def test_a_name_with_something_behind_it_is_no_name():
    assert ResourceRecord("x", 5, data=b"\1a\0!").data_text == generic_text(b"\1a\0!")


def test_options_of_edns():
    assert str(ResourceRecord("", 41, 1232, 0, b"")) == ". OPT udp 1232"
    option = ResourceRecord("", 41, 1232, 0, b"\0\x0a\0\0")
    assert str(option) == r". OPT udp 1232 \# 4 000a0000"
    assert ResourceRecord.from_json(option.to_json()) == option


@pytest.mark.parametrize(
    ("kind", "text"), [("A", "x"), ("MX", "mail"), ("TYPE65400", "x"), ("A", r"\# 4 0102"), ("A", r"\# 1 zz")]
)
def test_texts_that_are_no_data(kind, text):
    with pytest.raises(UsageError):
        ResourceRecord.from_json({"name": "x", "type": kind, "class": "IN", "ttl": 5, "data": text})


def test_questions():
    question = Question("x.example", 65)
    assert str(question) == "x.example IN HTTPS"
    assert Question.from_json(question.to_json()) == question
    assert str(Question("", 2, 3)) == ". CH NS"
