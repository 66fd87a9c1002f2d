"""Idle server connections, shared by all clients of an engine.

Two requests may share a connection only if nothing about it depends on who asked: the key holds the address, TLS and its
server name, the way through a parent proxy, and an owner where connections must not be shared (a script that steers
connections per client, or authentication that binds to the connection, such as NTLM and Negotiate).
"""

from collections import deque

from midstream.flow.connection import Via
from midstream.proxy.deadlines import Deadlines
from midstream.proxy.http1 import Http1Server
from midstream.proxy.origin import Origin

UNREPEATABLE_IDLE = 1.0
"""Seconds a connection may have been idle to be trusted with a request that cannot be sent twice (RFC 9112 §9.3.1)."""


class Pool:
    """Keeps idle connections by origin, newest first; opens what is missing."""

    def __init__(self, deadlines: Deadlines, per_origin: int) -> None:
        self._idle: dict[Origin, deque[Http1Server]] = {}
        self._deadlines = deadlines
        self.per_origin = per_origin
        """How many idle connections are kept for one origin."""
        self.epoch = 0
        """Counts `renew`; connections of an earlier epoch are not kept."""

    def renew(self, per_origin: int) -> None:
        """Share no connection any more that was made under other options: another client certificate, no verification."""
        self.per_origin = per_origin
        self.epoch += 1
        self.close()

    def take(self, origin: Origin, *, is_repeatable: bool = True) -> Http1Server | None:
        """Return an idle connection, or None if there is none to be trusted."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        stream = idle.pop()
        if not is_repeatable and self._deadlines.now - stream.idle_since > UNREPEATABLE_IDLE:
            idle.append(stream)
            return None
        return stream

    def give_back(self, stream: Http1Server) -> None:
        """Keep a connection whose exchange is over; the one that waited longest makes room."""
        if stream.epoch != self.epoch:
            stream.peer.close()
            return
        origin = stream.origin
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle[origin] = deque()
        stream.idle_since = self._deadlines.now
        idle.append(stream)
        if len(idle) > self.per_origin:
            idle.popleft().peer.close()

    def forget(self, stream: Http1Server) -> None:
        """Drop a connection that has ended."""
        idle = self._idle.get(stream.origin)
        if idle is not None:
            try:
                idle.remove(stream)
            except ValueError:
                pass
            if not idle:
                del self._idle[stream.origin]

    def drop(self, owner: str) -> None:
        """Close the connections that nobody but `owner`, who has gone, could have used."""
        for origin in [origin for origin in self._idle if origin.owner == owner]:
            for stream in self._idle.pop(origin):
                stream.peer.close()

    def has_address(self, address: tuple[str, int], via: Via | None, owner: str = "") -> bool:
        """True if a connection to this address is at hand, so that none has to be opened to see that it can be had."""
        return any(
            idle and (origin.host, origin.port) == address and origin.via == via and origin.owner == owner
            for origin, idle in self._idle.items()
        )

    def close(self) -> None:
        """Close all idle connections."""
        for idle in list(self._idle.values()):
            for stream in list(idle):
                stream.peer.close()
        self._idle.clear()

    def __len__(self) -> int:
        return sum(len(idle) for idle in self._idle.values())
