"""Every atom of the filter language: its name, what it takes, what it says, and how it tests a flow."""

import re
from collections.abc import Callable, Iterator

import msgspec

from midstream.filters import subjects
from midstream.filters.filter import Term, Test
from midstream.filters.ranges import (
    Reader,
    compile_ranges,
    is_exact,
    read_duration,
    read_moment,
    read_size,
    read_status,
)
from midstream.filters.subjects import Side
from midstream.flow import DNSFlow, Flow, HTTPFlow
from midstream.flow.url import with_port

_ASSETS = re.compile(rb"(text|application)/(x-)?javascript|text/css|image/|font/|application/font", re.IGNORECASE)


class Atom(msgspec.Struct, frozen=True):
    """One word of the language."""

    name: str
    takes: str
    """What follows: nothing, `regex`, or the kind of range (`status`, `size`, …)."""
    help: str
    build: Callable[[str, int], Term]
    """Makes the test out of the argument and regex flags. Raises ValueError or `re.error` for a bad argument."""

    @property
    def usage(self) -> str:
        return f"~{self.name} {self.takes}".rstrip()


def _flag(name: str, help_text: str, test: Test, text: str) -> Atom:
    return Atom(name, "", help_text, lambda _argument, _flags: Term(test, text))


def _text(name: str, help_text: str, read: Callable[[Flow], Iterator[str]], text: str, flags: int = 0) -> Atom:
    """An atom whose regex looks at texts; one of them has to match."""

    def build(argument: str, more: int) -> Term:
        search = re.compile(argument, flags | more).search
        return Term(lambda flow: any(search(found) for found in read(flow)), f"{text} matches {argument!r}")

    return Atom(name, "regex", help_text, build)


def _bytes(
    name: str,
    help_text: str,
    read: Callable[[Flow, Side], Iterator[bytes]],
    text: str,
    side: Side = None,
    flags: int = 0,
    needs_body: bool = False,
) -> Atom:
    """An atom whose regex looks at bytes; one of them has to match."""

    def build(argument: str, more: int) -> Term:
        search = re.compile(argument.encode("utf-8", "surrogateescape"), flags | more).search

        def test(flow: Flow) -> bool:
            return any(search(found) for found in read(flow, side))

        return Term(test, f"{text} matches {argument!r}", needs_body)

    return Atom(name, "regex", help_text, build)


def _range(
    name: str, help_text: str, read: Callable[[Flow], float | None], text: str, takes: str, reader: Reader
) -> Atom:
    """An atom that compares a number; a flow that has none does not match."""

    def build(argument: str, _flags: int) -> Term:
        if reader is read_duration and is_exact(argument):
            raise ValueError(f"expected a comparison or a range: >{argument}, <{argument} or {argument}-…")
        contains = compile_ranges(argument, reader)

        def test(flow: Flow) -> bool:
            number = read(flow)
            return number is not None and contains(number)

        return Term(test, f"{text} is {argument}")

    return Atom(name, takes, help_text, build)


def _sides(
    name: str,
    what: str,
    read: Callable[[Flow, Side], Iterator[bytes]],
    text: str,
    flags: int = 0,
    needs_body: bool = False,
) -> list[Atom]:
    """The same atom for both sides, requests (`q`) and responses (`s`)."""
    return [
        _bytes(name, f"{what} of request or response", read, text, None, flags, needs_body),
        _bytes(name + "q", f"{what} of the request", read, f"request {text}", True, flags, needs_body),
        _bytes(name + "s", f"{what} of the response", read, f"response {text}", False, flags, needs_body),
    ]


def _is_exchange(flow: Flow) -> bool:
    return flow.type in ("http", "dns")


def _has_response(flow: Flow) -> bool:
    return getattr(flow, "response", None) is not None


def _is_asset(flow: Flow) -> bool:
    response = subjects.response_of(flow)
    return response is not None and any(map(_ASSETS.match, _content_types(flow, False)))


def _content_types(flow: Flow, side: Side) -> Iterator[bytes]:
    return (value for fields in subjects.headers(flow, side) for value in _values(fields.pairs, b"content-type"))


def _values(pairs: list[tuple[bytes, bytes]], name: bytes) -> Iterator[bytes]:
    return (value for own, value in pairs if own.lower() == name)


def _blocks(flow: Flow, side: Side) -> Iterator[bytes]:
    return (subjects.block(fields) for fields in subjects.headers(flow, side))


def _names(flow: Flow, side: Side) -> Iterator[bytes]:
    return (name for fields in subjects.headers(flow, side) for name, _ in fields.pairs)


def _field_values(flow: Flow, side: Side) -> Iterator[bytes]:
    return (value for fields in subjects.headers(flow, side) for _, value in fields.pairs)


def _method(flow: Flow, _side: Side) -> Iterator[bytes]:
    if isinstance(flow, HTTPFlow):
        yield flow.request.data.method


def _hosts(flow: Flow) -> Iterator[str]:
    if isinstance(flow, HTTPFlow):
        yield flow.request.host
        yield flow.request.pretty_host


