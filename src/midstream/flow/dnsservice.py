"""What HTTPS and SVCB records say: how a service is reached (RFC 9460 §2.2)."""

import struct
from typing import Self

import msgspec

from midstream.flow.dnsname import DNSFormatError, name_bytes, read_name

ALPN = 1
ECH = 5


class ServiceBinding(msgspec.Struct, frozen=True):
    """The data of an HTTPS or SVCB record."""

    priority: int
    """0: only another name is meant, `target`."""
    target: str
    """Empty: the record's own name."""
    params: dict[int, bytes] = {}
    """The parameters by number, in their order."""

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it. Raises `DNSFormatError`, a ValueError."""
        if len(data) < 3:
            raise DNSFormatError("the data is too short for a service binding")
        target, at = read_name(data, 2)
        params = {}
        while at < len(data):
            if at + 4 > len(data):
                raise DNSFormatError("a service parameter is cut")
            key, size = struct.unpack_from("!HH", data, at)
            if at + 4 + size > len(data):
                raise DNSFormatError("a service parameter is cut")
            params[key] = data[at + 4 : at + 4 + size]
            at += 4 + size
        return cls(data[0] << 8 | data[1], target, params)

    def pack(self) -> bytes:
        """Write it; parameters stand in the order of their numbers, as they must."""
        params = b"".join(struct.pack("!HH", key, len(value)) + value for key, value in sorted(self.params.items()))
        return struct.pack("!H", self.priority) + name_bytes(self.target) + params

    @property
    def alpn(self) -> tuple[bytes, ...] | None:
        """The protocols that it names; None if it names none."""
        value = self.params.get(ALPN)
        if value is None:
            return None
        names = []
        while value:
            size = value[0]
            if size >= len(value):
                raise DNSFormatError("the name of a protocol is cut")
            names.append(value[1 : 1 + size])
            value = value[1 + size :]
        return tuple(names)

    def with_param(self, key: int, value: bytes | None) -> "ServiceBinding":
        """Return it with another value for one parameter, or (None) without it."""
        params = {other: held for other, held in self.params.items() if other != key}
        if value is not None:
            params[key] = value
        return ServiceBinding(self.priority, self.target, params)
