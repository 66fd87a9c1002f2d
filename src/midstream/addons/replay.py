"""Commands that send recorded requests and sessions again."""

from collections.abc import Sequence

from midstream.addon import Flow, command, ctx


class Replay:
    """Offers the commands; it listens to nothing."""

    name = "replay"

    @command.command("replay.client")
    def client(self, flows: Sequence[Flow]) -> None:
        """Send the requests of flows again, and the messages of WebSocket sessions; the flows become what comes of it."""
        ctx.master.replays.add(flows)

    @command.command("replay.client.count")
    def count(self) -> int:
        """Return how many flows are being replayed, or wait for it."""
        return ctx.master.replays.count

    @command.command("replay.client.stop")
    def stop(self) -> None:
        """Break off what is being replayed, and forget what waits for it."""
        ctx.master.replays.stop()
