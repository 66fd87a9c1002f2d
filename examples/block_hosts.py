"""Refuse requests to hosts that match a filter.

    midstream dump -s examples/block_hosts.py --set 'block_filter=~d ads.example.com | ~d tracker.example.net'

An answer given in `requestheaders` means that the server is never asked. A filter that cannot be read is refused when
it is set, with the place of the mistake.
"""

from midstream.addon import Filter, HTTPFlow, Loader, Response, ctx, filters


class BlockHosts:
    blocked: Filter | None = None

    def load(self, loader: Loader) -> None:
        loader.add_option("block_filter", str, "", "Refuse requests that match this filter.")

    def configure(self, updated: set[str]) -> None:
        if "block_filter" in updated:
            text = ctx.options.block_filter
            self.blocked = filters.parse(text) if text else None

    def requestheaders(self, flow: HTTPFlow) -> None:
        if self.blocked is not None and self.blocked(flow):
            flow.response = Response.make(
                403, f"{flow.request.pretty_host} is blocked.\n", {"Content-Type": "text/plain"}
            )


addons = [BlockHosts()]
