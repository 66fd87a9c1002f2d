"""Prints flows as they finish: the options `flow_detail`, `dumper_filter` and `showhost`."""

import asyncio
import os
import sys
from typing import TextIO

from midstream.addon import (
    Client,
    DNSFlow,
    Filter,
    HTTPFlow,
    OptionsError,
    ServerConnectionHookData,
    TCPFlow,
    UDPFlow,
    UsageError,
    ctx,
    filters,
    observe,
)
from midstream.addons.flowtext import FlowText
from midstream.addons.printer import Printer

WATCHED = frozenset({"flow_detail", "dumper_filter", "showhost"})


class Dumper:
    """Has flows printed on a stream; with `flow_detail` 0 no hook of it is in the table."""

    name = "dumper"

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` is standard output if not given."""
        self._stream = stream
        self._printer: Printer | None = None
        self._parts: list[object] = []

    def configure(self, updated: set[str]) -> None:
        if not updated & WATCHED:
            return
        chosen = _filter(ctx.options.dumper_filter)
        for part in self._parts:
            ctx.master.addons.remove(part)
        self._parts = self._make_parts(chosen) if ctx.options.flow_detail else []
        for part in self._parts:
            ctx.master.addons.add_inside(self, part)

    async def done(self) -> None:
        if self._printer is not None:
            await asyncio.to_thread(self._printer.close)

    def _make_parts(self, chosen: Filter) -> list[object]:
        stream = self._stream or sys.stdout
        if self._printer is None:
            self._printer = Printer(stream, ctx.master.shutdown)
        detail = ctx.options.flow_detail
        text = FlowText(detail=detail, is_coloured=is_coloured(stream), shows_host=ctx.options.showhost)
        parts: list[object] = [FlowPrinter(self._printer, text, chosen)]
        if detail >= 3 or chosen.needs_body:
            parts.append(StreamMessagePrinter(self._printer, text, chosen))
        if detail >= 3:
            parts.append(HttpMessagePrinter(self._printer, text, chosen))
        if detail >= 4:
            parts.append(FramePrinter(self._printer, text))
        return parts


@observe
class FlowPrinter:
    """Prints what has ended."""

    name = "dumper-flows"

    def __init__(self, printer: Printer, text: FlowText, chosen: Filter) -> None:
        self._printer = printer
        self._text = text
        self._chosen = chosen

    def response(self, flow: HTTPFlow) -> None:
        self._print_http(flow)

    def error(self, flow: HTTPFlow) -> None:
        self._print_http(flow)

    def websocket_end(self, flow: HTTPFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.websocket(flow))

    def tcp_end(self, flow: TCPFlow) -> None:
        self._print_stream(flow)

    def tcp_error(self, flow: TCPFlow) -> None:
        self._print_stream(flow)

    def udp_end(self, flow: UDPFlow) -> None:
        self._print_stream(flow)

    def udp_error(self, flow: UDPFlow) -> None:
        self._print_stream(flow)

    def dns_response(self, flow: DNSFlow) -> None:
        self._print_dns(flow)

    def dns_error(self, flow: DNSFlow) -> None:
        self._print_dns(flow)

    def _print_http(self, flow: HTTPFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.http(flow))

    def _print_stream(self, flow: TCPFlow | UDPFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.stream(flow))

    def _print_dns(self, flow: DNSFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.dns(flow))


@observe
class StreamMessagePrinter:
    """Prints messages of TCP and UDP as they come. Apart, because connections that nobody looks into are relayed faster."""

    name = "dumper-stream-messages"

    def __init__(self, printer: Printer, text: FlowText, chosen: Filter) -> None:
        self._printer = printer
        self._text = text
        self._chosen = chosen

    def tcp_message(self, flow: TCPFlow) -> None:
        self._print(flow)

    def udp_message(self, flow: UDPFlow) -> None:
        self._print(flow)

    def _print(self, flow: TCPFlow | UDPFlow) -> None:
        if self._text.detail >= 3 and self._chosen(flow):
            self._printer.put(self._text.message(flow, flow.messages[-1]))


@observe
class HttpMessagePrinter:
    """Prints gRPC messages and server-sent events as they come. Apart for the same reason."""

    name = "dumper-http-messages"

    def __init__(self, printer: Printer, text: FlowText, chosen: Filter) -> None:
        self._printer = printer
        self._text = text
        self._chosen = chosen

    def grpc_message(self, flow: HTTPFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.grpc_message(flow, flow.grpc_messages[-1]))

    def sse_event(self, flow: HTTPFlow) -> None:
        if self._chosen(flow):
            self._printer.put(self._text.sse_event(flow, flow.sse_events[-1]))

    def websocket_message(self, flow: HTTPFlow) -> None:
        if flow.websocket is not None and self._chosen(flow):
            self._printer.put(self._text.websocket_message(flow, flow.websocket.messages[-1]))


@observe
class FramePrinter:
    """Prints the frames of HTTP/2 connections that have ended."""

    name = "dumper-frames"

    def __init__(self, printer: Printer, text: FlowText) -> None:
        self._printer = printer
        self._text = text

    def client_disconnected(self, client: Client) -> None:
        self._printer.put(self._text.http2("client", client))

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        self._printer.put(self._text.http2("server", data.server))


def is_coloured(stream: TextIO) -> bool:
    """Say whether to use colours: on terminals, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _filter(pattern: str | None) -> Filter:
    try:
        return filters.parse(pattern) if pattern else filters.match_all
    except UsageError as error:
        raise OptionsError(f"dumper_filter: {error}") from error
