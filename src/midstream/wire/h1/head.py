"""Start lines, and the meaning of a whole head (RFC 9112 §3-§5, RFC 9110 §7)."""

import re
from typing import Final

from midstream.wire.errors import PeerError, shown
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.h1.framing import BODILESS, CHUNKED, UNTIL_CLOSE, drop_fields, settle_framing
from midstream.wire.h1.line import (
    CODING,
    DOUBTFUL_FRAMING,
    DOUBTFUL_HOST,
    EXPECT,
    FORBIDDEN,
    FRAMING,
    HOST,
    LENGTH,
    TOKEN,
    classify,
)
from midstream.wire.h1.section import Section
from midstream.wire.memo import Memo
from midstream.wire.tolerance import Tolerance

_REQUEST_LINE: Final = re.compile(b"(" + TOKEN + rb") ([^\x00-\x20\x7f]+) (HTTP/1\.[01])")
_ODD_REQUEST_LINE: Final = re.compile(b"(" + TOKEN + rb")[ \t]+([^\x00-\x20\x7f]+)[ \t]+(HTTP/[0-9]\.[0-9])[ \t]*")
_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[01]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
_ODD_STATUS_LINE: Final = re.compile(
    rb"(HTTP/[0-9]\.[0-9]|ICY)[ \t]+([1-9][0-9][0-9])(?:[ \t]+(.*?))?[ \t]*", re.DOTALL
)
_AUTHORITY: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?([^/?#]*)")
_UNROUTABLE_HOST: Final = re.compile(rb"[\x00-\x20\x7f\"/<>?@\\^`{|}#]")
_DEFAULT_PORTS: Final = {b"http": b":80", b"ws": b":80", b"https": b":443", b"wss": b":443"}

_request_lines: Final[Memo[bytes, tuple[bytes, bytes, bytes]]] = Memo(room=512, largest=512)
_status_lines: Final[Memo[bytes, tuple[bytes, int, bytes]]] = Memo(room=512, largest=128)


def read_request(line: bytes, block: bytes, section: Section, tolerance: Tolerance) -> RequestHead:
    """Make a request head of its start line and header section; `block` is empty if it was not clean."""
    known = _request_lines.get(line)
    method, target, version = known if known is not None else _read_request_line(line, tolerance)
    if section.kinds & DOUBTFUL_FRAMING:
        section = settle_framing(section, tolerance, is_request=True)
    kinds = section.kinds
    if kinds & DOUBTFUL_HOST or not kinds & HOST:
        section = _settle_host(section, version, tolerance)
    if target[0] != 0x2F and section.host is not None:
        _compare_host(method, target, section.host, tolerance)
    body_size = section.body_size
    if method == b"CONNECT":
        if body_size != 0:
            tolerance.pass_raw("CONNECT with a body", "RFC 9110 §9.3.6")
        body_size = 0
    elif body_size is None and version == b"HTTP/1.0":
        tolerance.pass_raw("Transfer-Encoding in HTTP/1.0", "RFC 9112 §6.1")
    is_modern = version != b"HTTP/1.0"
    faults = tolerance.take() if tolerance.faults else ()
    return RequestHead(
        method,
        target,
        version,
        section.fields.copy(),
        body_size,
        b"" if faults or not section.is_forwardable else block,
        faults,
        b"",
        b"",
        section.host,
        section.upgrade if is_modern else b"",
        bool(kinds & EXPECT) and is_modern,
        section.odd_lines,
    )


def read_response(
    line: bytes, block: bytes, section: Section, method: bytes, tolerance: Tolerance
) -> tuple[ResponseHead, int]:
    """Make a response head of its start line and header section, and tell its body's framing.

    `method` is that of the request it answers.
    """
    known = _status_lines.get(line)
    version, status, reason = known if known is not None else _read_status_line(line, tolerance)
    if section.kinds & DOUBTFUL_FRAMING:
        section = settle_framing(section, tolerance, is_request=False)
    if section.kinds & CODING and version == b"HTTP/1.0":
        section = _drop_old_coding(section, tolerance)
    framing = _frame_response(section, status, method)
    if framing == BODILESS and status != 304 and method != b"HEAD":
        section = _check_bodiless(section, status, method, tolerance)
    faults = tolerance.take() if tolerance.faults else ()
    head = ResponseHead(
        status,
        reason,
        version,
        section.fields.copy(),
        None if framing in (CHUNKED, UNTIL_CLOSE) else max(framing, 0),
        b"" if faults or not section.is_forwardable else block,
        faults,
        section.odd_lines,
    )
    return head, framing


def is_tunnel(status: int, method: bytes) -> bool:
    """Tell whether HTTP ends with this response: 101, or success of CONNECT."""
    return status == 101 or (method == b"CONNECT" and 200 <= status < 300)


def _frame_response(section: Section, status: int, method: bytes) -> int:
    if status < 200 or status in (204, 304) or method == b"HEAD" or (method == b"CONNECT" and status < 300):
        return BODILESS
    kinds = section.kinds
    if kinds & CODING:
        return UNTIL_CLOSE if kinds & DOUBTFUL_FRAMING else CHUNKED
    if kinds & LENGTH:
        return section.length
    return UNTIL_CLOSE


def _read_request_line(line: bytes, tolerance: Tolerance) -> tuple[bytes, bytes, bytes]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        method, target, version = match.groups()
        return _request_lines.remember(line, (method, target, version), len(line))
    match = _ODD_REQUEST_LINE.fullmatch(line)
    if match is None:
        raise PeerError(f"expected 'METHOD target HTTP/1.1', got {shown(line)}", "RFC 9112 §3")
    method, target, version = match.groups()
    if not version.startswith(b"HTTP/1."):
        raise PeerError(f"HTTP version {version.decode()} is not spoken here", "RFC 9110 §15.6.6", status=505)
    if version not in (b"HTTP/1.0", b"HTTP/1.1"):
        tolerance.repair(f"unknown minor version {version.decode()}", "RFC 9110 §2.5")
    if line != b"%b %b %b" % (method, target, version):
        tolerance.repair("superfluous blanks in the request line", "RFC 9112 §3")
    return method, target, version


def _read_status_line(line: bytes, tolerance: Tolerance) -> tuple[bytes, int, bytes]:
    match = _STATUS_LINE.fullmatch(line)
    if match is not None:
        version, code, reason = match.groups()
        return _status_lines.remember(line, (version, int(code), reason or b""), len(line))
    match = _ODD_STATUS_LINE.fullmatch(line)
    if match is None or FORBIDDEN.search(line):
        raise PeerError(f"expected 'HTTP/1.1 200 OK', got {shown(line)}", "RFC 9112 §4")
    version, code, reason = match.groups()
    if version == b"ICY":
        tolerance.repair("greeting ICY instead of HTTP/1.0", "RFC 9112 §4")
        version = b"HTTP/1.0"
    elif not version.startswith(b"HTTP/1."):
        raise PeerError(f"HTTP version {version.decode()} was not asked for", "RFC 9112 §4")
    else:
        tolerance.repair(f"odd status line {shown(line)}", "RFC 9112 §4")
    return version, int(code), reason or b""


def _settle_host(section: Section, version: bytes, tolerance: Tolerance) -> Section:
    """Require the one Host that RFC 9112 §3.2 wants; of several the first is kept (H1-29, H1-30)."""
    if section.host is None:
        if version != b"HTTP/1.0":
            tolerance.pass_raw("no Host field", "RFC 9112 §3.2")
        return section
    if _UNROUTABLE_HOST.search(section.host):
        tolerance.pass_raw(f"Host {shown(section.host)} is not a host", "RFC 9112 §3.2")
    hosts = [field for field in section.fields if classify(*field) & HOST]
    if len(hosts) == 1:
        return section
    tolerance.repair("more than one Host field", "RFC 9112 §3.2")
    slim = drop_fields(section, HOST)
    slim.fields.insert(section.fields.index(hosts[0]), hosts[0])
    return slim


def _compare_host(method: bytes, target: bytes, host: bytes, tolerance: Tolerance) -> None:
    """Annotate a Host that differs from the target's authority, which wins (RFC 9112 §3.2.2)."""
    if target[7 : 8 + len(host)] == host + b"/" and target[:7] == b"http://":
        return
    if method == b"CONNECT":
        authority, port = target, b":443"
    else:
        match = _AUTHORITY.match(target)
        if match is None:
            return
        authority, port = match[1], _DEFAULT_PORTS.get(target.partition(b":")[0].lower(), b"")
    if authority.lower().removesuffix(port) != host.lower().removesuffix(port):
        tolerance.repair(f"Host {shown(host)} differs from the target", "RFC 9112 §3.2.2")


def _drop_old_coding(section: Section, tolerance: Tolerance) -> Section:
    tolerance.repair("Transfer-Encoding in HTTP/1.0; reading until close", "RFC 9112 §6.1")
    return drop_fields(section, FRAMING)


def _check_bodiless(section: Section, status: int, method: bytes, tolerance: Tolerance) -> Section:
    """Framing fields where there can be no body (RFC 9110 §8.6, RFC 9112 §6.1); a length of 0 hurts nobody."""
    if method == b"CONNECT" and 200 <= status < 300:
        return section
    if section.kinds & CODING:
        tolerance.repair(f"Transfer-Encoding in a {status} response", "RFC 9112 §6.1")
        return drop_fields(section, CODING)
    if section.length > 0:
        tolerance.repair(f"Content-Length {section.length} in a {status} response", "RFC 9110 §8.6")
    return section
