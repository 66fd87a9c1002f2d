"""The opening of a WebSocket connection, as a proxy takes part in it: what is offered, and what was agreed with either side."""

import msgspec

from midstream.errors import UsageError
from midstream.flow import Request, Response
from midstream.wire.errors import PeerError
from midstream.wire.events import RequestHead, ResponseHead
from midstream.wire.ws.handshake import Opening, asks_for_websocket, check_answer, read_opening
from midstream.wire.ws.negotiate import FIELD, Compression, agreed, offer_field

EXTENSIONS = FIELD.decode()


class Opened(msgspec.Struct, frozen=True):
    """What was agreed on."""

    with_client: Compression | None
    with_server: Compression | None


def offer(request: Request, head: RequestHead) -> Opening | None:
    """Return what a request asks for, if that is a WebSocket connection; extensions that cannot be read are taken out (WS-02).

    Raises:
        PeerError: It asks for one wrongly.

    """
    if not asks_for_websocket(head):
        return None
    opening = read_opening(msgspec.structs.replace(head, headers=list(request.headers.fields)))
    offered = offer_field(opening.offers)
    came = b", ".join(value for name, value in request.headers.fields if name.lower() == FIELD)
    if not offered and came:
        request.headers.pop(EXTENSIONS)
    elif offered != came:
        request.headers[EXTENSIONS] = offered.decode("latin-1")
    return opening


def agree_with_server(opening: Opening, came: ResponseHead) -> Compression | None:
    """Return what the server's answer agrees on.

    Raises:
        PeerError: The answer does not fit what was asked for (WS-11).

    """
    try:
        check_answer(opening, came)
        return agreed(opening.offers, came.headers)
    except PeerError as error:
        raise PeerError(error.message, error.reference, status=502) from error


def agree_with_client(opening: Opening, response: Response) -> Compression | None:
    """Return what the answer that goes to the client agrees on, which hooks may have edited.

    Raises:
        UsageError: They have agreed to what the client did not offer.

    """
    try:
        return agreed(opening.offers, list(response.headers.fields))
    except PeerError as error:
        raise UsageError(error.message) from error
