"""From HTTP/2 to HTTP/1.1: what a head has to change to say the same (RFC 9113 §8.3.1, §8.2.3).

The other way needs nothing here: the engines make HTTP/2 of any head they are told to send.
"""

from midstream.wire.events import Fields, RequestHead, ResponseHead

_VERSION = b"HTTP/1.1"


def http1_request(head: RequestHead) -> RequestHead:
    """Return a request that came by HTTP/2 as HTTP/1.1 would have said it.

    Host comes first and names the authority (H2-29); cookies that came in crumbs are one field, where the first one stood (H2-31);
    a TE field has its Connection option (RFC 9110 §10.1.4).
    """
    fields = join_cookies(head.headers)
    for at, (name, _) in enumerate(fields):
        if name.lower() == b"te":
            fields.insert(at, (b"Connection", b"TE"))
            break
    host = head.authority or head.host
    if host is not None:
        fields = [(b"Host", host), *(field for field in fields if field[0].lower() != b"host")]
    return RequestHead(
        head.method,
        head.target,
        _VERSION,
        fields,
        head.body_size,
        faults=head.faults,
        host=host,
        expects_continue=head.expects_continue,
    )


def http1_response(head: ResponseHead, reason: bytes) -> ResponseHead:
    """Return a response that came by HTTP/2 as HTTP/1.1 would have said it; HTTP/2 has no reason phrases."""
    return ResponseHead(head.status, reason, _VERSION, head.headers.copy(), head.body_size, faults=head.faults)


def join_cookies(fields: Fields) -> Fields:
    """Return the fields with all Cookie fields as one, in their order."""
    crumbs = [value for name, value in fields if name == b"cookie"]
    if len(crumbs) < 2:
        return fields.copy()
    at = [name for name, _ in fields].index(b"cookie")
    joined = [field for field in fields if field[0] != b"cookie"]
    joined.insert(at, (b"cookie", b"; ".join(crumbs)))
    return joined
