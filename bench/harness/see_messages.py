"""The script of the scenario tcp-script: it looks at each message, so that every read goes through the hooks."""

from typing import Any


class SeeMessages:
    size = 0

    def tcp_message(self, flow: Any) -> None:
        self.size += len(flow.messages[-1].content)


addons = [SeeMessages()]
