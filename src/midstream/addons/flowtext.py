"""Flows as text, in the detail that the option `flow_detail` asks for. Nothing of a peer's reaches the terminal unescaped."""

from collections.abc import Iterator
from typing import Literal

import click

from midstream.addon import (
    Body,
    Connection,
    DNSFlow,
    Flow,
    GrpcCall,
    GrpcMessage,
    Headers,
    HTTPFlow,
    Message,
    Request,
    Response,
    Server,
    ServerSentEvent,
    TCPFlow,
    TCPMessage,
    UDPFlow,
    UDPMessage,
    WebSocketMessage,
)
from midstream.addons import dnstext, harmless

CUT_LINES = 60
CUT_CHARACTERS = 4096
"""What of a body detail 3 shows."""
CUT_URL = 300
"""What of a URL detail 1 shows."""

ORDERLY = frozenset((1000, 1001, 1005))
"""The codes with which WebSocket connections end as they should."""

Colour = Literal["red", "green", "yellow", "blue", "cyan", "magenta", "bright_black"]
_METHODS: dict[str, Colour] = {"GET": "green", "HEAD": "green", "DELETE": "red", "CONNECT": "blue"}


class FlowText:
    """Turns flows into text."""

    def __init__(self, *, detail: int, is_coloured: bool = False, shows_host: bool = False) -> None:
        self.detail = detail
        self.is_coloured = is_coloured
        self.shows_host = shows_host

    def http(self, flow: HTTPFlow) -> str:
        """Return a finished HTTP flow: one line, and as much more as wanted."""
        lines = [self._summary(flow)]
        if self.detail >= 2:
            lines += self._message(flow.request)
            if self.detail >= 4:
                for interim in flow.informational:
                    lines += [f"  {self._status(interim)}", *self._headers(interim.headers)]
            if flow.response is not None:
                lines += [f"  << {self._status(flow.response)}", *self._message(flow.response)]
            if self.detail >= 4:
                lines += self._facts(flow)
            lines.append("")
        return "\n".join(lines) + "\n"

    def grpc_message(self, flow: HTTPFlow, message: GrpcMessage) -> str:
        """Return one message of a gRPC call."""
        call = flow.grpc
        name = f"{call.service}/{call.method}" if call is not None else ""
        try:
            data, problem = message.data, ""
        except ValueError as error:
            data, problem = message.content, str(error)
        lines = [self._message_line(flow, f"grpc {name}", from_client=message.from_client)]
        lines += self._content(data)
        if problem:
            lines.append(self._style(f"    ({harmless.line(problem)})", "yellow"))
        return "\n".join(lines) + "\n"

    def sse_event(self, flow: HTTPFlow, event: ServerSentEvent) -> str:
        """Return one event of an event stream."""
        what = f"event {event.event or 'message'}" + (f" {event.id}" if event.id else "")
        lines = [self._message_line(flow, what, from_client=False)]
        lines += self._content(event.data.encode("utf-8", "surrogateescape"))
        return "\n".join(lines) + "\n"

    def websocket_message(self, flow: HTTPFlow, message: WebSocketMessage) -> str:
        """Return one message of a WebSocket connection."""
        what = " ".join(("websocket", "text" if message.is_text else "binary", *notes_on(message)))
        lines = [self._message_line(flow, what, from_client=message.from_client)]
        lines += self._content(message.content, message.text if message.is_text else None)
        return "\n".join(lines) + "\n"

    def websocket(self, flow: HTTPFlow) -> str:
        """Return the end of a WebSocket connection."""
        ends = f"{address(flow.client_conn.peername)} <-> websocket <-> {harmless.line(self._url(flow.request))}"
        data = flow.websocket
        if flow.error is not None:
            return f"{ends} {self._style(f'<< {harmless.line(flow.error.msg)}', 'red')}\n"
        if data is None:
            return f"{ends} closed\n"
        by = {True: " by the client", False: " by the server", None: ""}[data.closed_by_client]
        reason = f" {data.close_reason}" if data.close_reason else ""
        said = harmless.line(f"closed{by} {data.close_code}{reason}")
        return f"{ends} {self._style(said, 'green' if data.close_code in ORDERLY else 'yellow')}\n"

    def http2(self, name: str, connection: Connection) -> str:
        """Return what passed on an HTTP/2 connection, frame by frame; nothing for other connections."""
        facts = connection.http2
        if facts is None or not facts.frames:
            return ""
        lines = [f"{address(connection.peername)} HTTP/2 with the {name}"]
        if facts.fingerprint:
            lines.append(self._style(f"  fingerprint: {harmless.line(facts.fingerprint)}", "bright_black"))
        begin = facts.frames[0].timestamp
        if facts.frames_dropped:
            lines.append(self._style(f"  ({facts.frames_dropped} earlier frames were not kept)", "bright_black"))
        lines += [f"  {(frame.timestamp - begin) * 1000:9.1f} ms {harmless.line(str(frame))}" for frame in facts.frames]
        return "\n".join(lines) + "\n\n"

    def dns(self, flow: DNSFlow) -> str:
        """Return a finished DNS flow: one line, and as much more as wanted."""
        parts = [address(flow.client_conn.peername), self._style("DNS", "cyan"), dnstext.asked(flow)]
        response, error = flow.response, flow.error
        if response is not None:
            colour: Colour = "red" if response.response_code else "green"
            told = dnstext.transferred(flow) if flow.transferred else dnstext.answered(response)
            parts.append(f"<< {self._style(told, colour)}")
        if error is not None:
            parts.append(self._style(f"<< {harmless.line(error.msg)}", "red"))
        lines = [" ".join(parts)]
        if self.detail >= 2:
            lines += [f"    {line}" for line in dnstext.lines(flow.request, is_whole=self.detail >= 3)]
            for each in flow.transfer or ([] if response is None else [response]):
                lines.append("  <<")
                lines += [f"    {line}" for line in dnstext.lines(each, is_whole=self.detail >= 3)]
            if self.detail >= 4:
                lines += self._facts(flow)
            lines.append("")
        return "\n".join(lines) + "\n"

    def message(self, flow: TCPFlow | UDPFlow, message: TCPMessage | UDPMessage) -> str:
        """Return one message of a TCP or UDP flow."""
        what = " ".join((flow.type, *notes_on(message)))
        lines = [self._message_line(flow, what, from_client=message.from_client)]
        lines += self._content(message.content)
        return "\n".join(lines) + "\n"

    def stream(self, flow: TCPFlow | UDPFlow) -> str:
        """Return the end of a TCP or UDP flow."""
        line = f"{address(flow.client_conn.peername)} <-> {flow.type} <-> {server_address(flow.server_conn)}"
        if flow.error is not None:
            line += self._style(f" << {harmless.line(flow.error.msg)}", "red")
        else:
            line += " closed"
        if self.detail >= 2 and isinstance(flow, TCPFlow):
            line += self._style(harmless.line(closing(flow)), "bright_black")
        lines = [line]
        if self.detail >= 4:
            lines += self._facts(flow)
        return "\n".join(lines) + "\n"

    # One line.

    def _message_line(self, flow: Flow, what: str, *, from_client: bool) -> str:
        arrow = "->" if from_client else "<-"
        client, server = address(flow.client_conn.peername), server_address(flow.server_conn)
        return f"{client} {arrow} {harmless.line(what)} {arrow} {server}"

    def _summary(self, flow: HTTPFlow) -> str:
        request = flow.request
        method = harmless.line(request.method) or "(unreadable request)"
        parts = [
            address(flow.client_conn.peername),
            self._style(method, _METHODS.get(method, "yellow")),
            harmless.line(self._url(request)),
        ]
        if flow.is_replay:
            parts.insert(0, self._style("[replay]", "yellow"))
        if flow.marked:
            parts.insert(0, self._style(f"[{harmless.line(flow.marked)}]", "magenta"))
        if request.http_version != "HTTP/1.1":
            parts.append(self._style(harmless.line(request.http_version), "bright_black"))
        if flow.response is not None:
            parts.append(f"<< {self._status(flow.response)} {size_of(flow.response)}")
            if (call := flow.grpc) is not None and call.status is not None:
                parts.append(self._grpc_status(call, call.status))
        if flow.error is not None:
            parts.append(self._style(f"<< {harmless.line(flow.error.msg)}", "red"))
        return " ".join(part for part in parts if part)

    def _url(self, request: Request) -> str:
        url = request.pretty_url if self.shows_host else request.url
        if not request.host and not request.path:
            return ""
        return url if len(url) <= CUT_URL or self.detail > 1 else f"{url[:CUT_URL]}…"

    def _status(self, response: Response) -> str:
        code = response.status_code
        colour: Colour = "red" if code >= 400 else "yellow" if code >= 300 else "green" if code >= 200 else "blue"
        version = "" if response.http_version == "HTTP/1.1" else f"{harmless.line(response.http_version)} "
        return f"{version}{self._style(f'{code} {harmless.line(response.reason)}'.rstrip(), colour)}"

    def _grpc_status(self, call: GrpcCall, status: int) -> str:
        said = f": {call.message}" if call.message else ""
        text = harmless.line(f"grpc-status {status} {call.status_name}".rstrip() + said)
        return self._style(text, "red" if status else "green")

    # More.

    def _message(self, message: Message) -> Iterator[str]:
        yield from self._headers(message.headers)
        if self.detail >= 3:
            yield from self._body(message)
        if self.detail >= 4 and message.trailers:
            yield self._style("  trailers:", "bright_black")
            yield from self._headers(message.trailers)

    def _headers(self, headers: Headers) -> Iterator[str]:
        for name, value in headers.items(multi=True):
            yield f"    {self._style(harmless.line(name), 'cyan')}: {harmless.line(value)}"

    def _body(self, message: Message) -> Iterator[str]:
        body = message.body
        if body is None or (isinstance(body, Body) and body.is_dropped):
            if body is not None:
                yield self._style(f"    (a body of {size_of(message)}, which was not kept)", "bright_black")
            return
        decoded = message.decoded()
        dns = dnstext.over_http(message, decoded.data)
        if dns is not None:
            yield ""
            yield from (f"    {line}" for line in dnstext.lines(dns, is_whole=True))
            return
        yield from self._content(decoded.data, None if decoded.problem else readable_text(message, decoded.data))
        if decoded.problem:
            yield self._style(f"    ({harmless.line(decoded.problem)})", "yellow")

    def _content(self, data: bytes, text: str | None = None) -> Iterator[str]:
        """Yield bytes as text or as a hex dump, cut below detail 4."""
        if not data:
            return
        is_whole = self.detail >= 4
        limit = len(data) if is_whole else CUT_CHARACTERS
        if text is None and harmless.is_binary(data):
            shown = harmless.hex_dump(data[: limit if is_whole else limit // 4])
        else:
            shown = harmless.lines((data.decode("utf-8", "surrogateescape") if text is None else text)[:limit])
        lines = shown.removesuffix("\n").split("\n")
        is_cut = not is_whole and (len(lines) > CUT_LINES or len(data) > limit)
        yield ""
        yield from (f"    {line}" for line in (lines if is_whole else lines[:CUT_LINES]))
        if is_cut:
            yield self._style(f"    (cut: the whole has {human_size(len(data))})", "bright_black")

    def _facts(self, flow: Flow) -> Iterator[str]:
        """Yield what is known of the connections, the times and the faults."""
        for name, connection in (("client", flow.client_conn), ("server", flow.server_conn)):
            facts = connection_facts(connection)
            if facts:
                yield self._style(f"  {name}: {harmless.line(facts)}", "bright_black")
        if isinstance(flow, HTTPFlow):
            yield self._style(f"  times: {times(flow)}", "bright_black")
            if flow.stream_id is not None or flow.server_stream_id is not None:
                yield self._style(f"  streams: {streams(flow)}", "bright_black")
        if flow.held_back:
            yield self._style(f"  held back: {harmless.line(flow.held_back)}", "bright_black")
        for annotation in flow.annotations:
            reference = f" ({annotation.reference})" if annotation.reference else ""
            yield self._style(f"  fault: {harmless.line(annotation.message + reference)}", "yellow")
        if flow.comment:
            yield self._style(f"  comment: {harmless.line(flow.comment)}", "bright_black")

    def _style(self, text: str, colour: Colour) -> str:
        return click.style(text, fg=colour) if self.is_coloured else text


def readable_text(message: Message, data: bytes) -> str | None:
    """Return the body `data` of a message as text in its charset; None if it is no text."""
    has_charset = "charset=" in message.headers.get("content-type", "").lower()
    if not has_charset and harmless.is_binary(data):
        return None
    text = message.get_text(strict=False) or ""
    return None if harmless.is_unreadable(text) else text


def address(peername: tuple[str, int] | tuple[str, int, int, int] | None) -> str:
    """Return `host:port`, IPv6 in brackets."""
    if peername is None:
        return "?"
    host, port = peername[:2]
    return harmless.line(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def server_address(server: Server) -> str:
    """Return the name of a server as it was asked for, else its address."""
    return address(server.address or server.peername)


def notes_on(message: WebSocketMessage | TCPMessage | UDPMessage) -> list[str]:
    """Return what was done to a message."""
    return [note for note, is_so in (("injected", message.injected), ("dropped", message.dropped)) if is_so]


def closing(flow: TCPFlow) -> str:
    """Return who closed first, how, and where TLS was opened on the way."""
    first = f" (first closed by {flow.closed_by}: {flow.close_reason})" if flow.closed_by else ""
    tls = {"": "", "TLS": " (TLS began on the way)"}.get(flow.starttls, f" (STARTTLS of {flow.starttls})")
    return tls + first


def size_of(message: Message) -> str:
    """Return the size of a body as on the wire."""
    body = message.body
    if body is None:
        return "(no body)" if message.timestamp_end else "(incomplete)"
    return human_size(body.size if isinstance(body, Body) else len(body))


def human_size(size: int) -> str:
    """Return `512b`, `1.2k`, `3.4m`, …"""
    amount, unit = float(size), "b"
    for larger in "kmgt":
        if amount < 1000:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f}{unit}" if unit != "b" and amount < 100 else f"{amount:.0f}{unit}"


def connection_facts(connection: Connection) -> str:
    """Return addresses and TLS parameters in one line."""
    facts = [address(connection.peername)] if connection.peername else []
    if isinstance(connection, Server) and connection.via is not None:
        scheme, parent = connection.via
        facts.append(f"via {scheme}://{address(parent)}")
    if connection.tls_version:
        facts += [connection.tls_version, connection.cipher or ""]
        facts.append(f"ALPN {connection.alpn.decode('latin-1')}" if connection.alpn else "")
        facts.append(f"SNI {connection.sni}" if connection.sni else "")
    return ", ".join(fact for fact in facts if fact)


def streams(flow: HTTPFlow) -> str:
    """Return the numbers of the flow's HTTP/2 streams."""
    ids = (("client", flow.stream_id), ("server", flow.server_stream_id))
    return ", ".join(f"{name} {number}" for name, number in ids if number is not None)


def times(flow: HTTPFlow) -> str:
    """Return when the parts of the flow were there, in milliseconds after its begin."""
    begin = flow.request.timestamp_start
    response = flow.response
    moments = [
        ("request complete", flow.request.timestamp_end),
        ("response head", response.timestamp_start if response is not None else None),
        ("response complete", response.timestamp_end if response is not None else None),
    ]
    return ", ".join(f"{name} {(moment - begin) * 1000:.1f} ms" for name, moment in moments if moment)
