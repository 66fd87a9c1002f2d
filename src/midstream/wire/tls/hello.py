"""The ClientHello, read before any TLS work begins: who is asked for, what the client can do, what it looks like.

This is a reader for deciding and for showing, not a judge: whether the hello is acceptable TLS is OpenSSL's business.
Only what cannot be taken apart unambiguously is refused. How a hello comes in datagrams, `dtls` knows. SSLv2 hellos are not read.
"""

import re
from collections.abc import Iterable
from hashlib import md5, sha256
from typing import Final

import msgspec

from midstream.wire.errors import PeerError

MAX_HELLO: Final = 65536
"""The longest hello accepted, in bytes of the handshake message; post-quantum ones have about 1.8 KB."""

MAX_RECORDS: Final = 512
"""The most records that a hello may come in: each arrival of bytes costs a walk over them."""

SERVER_NAME: Final = 0
SUPPORTED_GROUPS: Final = 10
EC_POINT_FORMATS: Final = 11
SIGNATURE_ALGORITHMS: Final = 13
ALPN: Final = 16
EARLY_DATA: Final = 42
SUPPORTED_VERSIONS: Final = 43
ENCRYPTED_CLIENT_HELLO: Final = 0xFE0D

_VERSION_CODES: Final = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,40}"
)


class ClientHello(msgspec.Struct):
    """What a client says first. GREASE values (RFC 8701) are left out of the fields and fingerprints, but not of `raw`."""

    raw: bytes
    """The handshake message, with its header of four bytes (twelve in DTLS), put together from its records."""
    legacy_version: int
    """The version field, 0x0303 from TLS 1.2 on; in DTLS 0xfeff (1.0) or 0xfefd (from 1.2 on)."""
    random: bytes
    session_id: bytes
    cipher_suites: list[int]
    compression_methods: bytes
    extensions: list[tuple[int, bytes]]
    """Type and body of every extension, in order."""
    sni: str | None = None
    """The name of the server asked for, as spelled (which may be an address); None without one, or if it is no name."""
    alpn: tuple[bytes, ...] = ()
    versions: list[int] = []
    """The versions offered: `supported_versions`, or the version field where there is none."""
    groups: list[int] = []
    point_formats: list[int] = []
    signature_algorithms: list[int] = []
    has_ech: bool = False
    """Carries an encrypted hello, so that `sni` is the outer name; it may be a dummy, no one can tell."""
    has_early_data: bool = False
    is_dtls: bool = False
    cookie: bytes = b""
    """What the client repeats to show that it gets what is sent to its address (DTLS only, RFC 6347 §4.2.1)."""

    @property
    def ja3(self) -> str:
        """The JA3 fingerprint in its long form."""
        types = (kind for kind, _ in self.extensions if not is_grease(kind))
        lists = (self.cipher_suites, types, self.groups, self.point_formats)
        return ",".join([str(self.legacy_version), *("-".join(map(str, values)) for values in lists)])

    @property
    def ja3_hash(self) -> str:
        """The JA3 fingerprint as it is looked up."""
        return md5(self.ja3.encode(), usedforsecurity=False).hexdigest()

    @property
    def ja4(self) -> str:
        """The JA4 fingerprint of a client over TCP, or of one that speaks DTLS."""
        types = [kind for kind, _ in self.extensions if not is_grease(kind)]
        newest = min if self.is_dtls else max  # DTLS counts downwards
        version = _VERSION_CODES.get(newest(self.versions, default=0), "00")
        name = "d" if SERVER_NAME in types else "i"
        counts = f"{min(len(self.cipher_suites), 99):02}{min(len(types), 99):02}"
        features = _hex_list(sorted(kind for kind in types if kind not in {SERVER_NAME, ALPN}))
        if self.signature_algorithms:
            features += "_" + _hex_list(self.signature_algorithms)
        ciphers = _hex_list(sorted(self.cipher_suites))
        carrier = "d" if self.is_dtls else "t"
        return f"{carrier}{version}{name}{counts}{_ja4_alpn(self.alpn)}_{_ja4_hash(ciphers)}_{_ja4_hash(features)}"