def _urls(flow: Flow) -> Iterator[str]:
    if isinstance(flow, HTTPFlow):
        yield flow.request.pretty_url
    elif isinstance(flow, DNSFlow):
        yield from (question.name for question in flow.request.questions[:1])


def _source(flow: Flow) -> Iterator[str]:
    if flow.client_conn.peername:
        yield with_port(*flow.client_conn.peername[:2])


def _destination(flow: Flow) -> Iterator[str]:
    if flow.server_conn.address:
        yield with_port(*flow.server_conn.address[:2])


def _metadata(flow: Flow) -> Iterator[str]:
    yield "\n".join(f"{key}: {value}" for key, value in flow.metadata.items())


def _sni(flow: Flow) -> Iterator[str]:
    if flow.client_conn.sni:
        yield flow.client_conn.sni


def _status(flow: Flow) -> int | None:
    response = subjects.response_of(flow)
    return None if response is None else response.status_code


def _version(argument: str, _flags: int) -> Term:
    wanted = argument.upper().removeprefix("HTTP/").removeprefix("H")
    if not re.fullmatch(r"[0-9](\.[0-9])?", wanted):
        raise ValueError(f"expected an HTTP version such as 1, 1.1, 2 or 3, not {argument!r}")

    def test(flow: Flow) -> bool:
        return any(found == wanted or found.partition(".")[0] == wanted for found in subjects.versions(flow))

    return Term(test, f"HTTP version is {wanted}")


_ALL = [
    _flag("all", "every flow", lambda _flow: True, "every flow"),
    _flag("http", "HTTP flows", lambda flow: flow.type == "http", "HTTP"),
    _flag("tcp", "TCP flows", lambda flow: flow.type == "tcp", "TCP"),
    _flag("udp", "UDP flows", lambda flow: flow.type == "udp", "UDP"),
    _flag("dns", "DNS flows", lambda flow: flow.type == "dns", "DNS"),
    _flag(
        "websocket",
        "HTTP flows that became WebSocket connections",
        lambda flow: isinstance(flow, HTTPFlow) and flow.websocket is not None,
        "WebSocket",
    ),
    _flag("q", "a request without response", lambda flow: _is_exchange(flow) and not _has_response(flow), "unanswered"),
    _flag("s", "there is a response", lambda flow: _is_exchange(flow) and _has_response(flow), "answered"),
    _flag("e", "the flow failed", lambda flow: flow.error is not None, "failed"),
    _flag("a", "an asset by the response's content type: script, style, image, font", _is_asset, "an asset"),
    _flag("marked", "marked by the user", lambda flow: bool(flow.marked), "marked"),
    _text("marker", "the marker", lambda flow: iter([flow.marked]), "marker"),
    _text("comment", "the comment", lambda flow: iter([flow.comment]), "comment", re.MULTILINE),
    _text("meta", "the metadata, as lines `key: value`", _metadata, "metadata", re.MULTILINE),
    _flag("replay", "replayed", lambda flow: flow.is_replay is not None, "replayed"),
    _flag("replayq", "replayed request", lambda flow: flow.is_replay == "request", "a replayed request"),
    _flag("replays", "replayed response", lambda flow: flow.is_replay == "response", "a replayed response"),
    *_sides("b", "decoded body or message", subjects.bodies, "body", re.DOTALL, needs_body=True),
    *_sides("h", "header section, as lines `name: value`", _blocks, "header", re.MULTILINE),
    *_sides("hn", "a header's name", _names, "header name"),
    *_sides("hv", "a header's value", _field_values, "header value"),
    *_sides("t", "content type", _content_types, "content type"),
    _bytes("m", "the method", _method, "method"),
    _text("d", "the host name, as sent to or as the client named it", _hosts, "domain"),
    _text("u", "the URL (a regex alone means the same)", _urls, "URL"),
    _text("src", "the client's address and port", _source, "source"),
    _text("dst", "the server's address and port", _destination, "destination"),
    _text("sni", "the server name in the client's TLS hello", _sni, "SNI"),
    _range("c", "status of the response", _status, "status", "status", read_status),
    _range(
        "size", "bytes of all bodies or messages", lambda flow: subjects.size(flow, None), "size", "size", read_size
    ),
    _range("sizeq", "bytes sent", lambda flow: subjects.size(flow, True), "request size", "size", read_size),
    _range("sizes", "bytes received", lambda flow: subjects.size(flow, False), "response size", "size", read_size),
    _range("dur", "time from request to end of answer", subjects.duration, "duration", "duration", read_duration),
    _range("time", "when the flow began", lambda flow: flow.timestamp_start, "time", "time", read_moment),
    Atom("ver", "version", "HTTP version of request or response: 1, 1.1, 2, 3", _version),
]

ATOMS: dict[str, Atom] = {atom.name: atom for atom in _ALL}
"""The atoms by name, without tilde."""

HELP: list[tuple[str, str]] = [(atom.usage, atom.help) for atom in _ALL]
"""Usage and explanation of each atom, for people."""
