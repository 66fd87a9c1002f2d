"""The PROXY protocol: the line in which a balancer in front says who its client is. Versions 1 and 2.

The document is the HAProxy project's "The PROXY protocol, versions 1 & 2"; section numbers are its. Whether a peer may be
believed at all is not decided here. Type-length-values behind the addresses are skipped.
"""

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Literal, TypeAlias

import msgspec

from midstream.wire.errors import PeerError, shown

Address: TypeAlias = tuple[str, int]
Transport: TypeAlias = Literal["tcp", "udp", "unix", "unknown"]

SIGNATURE_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LINE_V1: Final = 107
"""The longest version 1 line, with its line end (§2.1)."""
MAX_BLOCK_V2: Final = 4096
"""The longest version 2 block accepted; the protocol would allow 65535, and names 536 as enough for all."""

_FAMILIES_V2: Final[dict[int, tuple[Transport, int]]] = {
    0x11: ("tcp", 4),
    0x12: ("udp", 4),
    0x21: ("tcp", 16),
    0x22: ("udp", 16),
    0x31: ("unix", 108),
    0x32: ("unix", 108),
}


class ProxyLine(msgspec.Struct, frozen=True):
    """What the balancer said."""

    version: int
    size: int
    """Bytes that the line took; what follows is the client's."""
    source: Address | None = None
    """The client's address; None if the balancer speaks for itself (LOCAL) or does not know (UNKNOWN)."""
    destination: Address | None = None
    """The address that the client connected to; None as above."""
    transport: Transport = "unknown"

    @property
    def is_local(self) -> bool:
        """The connection's own addresses count: a health check, or a client of unknown address."""
        return self.source is None


def read_proxy_line(data: bytes | bytearray) -> ProxyLine | None:
    """Read the line at the start of a connection; None as long as more bytes are needed.

    Raises:
        PeerError: There is no PROXY line, or a malformed one.

    """
    if data.startswith(SIGNATURE_V2) or SIGNATURE_V2.startswith(data):
        return _read_v2(data)
    if data.startswith(b"PROXY ") or b"PROXY ".startswith(data):
        return _read_v1(data)
    raise PeerError("expected a PROXY protocol line before anything else", "PROXY protocol §2")


def write_v1(source: Address | None, destination: Address | None) -> bytes:
    """Write a version 1 line; without addresses one that says UNKNOWN."""
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n"
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


def write_v2(source: Address | None, destination: Address | None, *, tlvs: bytes = b"") -> bytes:
    """Write a version 2 block for TCP; without addresses one that says LOCAL."""
    if source is None or destination is None:
        return SIGNATURE_V2 + b"\x20\x00" + len(tlvs).to_bytes(2) + tlvs
    family, pack = (b"\x21", _packed_v6) if ":" in source[0] else (b"\x11", _packed_v4)
    ports = source[1].to_bytes(2) + destination[1].to_bytes(2)
    content = pack(source[0]) + pack(destination[0]) + ports + tlvs
    return SIGNATURE_V2 + b"\x21" + family + len(content).to_bytes(2) + content


def _packed_v4(host: str) -> bytes:
    return IPv4Address(host).packed


def _packed_v6(host: str) -> bytes:
    return IPv6Address(host).packed


# Version 1: a line of text (§2.1)


def _read_v1(data: bytes | bytearray) -> ProxyLine | None:
    end = data.find(b"\r\n", 0, MAX_LINE_V1)
    if end < 0:
        if len(data) >= MAX_LINE_V1:
            raise _malformed_v1(f"no line end within {MAX_LINE_V1} bytes")
        return None
    words = bytes(data[:end]).split(b" ")
    size = end + 2
    if words[1] == b"UNKNOWN":
        return ProxyLine(1, size)
    if words[1] not in (b"TCP4", b"TCP6") or len(words) != 6:
        raise _malformed_v1(shown(data[:end], MAX_LINE_V1))
    of_family = _host_v4 if words[1] == b"TCP4" else _host_v6
    source = (of_family(words[2]), _port_v1(words[4]))
    destination = (of_family(words[3]), _port_v1(words[5]))
    return ProxyLine(1, size, source, destination, "tcp")


def _host_v4(word: bytes) -> str:
    try:
        return str(IPv4Address(word.decode("ascii")))
    except (AddressValueError, UnicodeDecodeError) as error:
        raise _malformed_v1(f"{shown(word)} is no IPv4 address") from error


def _host_v6(word: bytes) -> str:
    try:
        address = IPv6Address(word.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError) as error:
        raise _malformed_v1(f"{shown(word)} is no IPv6 address") from error
    if address.scope_id is not None:
        raise _malformed_v1(f"{shown(word)} has a scope")
    return str(address)


def _port_v1(word: bytes) -> int:
    if not (word.isdigit() and len(word) <= 5 and int(word) < 65536) or (word[0] == 0x30 and len(word) > 1):
        raise _malformed_v1(f"{shown(word)} is no port")
    return int(word)


def _malformed_v1(what: str) -> PeerError:
    return PeerError(f"malformed PROXY line: {what}", "PROXY protocol §2.1")


# Version 2: a block of bytes (§2.2)


def _read_v2(data: bytes | bytearray) -> ProxyLine | None:
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise _malformed_v2(f"version and command are {data[12]:#04x}")
    if len(data) < 16:
        return None
    length = int.from_bytes(data[14:16])
    if length > MAX_BLOCK_V2:
        raise _malformed_v2(f"{length} bytes are more than {MAX_BLOCK_V2}")
    size = 16 + length
    if len(data) < size:
        return None
    if data[12] == 0x20:
        return ProxyLine(2, size)
    return _addresses_v2(bytes(data[16:size]), data[13], size)


def _addresses_v2(content: bytes, family: int, size: int) -> ProxyLine:
    transport, width = _FAMILIES_V2.get(family, ("unknown", 0))
    if not width:
        return ProxyLine(2, size)  # §2.2: of an unknown family the addresses are ignored
    needed = 2 * width + (0 if transport == "unix" else 4)
    if len(content) < needed:
        raise _malformed_v2(f"{len(content)} bytes are too few for the addresses")
    hosts = content[:width], content[width : 2 * width]
    if transport == "unix":
        source, destination = (host.split(b"\0", 1)[0].decode("utf-8", "surrogateescape") for host in hosts)
        return ProxyLine(2, size, (source, 0), (destination, 0), transport)
    at = 2 * width
    ports = int.from_bytes(content[at : at + 2]), int.from_bytes(content[at + 2 : at + 4])
    return ProxyLine(2, size, (_host_v2(hosts[0]), ports[0]), (_host_v2(hosts[1]), ports[1]), transport)


def _host_v2(packed: bytes) -> str:
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))


def _malformed_v2(what: str) -> PeerError:
    return PeerError(f"malformed PROXY block: {what}", "PROXY protocol §2.2")