def is_grease(value: int) -> bool:
    """Tell whether a cipher, extension, group or version is a filler that must be ignored (RFC 8701)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def read_client_hello(data: bytes | bytearray) -> ClientHello | None:
    """Read the hello at the start of a connection; None as long as more bytes are needed.

    Bytes behind the hello are left alone.

    Raises:
        PeerError: This is no ClientHello, it cannot be taken apart, or it is longer than `MAX_HELLO`.

    """
    raw = _message(data)
    return None if raw is None else parse_client_hello(raw)


def parse_client_hello(raw: bytes, *, is_dtls: bool = False) -> ClientHello:
    """Take apart a ClientHello handshake message that is there whole, with its header.

    Raises:
        PeerError: It does not keep its own lengths, or repeats an extension.

    """
    reader = _Reader(raw, 12 if is_dtls else 4)
    version = reader.number(2)
    random = reader.take(32)
    session_id = reader.vector(1)
    cookie = reader.vector(1) if is_dtls else b""
    ciphers = _without_grease(_numbers(reader.vector(2), 2))
    hello = ClientHello(raw, version, random, session_id, ciphers, reader.vector(1), [], versions=[version])
    hello.is_dtls, hello.cookie = is_dtls, cookie
    if not reader.is_empty:
        hello.extensions = list(_extensions(reader.vector(2)))
        reader.finish()
        _read_extensions(hello)
    return hello


# Records to message. A hello may come in any number of records (RFC 8446 §5.1), with nothing between them.


def _message(data: bytes | bytearray) -> bytes | None:
    message = bytearray()
    position = 0
    for _ in range(MAX_RECORDS):
        piece = _record(data, position)
        if piece is None:
            return None
        message += piece
        position += 5 + len(piece)
        if message[0] != 1:
            msg = f"expected a TLS ClientHello, got handshake message {message[0]}"
            raise PeerError(msg, "RFC 8446 §4.1.2")
        if len(message) >= 4:
            size = 4 + int.from_bytes(message[1:4])
            if size > MAX_HELLO:
                msg = f"the TLS ClientHello has {size} bytes, more than {MAX_HELLO}"
                raise PeerError(msg, "RFC 8446 §4.1.2")
            if len(message) >= size:
                return bytes(message[:size])
    msg = f"the TLS ClientHello is cut into more than {MAX_RECORDS} records"
    raise PeerError(msg, "RFC 8446 §5.1")


def _record(data: bytes | bytearray, start: int) -> bytes | bytearray | None:
    """Return the content of the record at `start`, None if it is not there whole; refuse others at their first byte."""
    head = data[start : start + 5]
    if head and head[0] != 22:
        msg = f"expected a TLS handshake record, got type {head[0]}"
        raise PeerError(msg, "RFC 8446 §5.1")
    if len(head) > 1 and head[1] != 3:
        msg = f"unknown TLS record version {head[1]}"
        raise PeerError(msg, "RFC 8446 §5.1")
    if len(head) < 5:
        return None
    size = int.from_bytes(head[3:])
    if not 0 < size <= 16384:
        msg = f"a TLS handshake record of {size} bytes"
        raise PeerError(msg, "RFC 8446 §5.1")
    end = start + 5 + size
    return data[start + 5 : end] if len(data) >= end else None


# Message to fields


class _Reader:
    """A position in bytes, for fields that say their own length."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._position = position

    @property
    def is_empty(self) -> bool:
        return self._position == len(self._data)

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise _malformed("a field is cut off")
        piece = self._data[self._position : end]
        self._position = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, length_size: int) -> bytes:
        return self.take(self.number(length_size))

    def finish(self) -> None:
        if not self.is_empty:
            raise _malformed("bytes are left over")


def _malformed(what: str) -> PeerError:
    return PeerError(f"the TLS ClientHello is malformed: {what}", "RFC 8446 §4.1.2")


def _extensions(block: bytes) -> Iterable[tuple[int, bytes]]:
    reader = _Reader(block)
    seen: set[int] = set()
    while not reader.is_empty:
        kind = reader.number(2)
        if kind in seen:
            raise _malformed(f"extension {kind} comes twice")
        seen.add(kind)
        yield kind, reader.vector(2)


def _read_extensions(hello: ClientHello) -> None:
    for kind, body in hello.extensions:
        if kind == SERVER_NAME:
            hello.sni = _server_name(body)
        elif kind == ALPN:
            hello.alpn = tuple(_vectors(_whole(body, 2), 1))
        elif kind == SUPPORTED_VERSIONS:
            hello.versions = _without_grease(_numbers(_whole(body, 1), 2))
        elif kind == SUPPORTED_GROUPS:
            hello.groups = _without_grease(_numbers(_whole(body, 2), 2))
        elif kind == EC_POINT_FORMATS:
            hello.point_formats = list(_whole(body, 1))
        elif kind == SIGNATURE_ALGORITHMS:
            hello.signature_algorithms = _without_grease(_numbers(_whole(body, 2), 2))
        elif kind == ENCRYPTED_CLIENT_HELLO:
            hello.has_ech = True
        elif kind == EARLY_DATA:
            hello.has_early_data = True


def _server_name(body: bytes) -> str | None:
    """Return the host name asked for (RFC 6066 §3): the first of its type, without a final dot."""
    reader = _Reader(_whole(body, 2))
    found: bytes | None = None
    while not reader.is_empty:
        kind, name = reader.number(1), reader.vector(2)
        if kind == 0 and found is None:
            found = name
    text = (found or b"").decode("latin-1").removesuffix(".")
    return text if _NAME.fullmatch(text) else None


def _whole(body: bytes, length_size: int) -> bytes:
    """Return the one vector that an extension's body consists of."""
    reader = _Reader(body)
    content = reader.vector(length_size)
    reader.finish()
    return content


def _vectors(content: bytes, length_size: int) -> Iterable[bytes]:
    reader = _Reader(content)
    while not reader.is_empty:
        yield reader.vector(length_size)


def _numbers(content: bytes, size: int) -> list[int]:
    if len(content) % size:
        raise _malformed("a list has an odd number of bytes")
    return [int.from_bytes(content[at : at + size]) for at in range(0, len(content), size)]


def _without_grease(values: list[int]) -> list[int]:
    return [value for value in values if not is_grease(value)]


# JA4


def _hex_list(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _ja4_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else "000000000000"


def _ja4_alpn(alpn: tuple[bytes, ...]) -> str:
    """Return first and last character of the first protocol, in hexadecimal where they are not both letters or digits."""
    first = alpn[0] if alpn else b""
    if not first:
        return "00"
    ends = bytes((first[0], first[-1]))
    return ends.decode() if ends.isalnum() else first.hex()[0] + first.hex()[-1]
