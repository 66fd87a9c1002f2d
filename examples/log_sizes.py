"""Log the size of each body.

    midstream dump -s examples/log_sizes.py

`@observe` says that this hook only looks. Without it the proxy would have to hold every response back until it is
complete, as the hook might want to change it.
"""

from midstream.addon import HTTPFlow, Message, ctx, observe


@observe
def response(flow: HTTPFlow) -> None:
    sizes = f"{size_of(flow.request)} sent, {size_of(flow.response)} received"
    ctx.log.info("%s %s: %s", flow.request.method, flow.request.pretty_url, sizes)


def size_of(message: Message) -> str:
    if message.raw_content is None:
        return "body not kept"
    return f"{len(message.raw_content)} bytes"
