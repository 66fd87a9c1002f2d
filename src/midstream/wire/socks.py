"""SOCKS, both sides: the server that our clients speak to (5, 4 and 4a), and the client that speaks to a parent (5).

After the reply to a `ConnectRequest` the engine has done its work: what comes next belongs to the tunnel (`release()`).
A client's fault is the last event of the server's list, with the bytes to answer in its `reply`; the client's side, which has
no events, raises. Fed after that an engine returns nothing.

    server:  greeting → [login] → request → (our reply) → tunnel          5, RFC 1928, RFC 1929
             request → (our reply) → tunnel                               4, 4a
    client:  greeting → [login] → reply → tunnel
"""

import errno
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, TypeAlias

import msgspec

from midstream.errors import UsageError
from midstream.wire.errors import PeerError, shown

Address: TypeAlias = tuple[str, int]
Cause: TypeAlias = Literal[
    "ok", "failure", "not-allowed", "network", "unreachable", "refused", "timeout", "command", "address"
]

REPLY: Final[dict[Cause, int]] = {
    "ok": 0,
    "failure": 1,
    "not-allowed": 2,
    "network": 3,
    "unreachable": 4,
    "refused": 5,
    "timeout": 6,
    "command": 7,
    "address": 8,
}
"""Reply codes of RFC 1928 §6 by their cause; a name that does not resolve is `unreachable`."""

REPLY_TEXT: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "timed out",
    7: "command not supported",
    8: "address type not supported",
}

_CODE_OF_ERRNO: Final = {
    errno.ECONNREFUSED: 5,
    errno.EHOSTUNREACH: 4,
    errno.EHOSTDOWN: 4,
    errno.ENETUNREACH: 3,
    errno.ENETDOWN: 3,
    errno.ETIMEDOUT: 6,
    errno.EACCES: 2,
    errno.EPERM: 2,
}
_NO_METHOD: Final = 0xFF
_MAX_TEXT_V4: Final = 512
"""The longest user or host name in a SOCKS4 request, which says no lengths."""
_NOWHERE: Final[Address] = ("0.0.0.0", 0)  # noqa: S104 - an address in a reply, nothing listens on it

_COMMANDS: Final = {2: "BIND", 3: "UDP ASSOCIATE"}
_ADDRESS_SIZES: Final = {1: 4, 4: 16}
_HTTP_TEXT: Final = b"This is a SOCKS port, not an HTTP proxy. Set it as socks5:// or socks5h:// instead.\n"
_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_HTTP_TEXT), _HTTP_TEXT)


class SocksError(PeerError):
    """The peer broke SOCKS, or asked for what there is not."""

    def __init__(self, message: str, reference: str = "RFC 1928", *, reply: bytes = b"", code: int = 1) -> None:
        super().__init__(message, reference)
        self.reply = reply
        """What to send before closing; empty if there is nothing to say."""
        self.code = code
        """The reply code, as a parent said it or as it fits."""


class AuthRequest(msgspec.Struct, frozen=True):
    """The client gave its name and password; answer with `accept_auth`."""

    username: str
    password: str


class ConnectRequest(msgspec.Struct, frozen=True):
    """The client wants a connection; answer with `reply`."""

    host: str
    port: int
    version: int
    """5 or 4."""
    user: str = ""
    """The user name of a SOCKS4 request, which nothing proves."""


ServerEvent: TypeAlias = AuthRequest | ConnectRequest | SocksError


def reply_code(error: OSError) -> int:
    """Return the reply code that fits a failed connection."""
    if error.errno is not None and error.errno < 0:
        return REPLY["unreachable"]  # the resolver's own numbers
    if isinstance(error, TimeoutError):
        return REPLY["timeout"]
    return _CODE_OF_ERRNO.get(error.errno or 0, REPLY["failure"])


