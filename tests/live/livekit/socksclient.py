"""A socket through a SOCKS5 proxy, for clients that know no SOCKS but take a socket."""

import socket

from livekit.tools import TIME_LIMIT


def connect_through(proxy: tuple[str, int], host: str, port: int) -> socket.socket:
    """Connect to a name behind the proxy (RFC 1928)."""
    made = socket.create_connection(proxy, TIME_LIMIT)
    name = host.encode()
    made.sendall(b"\x05\x01\x00")
    assert made.recv(2) == b"\x05\x00"
    made.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
    answer = made.recv(10, socket.MSG_WAITALL)
    assert answer[:2] == b"\x05\x00", answer
    return made
