"""What the two ends of a connection agree on about compression (RFC 7692 §7.1), each connection of a proxy for itself.

A proxy passes on only the offers that it can follow: frames of an extension unknown to it could not be read (WS-02). It can
follow every well-formed offer of permessage-deflate, since it reads any window and writes any window, so most often the
server's answer to the client's own offers is also the answer that the client gets.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from midstream.wire.errors import PeerError, shown
from midstream.wire.events import Fields
from midstream.wire.ws.extensions import Extension, read_extensions, written_extension

FIELD: Final = b"sec-websocket-extensions"
DEFLATE: Final = b"permessage-deflate"

_REFERENCE: Final = "RFC 7692 §7.1"
_FLAGS: Final = (b"server_no_context_takeover", b"client_no_context_takeover")
_BITS: Final = {b"%d" % bits: bits for bits in range(8, 16)}


class Compression(msgspec.Struct, frozen=True):
    """What was agreed for one connection."""

    server_bits: int = 15
    """The window of what the server sends is at most this, as a power of two."""
    client_bits: int = 15
    server_keeps_context: bool = True
    """The server may refer to its earlier messages."""
    client_keeps_context: bool = True


class Offer(msgspec.Struct, frozen=True):
    """One offer of permessage-deflate, or the answer to it."""

    compression: Compression
    takes_client_bits: bool
    """`client_max_window_bits` stands in it: the server may ask the client for a smaller window (RFC 7692 §7.1.2.2)."""
    names_server_bits: bool
    text: bytes
    """As it was written."""


def offers(fields: Fields) -> list[Offer]:
    """Return the offers of a client that can be followed, best first; others and other extensions are left out.

    Raises:
        PeerError: what it offers cannot be read.

    """
    found = []
    for extension in _extensions(fields):
        if extension.name == DEFLATE:
            try:
                found.append(_read(extension, is_answer=False))
            except PeerError:
                continue  # a server declines such an offer (RFC 7692 §7)
    return found


def offer_field(found: Sequence[Offer]) -> bytes:
    """Return the value that offers the same to a server; empty for nothing, where the field has to go."""
    return b", ".join([each.text for each in found])


def agreed(offered: Sequence[Offer], fields: Fields) -> Compression | None:
    """Return what a server's response agrees to; None for no compression.

    Raises:
        PeerError: the server agrees to what nobody offered.

    """
    extensions = _extensions(fields)
    if not extensions:
        return None
    extension, *others = extensions
    if others or extension.name != DEFLATE or not offered:
        name = others[0].name if others else extension.name
        raise PeerError(f"a server that agrees to {shown(name)}, which was not offered", "RFC 6455 §9.1", status=502)
    answer = _read(extension, is_answer=True)
    if not any(_fits(answer, offer) for offer in offered):
        raise PeerError(
            f"a server that agrees to {shown(extension.text)}, which does not fit any offer", _REFERENCE, status=502
        )
    return answer.compression


def answer(offered: Sequence[Offer]) -> tuple[bytes, Compression] | None:
    """Take the first offer, as a server would; return the value of the field and what was agreed by it.

    The client is asked for nothing that it did not offer to do.
    """
    if not offered:
        return None
    offer = offered[0]
    wanted = offer.compression
    parameters: list[tuple[bytes, bytes | None]] = []
    if not wanted.server_keeps_context:
        parameters.append((_FLAGS[0], None))
    if not wanted.client_keeps_context:
        parameters.append((_FLAGS[1], None))
    if offer.names_server_bits:
        parameters.append((b"server_max_window_bits", b"%d" % wanted.server_bits))
    return written_extension(DEFLATE, parameters), wanted


def _extensions(fields: Fields) -> list[Extension]:
    return [each for name, value in fields if name.lower() == FIELD for each in read_extensions(value)]


def _fits(answer: Offer, offer: Offer) -> bool:
    """Tell whether a server may give this answer to this offer."""
    asked, agreed_to = offer.compression, answer.compression
    if answer.takes_client_bits and (not offer.takes_client_bits or agreed_to.client_bits > asked.client_bits):
        return False
    if agreed_to.server_keeps_context and not asked.server_keeps_context:
        return False
    return agreed_to.server_bits <= asked.server_bits


def _read(extension: Extension, *, is_answer: bool) -> Offer:
    keeps = dict.fromkeys(_FLAGS, True)
    bits: dict[bytes, int] = {}
    for name, value in extension.parameters:
        if name in bits or not keeps.get(name, True):
            raise PeerError(f"{shown(name)} twice in one extension", _REFERENCE)
        if name in keeps and value is None:
            keeps[name] = False
        elif name == b"client_max_window_bits" and value is None and not is_answer:
            bits[name] = 15
        elif name in (b"client_max_window_bits", b"server_max_window_bits") and value in _BITS:
            bits[name] = _BITS[value]
        else:
            raise PeerError(f"a parameter {shown(name)} of {shown(value or b'')} for permessage-deflate", _REFERENCE)
    compression = Compression(
        bits.get(b"server_max_window_bits", 15), bits.get(b"client_max_window_bits", 15), *keeps.values()
    )
    return Offer(compression, b"client_max_window_bits" in bits, b"server_max_window_bits" in bits, extension.text)