class SocksServer:
    """The server's side: reads what a client wants, writes what it gets.

    The order of work: feed `receive`, send `take_output()` (before a fault's `reply`, too), and answer each event; after `accept_auth` call
    `receive(b"")`, for the client may have sent its request already. After `reply(0, …)` call `release()`.
    """

    __slots__ = ("_engine", "_events", "_require_auth", "_version")

    def __init__(self, require_auth: bool) -> None:
        self._engine = _Engine(self._greeting)
        self._events: list[ServerEvent] = []
        self._require_auth = require_auth
        self._version = 5

    def receive(self, data: bytes) -> list[ServerEvent]:
        """Take bytes from the client and return what they mean; a fault is the last event."""
        try:
            self._engine.run(data)
        except SocksError as error:
            self._events.append(error)
        events, self._events = self._events, []
        return events

    def take_output(self) -> bytes:
        """Return the bytes to send."""
        return self._engine.take_output()

    def accept_auth(self, is_accepted: bool) -> bytes:
        """Answer an `AuthRequest` and return the bytes to send; one refused must be followed by closing (RFC 1929 §2)."""
        self._engine.step = self._request if is_accepted else None
        return b"\x01\x00" if is_accepted else b"\x01\x01"

    def reply(self, code: int, bound: Address | None = None) -> bytes:
        """Answer a `ConnectRequest` and return the bytes to send; any `code` but 0 must be followed by closing."""
        if self._version == 4:
            return _reply_v4(code, bound or _NOWHERE)
        return bytes((5, code, 0)) + _packed(bound or _NOWHERE)

    def release(self) -> bytes:
        """Hand out the bytes that belong to the tunnel and retire."""
        return self._engine.release()

    # The steps

    def _greeting(self, data: bytes) -> int:
        if data[0] == 4:
            self._version = 4
            self._engine.step = self._request_v4
            return self._request_v4(data)
        if data[0] != 5:
            raise _not_socks(data[0])
        if len(data) < 2 or len(data) < 2 + data[1]:
            return 0
        method = self._choose_method(data[2 : 2 + data[1]])
        self._engine.output += bytes((5, method))
        self._engine.step = self._login if method else self._request
        return 2 + data[1]

    def _choose_method(self, offered: bytes) -> int:
        if not self._require_auth and 0 in offered:
            return 0
        if 2 in offered:
            return 2
        if self._require_auth:
            text = "the client offers no user name and password, which this proxy asks for"
        else:
            text = f"the client offers only authentication methods that we do not know ({offered.hex(' ')})"
        raise SocksError(text, "RFC 1928 §3", reply=bytes((5, _NO_METHOD)), code=REPLY["not-allowed"])

    def _login(self, data: bytes) -> int:
        """RFC 1929 §2. A client that offers nothing but a login gets in with any, where none is asked for."""
        if data[0] != 1:
            msg = f"unknown version {data[0]} of the login"
            raise SocksError(msg, "RFC 1929 §2", reply=b"\x01\x01")
        if len(data) < 2 or len(data) < 3 + data[1]:
            return 0
        at = 2 + data[1]
        end = at + 1 + data[at]
        if len(data) < end:
            return 0
        if self._require_auth:
            self._events.append(AuthRequest(_text(data[2:at]), _text(data[at + 1 : end])))
            self._engine.step = _wait
        else:
            self._engine.output += b"\x01\x00"
            self._engine.step = self._request
        return end

    def _request(self, data: bytes) -> int:
        """RFC 1928 §4."""
        if data[0] != 5:
            msg = f"unknown version {data[0]} of the request"
            raise SocksError(msg, "RFC 1928 §4", reply=self.reply(REPLY["failure"]))
        found = _address_at(data, 3, self.reply(REPLY["address"]))
        if found is None:
            return 0
        (host, port), end = found
        if data[1] != 1:
            name = _COMMANDS.get(data[1], f"command {data[1]}")
            msg = f"the client asks for {name}; only CONNECT is supported"
            raise SocksError(msg, "RFC 1928 §4", reply=self.reply(REPLY["command"]), code=REPLY["command"])
        self._events.append(ConnectRequest(host, port, 5))
        self._engine.step = _wait
        return end

    def _request_v4(self, data: bytes) -> int:
        """SOCKS4, and 4a, which puts 0.0.0.x for the address and a name behind the user."""
        if len(data) < 8:
            return 0
        user = _until_nul(data, 8)
        if user is None:
            return 0
        host, end = str(IPv4Address(data[4:8])), 9 + len(user)
        if data[4:7] == b"\0\0\0" and data[7]:
            name = _until_nul(data, end)
            if name is None:
                return 0
            host, end = _host(name, self.reply(REPLY["failure"])), end + len(name) + 1
        if data[1] != 1:
            text = "the client asks for BIND; only CONNECT is supported"
            raise SocksError(text, "SOCKS4", reply=self.reply(REPLY["command"]), code=REPLY["command"])
        if self._require_auth:
            text = "SOCKS4 has no passwords, and this proxy asks for one; use SOCKS5"
            raise SocksError(text, "SOCKS4", reply=self.reply(REPLY["not-allowed"]), code=REPLY["not-allowed"])
        self._events.append(ConnectRequest(host, int.from_bytes(data[2:4]), 4, _text(user)))
        self._engine.step = _wait
        return end


