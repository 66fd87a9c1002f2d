"""What relaying a small WebSocket message costs in our own code, without the kernel: CPU time per message, best of several runs.

Passed on while nobody looks, told to those who only look, and held for an addon that may edit; one message per read, and ten.
"""

from __future__ import annotations

import time

from midstream.addon import observe
from midstream.testing import Scenario, open_websocket
from midstream.wire.ws import Message

MESSAGES, RUNS = 20_000, 7


class Looks:
    @observe
    def websocket_message(self, flow: object) -> None:
        pass


class Holds:
    def websocket_message(self, flow: object) -> None:
        pass


def measure(addon: object | None, together: int) -> float:
    """Return microseconds per message."""
    scenario = Scenario(addons=[addon] if addon else [])
    client, _ = open_websocket(scenario)
    message = Message(2, b"x" * 100)
    data = b"".join(client.engine.send(message) for _ in range(together))
    receive = client.peer._peer.data_received  # noqa: SLF001 - what the loop calls
    written, flush = scenario.servers[0].transport.written, scenario.session.turns.end
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(MESSAGES // together):
            receive(data)
            flush()
        best = min(best, time.process_time() - began)
        written.clear()
    return best / MESSAGES * 1e6


def main() -> None:
    for name, addon in (("passed on", None), ("told", Looks()), ("held", Holds())):
        print(f"{name:10} {measure(addon, 1):6.1f} µs alone {measure(addon, 10):6.1f} µs of ten in one read")


if __name__ == "__main__":
    main()
