"""Feed the DNS reader damaged messages; it may return a message or raise `DNSFormatError`, nothing else.

With atheris installed it is the guide: `python fuzz/fuzz_dns.py [libFuzzer's arguments]`. Without it messages are damaged at
random: `python fuzz/fuzz_dns.py [--seed N] [--rounds N]`.
"""

import harness

from midstream.errors import UsageError
from midstream.flow import DNSMessage, Question, ResourceRecord
from midstream.flow.dnsname import DNSFormatError
from midstream.wire.dns import answers, failure, questions_end, truncated

INTERESTING = (0x00, 0x01, 0x0C, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF)
ZONE = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "NS": "ns.example.com.",
    "MX": "10 mail.example.com.",
    "SOA": "ns.example.com. host.example.com. 1 2 3 4 5",
    "SRV": "1 2 443 host.example.com.",
    "TXT": '"one two" "three"',
    "CAA": '0 issue "ca.example"',
    "NAPTR": '1 2 "s" "SIP+D2U" "" _sip.example.com.',
    "HTTPS": '1 . alpn="h2,h3" ipv4hint="192.0.2.1" ech="AAT+DQAA"',
    "DNSKEY": "257 3 13 " + "a" * 86 + "==",
    "NSEC": "host.example.com. A MX RRSIG NSEC TYPE1234",
    "RRSIG": "A 13 2 3600 20260101000000 20250101000000 12345 example.com. " + "a" * 86 + "==",
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",
    "APL": "1:192.0.2.0/24 !2:2001:db8::/32",
    "TLSA": "3 1 1 " + "cd" * 32,
    "SSHFP": "4 2 " + "ef" * 32,
    "URI": '10 1 "https://example.com/"',
    "AMTRELAY": "10 0 1 192.0.2.1",
    "IPSECKEY": "10 1 2 192.0.2.1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
}


def check(data: bytes) -> None:
    """Hold the reader to what it promises about `data`."""
    if len(data) >= 12:
        assert answers(data, failure(data, 2))
        questions_end(data)
        truncated(data, 12)
    try:
        message = DNSMessage.unpack(data)
    except DNSFormatError:
        return
    assert message.packed == data
    str(message)
    message.to_json()
    message.id ^= 1
    try:
        again = DNSMessage.unpack(message.packed)
    except (UsageError, DNSFormatError):
        return
    assert again.questions == message.questions
    for record in (*message.answers, *message.additionals):
        if record.type in {64, 65}:
            try:
                record.https_ech = None
                record.https_alpn = record.https_alpn
            except (ValueError, UsageError):
                continue


def seeds() -> list[bytes]:
    """Make a message of each type of record, and one of all of them."""
    records = [
        ResourceRecord.from_json(
            {"name": f"{kind.lower()}.www.example.com", "type": kind, "class": "IN", "ttl": 60, "data": text}
        )
        for kind, text in ZONE.items()
    ]
    options = ResourceRecord("", 41, 1232, 0, b"\0\x0a\0\x08" + bytes(8))
    asked = [Question("www.example.com", 255)]
    each = [DNSMessage(id=7, flags=0x8180, questions=asked, answers=[record]).packed for record in records]
    return [DNSMessage(id=7, questions=asked, answers=records, additionals=[options]).packed, *each]


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: harness.damaged(chance, corpus, INTERESTING))