class SocksClient:
    """The client's side, towards a parent that speaks SOCKS5: asks for one connection."""

    __slots__ = ("_engine", "_login_bytes", "_request_bytes", "bound", "is_done")

    def __init__(self, host: str, port: int, username: str | None = None, password: str | None = None) -> None:
        """Prepare to ask for `host:port`.

        Raises:
            UsageError: The host name or the login cannot be said in SOCKS5.

        """
        self._engine = _Engine(self._method)
        self._login_bytes = b"" if username is None else b"\x01" + _short(username) + _short(password or "")
        self._request_bytes = b"\x05\x01\x00" + _packed((host, port))
        self.is_done = False
        """The connection is made; the parent is now a tunnel."""
        self.bound: Address = _NOWHERE
        """The parent's end of the connection, as far as it told."""

    def start(self) -> bytes:
        """Return the greeting to send."""
        return b"\x05\x02\x00\x02" if self._login_bytes else b"\x05\x01\x00"

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the parent and return what to send.

        Raises:
            SocksError: The parent refused, or does not speak SOCKS5.

        """
        try:
            self._engine.run(data)
        finally:
            output = self._engine.take_output()
        return output

    def release(self) -> bytes:
        """Hand out the bytes that belong to the tunnel and retire."""
        return self._engine.release()

    # The steps

    def _method(self, data: bytes) -> int:
        if data[0] != 5:
            msg = f"the parent proxy does not speak SOCKS5; its first byte is {data[0]:#04x}"
            raise SocksError(msg, "RFC 1928 §3")
        if len(data) < 2:
            return 0
        if data[1] == 2 and self._login_bytes:
            self._engine.output += self._login_bytes
            self._engine.step = self._login
        elif data[1] == 0:
            self._engine.output += self._request_bytes
            self._engine.step = self._reply
        else:
            wants = (
                "another authentication" if self._login_bytes else "a user name and password or another authentication"
            )
            msg = f"the parent proxy wants {wants}"
            raise SocksError(msg, "RFC 1928 §3", code=REPLY["not-allowed"])
        return 2

    def _login(self, data: bytes) -> int:
        if len(data) < 2:
            return 0
        if data[1]:
            raise SocksError(
                "the parent proxy refused the user name and password", "RFC 1929 §2", code=REPLY["not-allowed"]
            )
        self._engine.output += self._request_bytes
        self._engine.step = self._reply
        return 2

    def _reply(self, data: bytes) -> int:
        if data[0] != 5:
            msg = f"unknown version {data[0]} of the reply"
            raise SocksError(msg, "RFC 1928 §6")
        if len(data) > 1 and data[1]:
            text = REPLY_TEXT.get(data[1], f"code {data[1]}")
            msg = f"the parent proxy could not connect: {text}"
            raise SocksError(msg, "RFC 1928 §6", code=data[1])
        found = _address_at(data, 3, b"", is_bound=True)
        if found is None:
            return 0
        self.bound, end = found
        self._engine.step = _wait
        self.is_done = True
        return end


class _Engine:
    """Bytes that wait to be parsed, the next step of parsing, and bytes that wait to be sent.

    A step gets all bytes there are (one at least) and returns how many it took, 0 if it needs more.
    """

    __slots__ = ("_buffer", "output", "step")

    def __init__(self, step: Callable[[bytes], int]) -> None:
        self._buffer = b""
        self.output = b""
        self.step: Callable[[bytes], int] | None = step

    def run(self, data: bytes) -> None:
        if self.step is None:
            return
        self._buffer += data
        try:
            while self._buffer and self.step is not None:
                taken = self.step(self._buffer)
                if not taken:
                    break
                self._buffer = self._buffer[taken:]
        except SocksError:
            self.release()
            raise

    def take_output(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def release(self) -> bytes:
        self.step = None
        rest, self._buffer = self._buffer, b""
        return rest


def _wait(_data: bytes) -> int:
    """Take nothing: the next word is ours."""
    return 0


# Addresses and texts


def _address_at(data: bytes, at: int, refusal: bytes, *, is_bound: bool = False) -> tuple[Address, int] | None:
    """Return the address of RFC 1928 §5 that begins at `at`, and where it ends; None if it is not there whole."""
    if len(data) < at + 2:
        return None
    kind, start = data[at], at + 1
    if kind == 3:
        start += 1
    elif kind not in _ADDRESS_SIZES:
        msg = f"unknown address type {kind}"
        raise SocksError(msg, "RFC 1928 §5", reply=refusal, code=REPLY["address"])
    end = start + (data[at + 1] if kind == 3 else _ADDRESS_SIZES[kind])
    if len(data) < end + 2:
        return None
    raw = data[start:end]
    port = int.from_bytes(data[end : end + 2])
    if kind == 1:
        host = str(IPv4Address(raw))
    elif kind == 4:
        host = str(IPv6Address(raw))
    else:
        host = _text(raw) if is_bound else _host(raw, refusal)
    return (host, port), end + 2


def _host(raw: bytes, refusal: bytes) -> str:
    """Return a host name that a client asks for, which must be text without blanks and controls."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or any(letter.isspace() for letter in text):
        msg = f"{shown(raw)} is no host name"
        raise SocksError(msg, "RFC 1928 §5", reply=refusal, code=REPLY["address"])
    return text


