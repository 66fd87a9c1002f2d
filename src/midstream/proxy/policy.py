"""Which connections are opened and read, which are relayed as raw TCP, which are not touched at all: one ordered decision.

The order is the answer to every "why was this (not) intercepted?":

1. `ignore_hosts` matches                        → relayed untouched
2. `allow_hosts` is set and nothing in it matches → relayed untouched
3. `tcp_hosts` matches                           → TLS is opened, the rest is raw TCP
4. otherwise                                     → TLS is opened, HTTP is read, anything else is raw TCP

A pattern is a regular expression, searched without regard to case in each name by which the server is known, with its
port: `address:port` as asked for, `ip:port` as connected, `SNI:port`, `Host-field:port`.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum

import msgspec

from midstream.errors import OptionsError
from midstream.flow.url import with_port
from midstream.options import Options


class Action(Enum):
    """What is done with a connection, as in the list above."""

    IGNORE = "ignore"
    TCP = "tcp"
    INTERCEPT = "intercept"


class Decision(msgspec.Struct, frozen=True):
    """What is done, and the sentence that says why."""

    action: Action
    reason: str
    is_final: bool = True
    """False if another name of the same server could change it."""


class Policy:
    """The compiled lists. Raises `OptionsError` for a pattern that is no regular expression."""

    def __init__(self, options: Options) -> None:
        self._ignore = _compile("ignore_hosts", options.ignore_hosts)
        self._allow = _compile("allow_hosts", options.allow_hosts)
        self._tcp = _compile("tcp_hosts", options.tcp_hosts)
        self.needs_names = bool(self._ignore or self._allow or self._tcp)
        """The decision wants every name: wait for the whole ClientHello, or the Host field of clear-text HTTP."""

    def decide(self, names: Iterable[str]) -> Decision:
        """Decide by the names, each `host:port`, by which a server is known so far."""
        names = [name for name in names if name]
        if (hit := _search(self._ignore, names)) is not None:
            return Decision(Action.IGNORE, f"ignore_hosts '{hit[0]}' matches {hit[1]}")
        if self._allow:
            if (hit := _search(self._allow, names)) is None:
                return Decision(
                    Action.IGNORE, f"no pattern of allow_hosts matches {' or '.join(names)}", is_final=False
                )
            allowed = f"allow_hosts '{hit[0]}' matches {hit[1]}"
        else:
            allowed = "no list names it"
        if (hit := _search(self._tcp, names)) is not None:
            return Decision(Action.TCP, f"tcp_hosts '{hit[0]}' matches {hit[1]}", is_final=False)
        return Decision(Action.INTERCEPT, allowed, is_final=False)


Patterns = list[re.Pattern[str]]


def _compile(option: str, patterns: Sequence[str]) -> Patterns:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern, re.IGNORECASE))
        except re.error as error:
            raise OptionsError(f"{option}: '{pattern}' is not a regular expression: {error}") from None
    return compiled


def _search(patterns: Patterns, names: Sequence[str]) -> tuple[str, str] | None:
    for pattern in patterns:
        for name in names:
            if pattern.search(name):
                return pattern.pattern, name
    return None


def authority_name(host: str, port: int) -> str:
    """Return `host:port` as patterns see it, IPv6 in brackets."""
    return with_port(host, port)
