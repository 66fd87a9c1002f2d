"""Count requests by host: an addon with an option and commands of its own.

    midstream dump -s examples/count_by_host.py --set count_only='~m POST'

Other addons, and interfaces that take commands, get at the numbers with `count.show` and `count.clear`.
"""

from collections import Counter
from collections.abc import Sequence

from midstream.addon import HTTPFlow, Loader, command, ctx, filters, observe


class CountByHost:
    def __init__(self):
        self.counts: Counter[str] = Counter()
        self.counted = filters.parse("~all")

    def load(self, loader: Loader) -> None:
        loader.add_option("count_only", str, "~all", "Count requests that match this filter.")

    def configure(self, updated: set[str]) -> None:
        if "count_only" in updated:
            self.counted = filters.parse(ctx.options.count_only)

    @observe
    def request(self, flow: HTTPFlow) -> None:
        if self.counted(flow):
            self.counts[flow.request.pretty_host] += 1

    def done(self) -> None:
        for line in self.show():
            ctx.log.info(line)

    @command.command("count.show")
    def show(self) -> Sequence[str]:
        """Return the hosts with their numbers of requests, the busiest first."""
        return [f"{count} {host}" for host, count in self.counts.most_common()]

    @command.command("count.clear")
    def clear(self) -> None:
        """Begin again with zero."""
        self.counts.clear()


addons = [CountByHost()]
