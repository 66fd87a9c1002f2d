"""DNS messages as text."""

import base64
from collections.abc import Iterator, Sequence

from midstream.addon import DNSFlow, DNSMessage, Message, Request
from midstream.addons import harmless

OVER_HTTP = "application/dns-message"
SHOWN_ANSWERS = 4
"""How many answers stand in one line."""


def asked(flow: DNSFlow) -> str:
    """Return what is asked for: `A example.com`."""
    questions = (f"{question.type_name} {question.name or '.'}" for question in flow.request.questions)
    return harmless.line(", ".join(questions)) or "(no question)"


def answered(response: DNSMessage) -> str:
    """Return what was answered, in a few words: `NOERROR 192.0.2.1`, `NXDOMAIN`."""
    data = [record.data_text for record in response.answers]
    more = [f"and {len(data) - SHOWN_ANSWERS} more"] if len(data) > SHOWN_ANSWERS else []
    return harmless.line(f"{response.response_code_name} {', '.join(data[:SHOWN_ANSWERS] + more)}".rstrip())


def transferred(flow: DNSFlow) -> str:
    """Return what a zone transfer brought: `NOERROR, 3 messages`."""
    assert flow.response is not None
    code = (flow.transfer or [flow.response])[-1].response_code_name
    return f"{code}, {flow.transferred} {'message' if flow.transferred == 1 else 'messages'}"


def over_http(message: Message, body: bytes) -> DNSMessage | None:
    """Return the DNS message that an HTTP message with this body carries (RFC 8484 §4.1), if it is one that can be read."""
    in_url = ""
    if isinstance(message, Request) and not body and OVER_HTTP in message.headers.get("accept", ""):
        in_url = message.query.get("dns", "")
    elif message.headers.get("content-type", "").partition(";")[0].strip().lower() != OVER_HTTP:
        return None
    try:
        return DNSMessage.unpack(body or base64.urlsafe_b64decode(in_url + "=" * (-len(in_url) % 4)))
    except ValueError:
        return None


def lines(message: DNSMessage, *, is_whole: bool) -> Iterator[str]:
    """Yield header, questions and records; authorities and additional records only if all is wanted."""
    yield f"id {message.id}, {', '.join(_flags(message))}"
    sections: list[tuple[str, Sequence[object]]] = [("question", message.questions), ("answer", message.answers)]
    if is_whole:
        sections += [("authority", message.authorities), ("additional", message.additionals)]
    for title, section in sections:
        for part in section:
            yield f"{title}: {harmless.line(str(part))}"


def _flags(message: DNSMessage) -> Iterator[str]:
    yield "query" if message.query else message.response_code_name
    for claim, is_so in (
        ("authoritative", message.authoritative_answer),
        ("truncated", message.truncation),
        ("recursion desired", message.recursion_desired),
        ("recursion available", message.recursion_available),
        ("authentic data", message.reserved & 2),
        ("checking disabled", message.reserved & 1),
    ):
        if is_so:
            yield claim
