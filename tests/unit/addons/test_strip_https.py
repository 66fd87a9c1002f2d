import pytest

from midstream.addon import DNSFlow, DNSMessage, Question, ResourceRecord, ServiceBinding
from midstream.addons.strip_https import StripHttps
from midstream.flow import Client, Server
from midstream.options import Options
from midstream.testing import Scenario
from midstream.wire.dns import with_id

RECORD = ResourceRecord.HTTPS("x.example", ServiceBinding(1, "", {1: b"\2h2\2h3\5h3-29", 3: b"\1\xbb", 5: b"key"}))


@pytest.fixture
def stripped():
    def strip(record=RECORD, **options):
        flow = DNSFlow(Client(), Server(), request=DNSMessage(id=1, questions=[Question("x.example", 65)]))
        flow.response = flow.request.succeed([ResourceRecord(record.name, record.type, 1, 60, record.data)])
        StripHttps(**{"strips_ech": True, "strips_http3": True} | options).dns_response(flow)
        return flow.response.answers[0]

    return strip


def test_dns_23_ech_and_http3_are_taken_out(stripped):
    assert stripped().service.params == {1: b"\2h2", 3: b"\1\xbb"}
    assert stripped(strips_ech=False).service.params == {1: b"\2h2", 3: b"\1\xbb", 5: b"key"}
    assert stripped(strips_http3=False).service.params == {1: b"\2h2\2h3\5h3-29", 3: b"\1\xbb"}


def test_a_record_of_http3_alone_names_no_protocol_any_more(stripped):
    record = ResourceRecord.HTTPS("x.example", ServiceBinding(1, "", {1: b"\2h3"}))
    assert stripped(record).https_alpn is None


@pytest.mark.parametrize(
    "record",
    [
        ResourceRecord.A("x", "192.0.2.1"),
        ResourceRecord("x", 65, data=b"\0"),
        ResourceRecord.HTTPS("x", ServiceBinding(0, "y.example")),
        ResourceRecord.HTTPS("x", ServiceBinding(1, "", {1: b"\2h2"})),
        ResourceRecord.HTTPS("x", ServiceBinding(1, "", {1: b"\x09h2", 5: b"key"})),
    ],
)
def test_other_records_stay(stripped, record):
    assert stripped(record).data == record.data


@pytest.mark.parametrize(
    ("options", "is_wanted"),
    [
        ({"mode": ["regular"]}, False),
        ({"mode": ["regular", "dns"]}, True),
        ({"mode": ["reverse:dns://192.0.2.1"]}, True),
        ({"mode": ["dns"], "strip_ech": False, "strip_http3": False}, False),
        ({"mode": ["dns"], "strip_ech": False}, True),
    ],
)
def test_it_is_there_only_where_dns_is_spoken(options, is_wanted):
    assert (StripHttps.wanted(Options(**options)) is not None) == is_wanted


def test_what_is_left_reaches_the_client():
    scenario = Scenario("dns", addons=[StripHttps(strips_ech=True, strips_http3=True)], dns_name_servers=["192.0.2.53"])
    client = scenario.datagram_client()
    asked = DNSMessage(id=1, questions=[Question("x.example", 65)])
    client.sends(asked.packed)
    scenario.datagram_servers[0].sends(asked.succeed([RECORD]).packed)
    (reply,) = client.received()
    assert DNSMessage.unpack(with_id(reply, 1)).answers[0].https_ech is None
