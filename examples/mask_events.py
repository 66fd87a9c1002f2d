"""Mask what looks like a card number in server-sent events, and drop the events of one type, as they pass.

    midstream dump -s examples/mask_events.py --set drop_event=debug

Each event goes on as soon as this hook has returned; the stream is never held back. An event that is not changed goes on
byte for byte.
"""

import re

from midstream.addon import HTTPFlow, Loader, ctx

CARD_NUMBER = re.compile(r"\b\d{4}([ -]?\d{4}){3}\b")


def load(loader: Loader) -> None:
    loader.add_option("drop_event", str, "", "Drop server-sent events of this type.")


def sse_event(flow: HTTPFlow) -> None:
    event = flow.sse_events[-1]
    if event.event and event.event == ctx.options.drop_event:
        event.drop()
    else:
        event.data = CARD_NUMBER.sub("[card number]", event.data)
