"""Commands that send something of our own into a flow that is under way."""

from midstream.addon import Flow, TCPFlow, UsageError, command


class Inject:
    """Offers the commands; it listens to nothing."""

    name = "inject"

    @command.command("inject.tcp")
    def tcp(self, flow: Flow, to_client: bool, message: bytes) -> None:
        """Send bytes to one side of a TCP flow as if the other had sent them."""
        if not isinstance(flow, TCPFlow):
            raise UsageError(f"inject.tcp wants a TCP flow, got one of type {flow.type}")
        flow.inject(to_client, message)
