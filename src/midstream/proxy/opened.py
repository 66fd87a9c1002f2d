"""The opening of a WebSocket connection, as a proxy takes part in it: what is offered, and what was agreed with either side."""

import msgspec

from midstream.flow import Request, Response
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


def accept(opening: Opening, came: ResponseHead, response: Response) -> Opened:
    """Return what the server's answer, and what of it goes to the client, agree on.

    Raises:
        PeerError: The answer does not fit what was asked for (WS-11).

    """
    check_answer(opening, came)
    with_server = agreed(opening.offers, came.headers)
    return Opened(agreed(opening.offers, list(response.headers.fields)), with_server)
