"""The parts of a DNS message: questions and resource records. Their data stays bytes until somebody looks (RFC 1035 §3.2.1)."""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import msgspec

from midstream.errors import UsageError
from midstream.flow import dnsnumbers as numbers
from midstream.flow.dnsname import DNSFormatError, name_bytes, read_name
from midstream.flow.dnsservice import ALPN, ECH, ServiceBinding

if TYPE_CHECKING:
    from dns.rdataclass import RdataClass
    from dns.rdatatype import RdataType

DEFAULT_TTL = 60
_NAMED = frozenset({numbers.NS, numbers.CNAME, numbers.PTR, 39})
"""Types whose data is a name and nothing else; 39 is DNAME."""


class Question(msgspec.Struct):
    """What is asked for."""

    name: str
    type: int
    class_: int = numbers.IN

    def __str__(self) -> str:
        return f"{_shown(self.name)} {numbers.class_name(self.class_)} {self.type_name}"

    @property
    def type_name(self) -> str:
        """The type as people write it: `A`, `TYPE12345`."""
        return numbers.type_name(self.type)

    def to_json(self) -> dict[str, str]:
        """Return it as plain data for people."""
        return {
            "name": self.name,
            "type": self.type_name,
            "class": numbers.class_name(self.class_),
        }

    @classmethod
    def from_json(cls, saved: dict[str, str]) -> Self:
        """Read what `to_json` gives. Raises ValueError."""
        return cls(saved["name"], numbers.type_number(saved["type"]), numbers.class_number(saved["class"]))


