"""What tells one HTTP/2 client from another: how it introduces itself, in the form that Akamai described in 2017."""

import msgspec

from midstream.wire.h2.events import Priority


class Fingerprint(msgspec.Struct):
    """The first frames of a connection."""

    settings: list[tuple[int, int]] = []
    """The first SETTINGS frame, in its order."""
    increment: int = 0
    """By how much the connection's window was opened before the first request; 0 for not at all."""
    priorities: list[tuple[int, Priority]] = []
    """PRIORITY frames before the first request, with the streams they speak of."""
    pseudo_order: bytes = b""
    """As in `RequestHead`, of the first request."""

    def __str__(self) -> str:
        settings = ";".join(f"{key}:{value}" for key, value in self.settings)
        priorities = ",".join(
            f"{stream_id}:{int(each.is_exclusive)}:{each.depends_on}:{each.weight}"
            for stream_id, each in self.priorities
        )
        order = self.pseudo_order.decode()
        return f"{settings}|{self.increment or '00'}|{priorities or '0'}|{order}"
