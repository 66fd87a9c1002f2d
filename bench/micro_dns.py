"""Microseconds per DNS query that is passed on, all but kernel and loop: `python bench/micro_dns.py`; `--profile` tells where they go.

One query: read the client's datagram, make a flow, ask the server over a shared socket, read its answer, send it back. Beside it the
same two messages read by dnspython.
"""

import argparse
import cProfile
import pstats
import time

import dns.message

from midstream.flow import DNSMessage
from midstream.testing import Scenario

QUERY = b"\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1"
ANSWER = b"\x81\x80\0\1\0\1\0\0\0\0\3www\7example\3com\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
ROUNDS = 10_000


def pass_on(scenario: Scenario, rounds: int) -> None:
    """Pass on queries, each from another address."""
    for number in range(rounds):
        own_id = (number % 65536).to_bytes(2, "big")
        scenario.port.datagram_received(own_id + QUERY, ("127.0.0.1", 1024 + number % 60_000))
        server = scenario.datagram_servers[-1]
        server._link.datagram_received(own_id + ANSWER, None)  # noqa: SLF001 - without what a test would wait for
        if number % 100 == 0:
            server.transport.sent.clear()
            scenario.port._transport.sent.clear()  # type: ignore[attr-defined] # noqa: SLF001 - as above


def read(rounds: int, reader: object) -> None:
    for _ in range(rounds):
        reader(b"\0\0" + QUERY)  # type: ignore[operator]
        reader(b"\0\0" + ANSWER)  # type: ignore[operator]


def timed(name: str, rounds: int, call: object, *arguments: object) -> None:
    begin = time.process_time()
    call(*arguments)  # type: ignore[operator]
    print(f"{name:32} {(time.process_time() - begin) / rounds * 1e6:7.1f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    scenario = Scenario("dns", dns_name_servers=["192.0.2.53"])
    pass_on(scenario, 1000)
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(pass_on, scenario, given.rounds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    timed("pass on a query", given.rounds, pass_on, scenario, given.rounds)
    timed("read query and answer", given.rounds, read, given.rounds, DNSMessage.unpack)
    timed("the same with dnspython", given.rounds, read, given.rounds, dns.message.from_wire)


if __name__ == "__main__":
    main()
