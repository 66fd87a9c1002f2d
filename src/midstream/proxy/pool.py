"""Server connections that can be had without opening one, shared by all clients of an engine.

Two requests may share a connection only if nothing about it depends on who asked: the key holds the address, TLS and its
server name, the way through a parent proxy, the versions of HTTP, and an owner where connections must not be shared (a script
that steers connections per client, or authentication that binds to the connection, such as NTLM and Negotiate). HTTP/1 connections
are lent to one exchange at a time and kept while idle; HTTP/2 connections are handed to as many as their servers take.
"""

from collections import deque
from collections.abc import Awaitable

from midstream.flow.connection import Via
from midstream.pki.lru import Lru
from midstream.proxy.deadlines import Deadlines
from midstream.proxy.http1 import Http1Server
from midstream.proxy.http2server import Http2Server
from midstream.proxy.opening import Queue
from midstream.proxy.origin import Origin
from midstream.proxy.streams import ServerStream
from midstream.wire.errors import PeerError

UNREPEATABLE_IDLE = 1.0
"""Seconds a connection may have been idle to be trusted with a request that cannot be sent twice (RFC 9112 §9.3.1)."""
REMEMBERED = 1000
_Address = tuple[str, int, bool, Via | None]


class Pool:
    """Keeps idle connections by origin, newest first, and those that are shared."""

    def __init__(self, deadlines: Deadlines, per_origin: int) -> None:
        self._idle: dict[Origin, deque[Http1Server]] = {}
        self._shared: dict[Origin, list[Http2Server]] = {}
        self._opening: dict[Origin, Queue] = {}
        """Those who wait for a connection that is being opened, and may turn out to be shared."""
        self._crowded: dict[Origin, Queue] = {}
        """Those who wait for room on shared connections."""
        self._known: Lru[_Address, tuple[bytes, ...]] = Lru(REMEMBERED)
        self._exclusive: Lru[Origin, bool] = Lru(REMEMBERED)
        """Whether the latest connection to an origin cannot be shared, so that nobody waits for one."""
        self._deadlines = deadlines
        self.per_origin = per_origin
        """How many idle connections are kept for one origin."""
        self.epoch = 0
        """Counts `renew`; connections of an earlier epoch are not kept."""
        self.lessons = 0
        """Counts what was remembered about servers."""

    def renew(self, per_origin: int) -> None:
        """Share no connection any more that was made under other options: another client certificate, no verification."""
        self.per_origin = per_origin
        self.epoch += 1
        self._known.clear()
        self._exclusive.clear()
        self.lessons += 1
        self.close()

    def take(self, origin: Origin, *, is_repeatable: bool = True) -> ServerStream | None:
        """Return a stream on a connection that is there, or None if there is none to be trusted."""
        if self._shared:
            for connection in self._shared.get(origin, ()):
                if connection.has_room and (is_repeatable or not connection.is_silent):
                    return connection.stream()
        idle = self._idle.get(origin)
        if not idle:
            return None
        stream = idle.pop()
        if not is_repeatable and self._deadlines.now - stream.idle_since > UNREPEATABLE_IDLE:
            idle.append(stream)
            return None
        return stream

    # Connections of one exchange at a time.

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

    # Connections that are shared.

    def share(self, connection: Http2Server) -> None:
        """Hand a connection to whoever wants a stream to its origin."""
        if connection.epoch == self.epoch:
            self._shared.setdefault(connection.origin, []).append(connection)

    async def proven(self, origin: Origin) -> ServerStream | None:
        """Return a stream on a connection that was silent for long, if it shows now that it is alive (H2-19)."""
        for connection in list(self._shared.get(origin, ())):
            if connection.has_room and connection.is_silent and await connection.shows_life() and connection.has_room:
                return connection.stream()
        return None

    def forget_shared(self, connection: Http2Server) -> None:
        """Hand a connection to nobody any more; who waits for room on it has to look elsewhere."""
        shared = self._shared.get(connection.origin)
        if shared is None or connection not in shared:
            return
        shared.remove(connection)
        if not shared:
            del self._shared[connection.origin]
        crowd = self._crowded.pop(connection.origin, None)
        if crowd is not None:
            crowd.wake_all()

    def has_room(self, connection: Http2Server) -> None:
        """Let those go on who wait for a stream, one by one, as long as there is room."""
        crowd = self._crowded.get(connection.origin)
        while crowd and connection.has_room:
            crowd.wake()

    def is_crowded(self, origin: Origin, most: int) -> bool:
        """True if exchanges have to wait for room: there are `most` connections, or the server wants no streams at all."""
        shared = self._shared.get(origin, ())
        return len(shared) >= most or any(connection.takes_none for connection in shared)

    async def room(self, origin: Origin, seconds: float) -> None:
        """Wait until there may be room for a stream.

        Raises:
            PeerError: That took too long (504).

        """
        crowd = self._crowded.setdefault(origin, Queue(self._deadlines))
        await crowd.wait(seconds, "waiting for the server to take another stream")

    # Connections that somebody opens.

    async def open_for_all(self, origin: Origin, opening: Awaitable[ServerStream]) -> ServerStream:
        """Wait for a connection that is being opened, and have others wait for it who want one to the same origin.

        Raises:
            PeerError: It could not be had; the others are told the same.

        """
        self.begin_opening(origin)
        try:
            stream = await opening
        except PeerError as error:
            self.end_opening(origin, error)
            raise
        except BaseException:
            self.give_up_opening(origin)
            raise
        self.end_opening(origin)
        return stream

    def is_opening(self, origin: Origin) -> bool:
        """True if somebody is opening a connection that may be shared."""
        return origin in self._opening

    def begin_opening(self, origin: Origin) -> None:
        """Have others wait for the connection that the caller is going to open; `end_opening` has to follow."""
        if not self._exclusive.get(origin):
            self._opening[origin] = Queue(self._deadlines)

    def end_opening(self, origin: Origin, error: PeerError | None = None) -> None:
        """Let those go on who waited: what was opened is in the pool if it can be shared."""
        if error is None:
            self._exclusive.put(origin, origin not in self._shared)
        waiting = self._opening.pop(origin, None)
        if waiting is not None:
            waiting.wake_all(error)

    def cannot_share(self, origin: Origin) -> None:
        """Take note that a connection to `origin` cannot be shared, so that nobody waits for one."""
        self._exclusive.put(origin, True)

    def give_up_opening(self, origin: Origin) -> None:
        """Let somebody else open the connection: who was to do so has left."""
        waiting = self._opening.pop(origin, None)
        if waiting is not None:
            waiting.wake_all()

    async def opened(self, origin: Origin) -> None:
        """Wait for a connection that somebody is opening.

        Raises:
            PeerError: It could not be had.

        """
        await self._opening[origin].wait(0, "")

    # What servers speak.

    def remember(self, origin: Origin, versions: tuple[bytes, ...]) -> None:
        """Speak to this server in no other versions from now on (H2-04)."""
        self._known.put(_address(origin), versions)
        self.lessons += 1

    def versions(self, origin: Origin) -> tuple[bytes, ...]:
        """Return the versions to speak: those of the origin, unless its server is known to want others."""
        known = self._known.get(_address(origin))
        return origin.versions if known is None else known

    # All of them.

    def drop(self, owner: str) -> None:
        """Close the connections that nobody but `owner`, who has gone, could have used."""
        for origin in [origin for origin in self._idle if origin.owner == owner]:
            for stream in self._idle.pop(origin):
                stream.peer.close()
        for origin in [origin for origin in self._shared if origin.owner == owner]:
            for connection in list(self._shared[origin]):
                connection.retire()

    def has_address(self, address: tuple[str, int], via: Via | None, owner: str = "") -> bool:
        """True if a connection to this address is at hand, so that none has to be opened to see that it can be had."""
        return any(
            connections and (origin.host, origin.port) == address and origin.via == via and origin.owner == owner
            for connections in (self._idle, self._shared)
            for origin, there in connections.items()
            if there
        )

    def close(self) -> None:
        """Close all idle connections; those that are in use close when they are not any more."""
        for idle in list(self._idle.values()):
            for stream in list(idle):
                stream.peer.close()
        self._idle.clear()
        for shared in list(self._shared.values()):
            for connection in list(shared):
                connection.retire()

    def __len__(self) -> int:
        return sum(map(len, self._idle.values())) + sum(map(len, self._shared.values()))


def _address(origin: Origin) -> _Address:
    return origin.host, origin.port, origin.is_tls, origin.via
