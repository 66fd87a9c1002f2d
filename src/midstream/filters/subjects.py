"""What the atoms of a filter look at: small functions from a flow to the thing that is compared."""

from collections.abc import Iterator

from midstream.flow import Body, DNSFlow, DNSMessage, Flow, Headers, HTTPFlow, Message, Response, TCPFlow, UDPFlow

Side = bool | None
"""True for the client's side (requests), False for the server's (responses), None for both."""


def response_of(flow: Flow) -> Response | None:
    return flow.response if isinstance(flow, HTTPFlow) else None


def messages(flow: Flow, side: Side) -> Iterator[Message]:
    """Give the request, the response, or both."""
    if isinstance(flow, HTTPFlow):
        if side is not False:
            yield flow.request
        if side is not True and flow.response is not None:
            yield flow.response


def headers(flow: Flow, side: Side) -> Iterator[Headers]:
    for message in messages(flow, side):
        yield message.headers


def bodies(flow: Flow, side: Side) -> Iterator[bytes]:
    """Give decoded HTTP bodies, all messages of a WebSocket, TCP or UDP connection, and DNS messages as text."""
    for message in messages(flow, side):
        content = message.get_content(strict=False)
        if content is not None:
            yield content
    for from_client, content in _pieces(flow):
        if side is None or side is from_client:
            yield content
    for dns_message in _dns_messages(flow, side):
        yield str(dns_message).encode("utf-8", "surrogateescape")


def size(flow: Flow, side: Side) -> int | None:
    """Count the bytes of bodies and messages, as on the wire; None if nothing is known of them."""
    sizes = [_body_size(message) for message in messages(flow, side)]
    sizes += [len(content) for from_client, content in _pieces(flow) if side is None or side is from_client]
    sizes += [dns_message.size for dns_message in _dns_messages(flow, side)]
    known = [count for count in sizes if count is not None]
    return sum(known) if known else None


def duration(flow: Flow) -> float | None:
    """Give the seconds from the first byte of the request to the last of the answer; None while that is to come."""
    end: float | None = None
    if isinstance(flow, HTTPFlow):
        if flow.response is not None:
            end = flow.response.timestamp_end
    elif isinstance(flow, DNSFlow):
        end = None if flow.response is None else flow.response.timestamp
    elif isinstance(flow, (TCPFlow, UDPFlow)):
        end = flow.client_conn.timestamp_end
    return None if end is None else end - flow.timestamp_start


def versions(flow: Flow) -> Iterator[str]:
    for message in messages(flow, None):
        yield message.http_version.upper().removeprefix("HTTP/")


def block(fields: Headers) -> bytes:
    """Give the header section with one line per field."""
    return b"\n".join([b"%s: %s" % pair for pair in fields.pairs])


def _dns_messages(flow: Flow, side: Side) -> Iterator[DNSMessage]:
    if isinstance(flow, DNSFlow):
        if side is not False:
            yield flow.request
        if side is not True and flow.response is not None:
            yield flow.response
            yield from flow.transfer[1:]


def _pieces(flow: Flow) -> Iterator[tuple[bool, bytes]]:
    if isinstance(flow, HTTPFlow):
        if flow.websocket is not None:
            for message in flow.websocket.messages:
                yield message.from_client, message.content
    elif isinstance(flow, (TCPFlow, UDPFlow)):
        for piece in flow.messages:
            yield piece.from_client, piece.content


def _body_size(message: Message) -> int | None:
    body = message.body
    if isinstance(body, Body):
        return body.size
    if body is not None:
        return len(body)
    announced = message.headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else None