def _packed(address: Address) -> bytes:
    """Write an address as RFC 1928 §5 has it."""
    host, port = address
    try:
        number = ip_address(host.partition("%")[0])
    except ValueError:
        name = _ascii(host)
        return b"\x03" + bytes((len(name),)) + name + port.to_bytes(2)
    return (b"\x01" if number.version == 4 else b"\x04") + number.packed + port.to_bytes(2)


def _ascii(host: str) -> bytes:
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError as error:
        msg = f"{host!r} is no host name: {error}"
        raise UsageError(msg) from error
    if not 0 < len(name) < 256:
        msg = f"{host[:64]!r} has {len(name)} bytes; SOCKS5 takes host names of 1 to 255"
        raise UsageError(msg)
    return name


def _short(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > 255:
        raise UsageError("SOCKS5 takes user names and passwords of up to 255 bytes")
    return bytes((len(raw),)) + raw


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _until_nul(data: bytes, start: int) -> bytes | None:
    end = data.find(b"\0", start, start + _MAX_TEXT_V4)
    if end < 0 and len(data) >= start + _MAX_TEXT_V4:
        msg = f"a name in the SOCKS4 request is longer than {_MAX_TEXT_V4} bytes"
        raise SocksError(msg, "SOCKS4", reply=_reply_v4(1, _NOWHERE))
    return None if end < 0 else data[start:end]


def _reply_v4(code: int, bound: Address) -> bytes:
    """Write a SOCKS4 reply, which knows granted (90) and rejected (91)."""
    try:
        packed = IPv4Address(bound[0]).packed
    except ValueError:
        packed = bytes(4)
    return bytes((0, 91 if code else 90)) + bound[1].to_bytes(2) + packed


def _not_socks(first: int) -> SocksError:
    if first == 0x16:
        return SocksError("the client speaks TLS on a SOCKS port", "RFC 1928 §3")
    if chr(first).isalpha() and first < 128:
        text = "the client speaks plain HTTP on a SOCKS port; set the proxy as socks5://, not http://"
        return SocksError(text, "RFC 1928 §3", reply=_HTTP_ANSWER)
    msg = f"the client does not speak SOCKS; its first byte is {first:#04x}"
    return SocksError(msg, "RFC 1928 §3")
