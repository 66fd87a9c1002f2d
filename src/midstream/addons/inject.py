"""Commands that send something of our own into a flow that is under way."""

from midstream.addon import Flow, HTTPFlow, TCPFlow, UDPFlow, UsageError, command


class Inject:
    """Offers the commands; it listens to nothing."""

    name = "inject"

    @command.command("inject.tcp")
    def tcp(self, flow: Flow, to_client: bool, message: bytes) -> None:
        """Send bytes to one side of a TCP flow as if the other had sent them."""
        if not isinstance(flow, TCPFlow):
            raise UsageError(f"inject.tcp wants a TCP flow, got one of type {flow.type}")
        flow.inject(to_client, message)

    @command.command("inject.udp")
    def udp(self, flow: Flow, to_client: bool, message: bytes) -> None:
        """Send a datagram to one side of a UDP flow as if the other had sent it."""
        if not isinstance(flow, UDPFlow):
            raise UsageError(f"inject.udp wants a UDP flow, got one of type {flow.type}")
        flow.inject(to_client, message)

    @command.command("inject.websocket")
    def websocket(self, flow: Flow, to_client: bool, message: bytes, is_text: bool = True) -> None:
        """Send a message to one side of a WebSocket connection as if the other had sent it."""
        if not isinstance(flow, HTTPFlow):
            raise UsageError(f"inject.websocket wants an HTTP flow, got one of type {flow.type}")
        flow.inject(to_client, message, is_text)
