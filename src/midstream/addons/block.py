"""Refuses clients by their address, so that a proxy opened by mistake is not everybody's proxy."""

import ipaddress
from typing import TypeAlias

from midstream.addon import Client, Options, observe

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Block:
    """Refuses clients with public or with private addresses; this machine is always let in."""

    name = "block-clients"

    def __init__(self, *, is_global_blocked: bool, is_private_blocked: bool) -> None:
        self.is_global_blocked = is_global_blocked
        self.is_private_blocked = is_private_blocked

    @classmethod
    def wanted(cls, options: Options) -> "Block | None":
        """Return the addon that the options ask for."""
        if not options.block_global and not options.block_private:
            return None
        return cls(is_global_blocked=options.block_global, is_private_blocked=options.block_private)

    @observe
    def client_connected(self, client: Client) -> None:
        address = address_of(client)
        if address is None or address.is_loopback:
            return
        if self.is_private_blocked and address.is_private:
            client.error = f"{address} is a private address, and block_private is set"
        elif self.is_global_blocked and address.is_global:
            client.error = f"{address} is a public address, and block_global is set"


def address_of(client: Client) -> IpAddress | None:
    """Return the client's address without scope; an IPv4 address that came over IPv6 as what it is (RFC 4291 §2.5.5.2)."""
    if client.peername is None:
        return None
    try:
        address = ipaddress.ip_address(client.peername[0].partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
