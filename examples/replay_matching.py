"""Send again what matches a filter, as soon as it is over: requests, and whole WebSocket sessions.

    midstream dump -s examples/replay_matching.py --set 'replay_filter=~d api.example.com & ~m GET'

A copy is replayed, so that both are there to be compared: what came of it the first time, and what comes of it now.
"""

from midstream.addon import Filter, HTTPFlow, Loader, ctx, filters, observe


class ReplayMatching:
    wanted: Filter | None = None

    def load(self, loader: Loader) -> None:
        loader.add_option("replay_filter", str, "", "Send again what matches this filter.")

    def configure(self, updated: set[str]) -> None:
        if "replay_filter" in updated:
            text = ctx.options.replay_filter
            self.wanted = filters.parse(text) if text else None

    @observe
    def response(self, flow: HTTPFlow) -> None:
        if flow.websocket is None:
            self.replay(flow)

    @observe
    def websocket_end(self, flow: HTTPFlow) -> None:
        self.replay(flow)

    def replay(self, flow: HTTPFlow) -> None:
        if self.wanted is not None and self.wanted(flow) and not flow.is_replay:
            ctx.master.commands.call("replay.client", [flow.copy()])


addons = [ReplayMatching()]