class ResourceRecord(msgspec.Struct):
    """One record. Names within `data` are uncompressed, whatever the message had."""

    name: str
    type: int
    class_: int = numbers.IN
    ttl: int = DEFAULT_TTL
    data: bytes = b""

    def __str__(self) -> str:
        if self.type == numbers.OPT:  # its class and time to live mean something else (RFC 6891 §6.1.2)
            return f". OPT {self.data_text}"
        kind = f"{numbers.class_name(self.class_)} {self.type_name}"
        return f"{_shown(self.name)} {self.ttl} {kind} {self.data_text}".rstrip()

    @property
    def type_name(self) -> str:
        """The type as people write it: `A`, `TYPE12345`."""
        return numbers.type_name(self.type)

    @classmethod
    def A(cls, name: str, ip: ipaddress.IPv4Address | str, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - the name that addon authors know
        """Make an IPv4 address record."""
        return cls(name, numbers.A, numbers.IN, ttl, ipaddress.IPv4Address(ip).packed)

    @classmethod
    def AAAA(cls, name: str, ip: ipaddress.IPv6Address | str, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - as above
        """Make an IPv6 address record."""
        return cls(name, numbers.AAAA, numbers.IN, ttl, ipaddress.IPv6Address(ip).packed)

    @classmethod
    def CNAME(cls, alias: str, canonical: str, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - as above
        """Make an alias."""
        return cls(alias, numbers.CNAME, numbers.IN, ttl, name_bytes(canonical))

    @classmethod
    def PTR(cls, inaddr: str, ptr: str, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - as above
        """Make a pointer, such as from an address to its name."""
        return cls(inaddr, numbers.PTR, numbers.IN, ttl, name_bytes(ptr))

    @classmethod
    def TXT(cls, name: str, text: str, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - as above
        """Make a text; a long one becomes several strings of 255 bytes (RFC 1035 §3.3.14)."""
        return cls(name, numbers.TXT, numbers.IN, ttl, _strings(text.encode()))

    @classmethod
    def HTTPS(cls, name: str, binding: ServiceBinding, *, ttl: int = DEFAULT_TTL) -> Self:  # noqa: N802 - as above
        """Make a record that tells how a web server is reached (RFC 9460)."""
        return cls(name, numbers.HTTPS, numbers.IN, ttl, binding.pack())

    @property
    def ipv4_address(self) -> ipaddress.IPv4Address:
        """The data as IPv4 address. Raises ValueError if it is none."""
        return ipaddress.IPv4Address(self.data)

    @ipv4_address.setter
    def ipv4_address(self, ip: ipaddress.IPv4Address | str) -> None:
        self.data = ipaddress.IPv4Address(ip).packed

    @property
    def ipv6_address(self) -> ipaddress.IPv6Address:
        """The data as IPv6 address. Raises ValueError if it is none."""
        return ipaddress.IPv6Address(self.data)

    @ipv6_address.setter
    def ipv6_address(self, ip: ipaddress.IPv6Address | str) -> None:
        self.data = ipaddress.IPv6Address(ip).packed

    @property
    def domain_name(self) -> str:
        """The data as a name. Raises ValueError if it is none."""
        name, end = read_name(self.data, 0)
        if end != len(self.data):
            raise DNSFormatError("the data is more than a name")
        return name

    @domain_name.setter
    def domain_name(self, name: str) -> None:
        self.data = name_bytes(name)

    @property
    def text(self) -> str:
        """The strings of a TXT record, joined. Raises ValueError if the data is no strings."""
        return b"".join(_split_strings(self.data)).decode("utf-8", "backslashreplace")

    @text.setter
    def text(self, text: str) -> None:
        self.data = _strings(text.encode())

    @property
    def service(self) -> ServiceBinding:
        """What an HTTPS or SVCB record says; assign it to change the record. Raises ValueError if the data is none."""
        return ServiceBinding.unpack(self.data)

    @service.setter
    def service(self, binding: ServiceBinding) -> None:
        self.data = binding.pack()

    @property
    def https_alpn(self) -> tuple[bytes, ...] | None:
        """The protocols that an HTTPS record names; None if it names none. Raises ValueError if the data is none of HTTPS."""
        return self.service.alpn

    @https_alpn.setter
    def https_alpn(self, alpn: Iterable[bytes] | None) -> None:
        self.service = self.service.with_param(
            ALPN, None if alpn is None else b"".join(bytes((len(name),)) + name for name in alpn)
        )

    @property
    def https_ech(self) -> bytes | None:
        """The key for Encrypted ClientHello in an HTTPS record; None without. Raises ValueError if the data is none of HTTPS."""
        return self.service.params.get(ECH)

    @https_ech.setter
    def https_ech(self, ech: bytes | None) -> None:
        self.service = self.service.with_param(ECH, ech)

    @property
    def data_text(self) -> str:
        """The data as zone files show it; what cannot be read so, as bytes in hexadecimal (RFC 3597 §5)."""
        try:
            if self.type == numbers.A:
                return str(self.ipv4_address)
            if self.type == numbers.AAAA:
                return str(self.ipv6_address)
            if self.type in _NAMED:
                return _shown(self.domain_name)
        except ValueError:
            return generic_text(self.data)
        if self.type == numbers.OPT:
            return f"udp {self.class_} {generic_text(self.data) if self.data else ''}".rstrip()
        return _zone_text(self)

    @data_text.setter
    def data_text(self, text: str) -> None:
        self.data = _from_zone_text(self, text)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data for people."""
        return {
            "name": self.name,
            "type": self.type_name,
            "class": numbers.class_name(self.class_),
            "ttl": self.ttl,
            "data": generic_text(self.data) if self.type == numbers.OPT else self.data_text,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Read what `to_json` gives. Raises ValueError or UsageError."""
        kind = numbers.type_number(saved["type"])
        record = cls(saved["name"], kind, numbers.class_number(saved["class"]), saved["ttl"])
        record.data_text = saved["data"]
        return record


def prepare() -> None:
    """Load what shows data, which takes as long as an addon must not: for a thread, before the first message comes."""
    import dns.rdata  # noqa: F401, PLC0415 - takes 60 ms, which only those pay who speak DNS


def generic_text(data: bytes) -> str:
    """Write data of any type (RFC 3597 §5)."""
    return f"\\# {len(data)} {data.hex()}".rstrip()


def _zone_text(record: ResourceRecord) -> str:
    from dns.exception import DNSException  # noqa: PLC0415 - see `prepare`
    from dns.rdata import from_wire  # noqa: PLC0415 - see `prepare`

    try:
        return str(from_wire(*_numbers(record), record.data, 0, len(record.data)).to_text())
    except (DNSException, ValueError, LookupError):
        return generic_text(record.data)


def _numbers(record: ResourceRecord) -> "tuple[RdataClass, RdataType]":
    from dns.rdataclass import RdataClass  # noqa: PLC0415 - see `prepare`
    from dns.rdatatype import RdataType  # noqa: PLC0415 - see `prepare`

    return RdataClass.make(record.class_), RdataType.make(record.type)


def _from_zone_text(record: ResourceRecord, text: str) -> bytes:
    from dns.exception import DNSException  # noqa: PLC0415 - see `prepare`
    from dns.name import root  # noqa: PLC0415 - see `prepare`
    from dns.rdata import from_text  # noqa: PLC0415 - see `prepare`

    if text.startswith("\\# "):
        return _from_generic_text(text)
    try:
        return bytes(from_text(*_numbers(record), text, origin=root).to_wire(origin=root) or b"")
    except (DNSException, ValueError, LookupError) as error:
        kind = numbers.type_name(record.type)
        raise UsageError(f"{text!r} cannot be the data of a record of type {kind}: {error}") from error


def _from_generic_text(text: str) -> bytes:
    _, size, *digits = text.split()
    try:
        data = bytes.fromhex("".join(digits))
    except ValueError:
        data = None
    if data is None or size != str(len(data)):
        raise UsageError(f"expected \\# SIZE HEX-DIGITS, got {text!r}")
    return data


def _shown(name: str) -> str:
    return name or "."


def _strings(text: bytes) -> bytes:
    pieces = [text[start : start + 255] for start in range(0, len(text), 255)] or [b""]
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)


def _split_strings(data: bytes) -> list[bytes]:
    strings = []
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise DNSFormatError("the data ends within a string")
        strings.append(data[at + 1 : end])
        at = end
    return strings
