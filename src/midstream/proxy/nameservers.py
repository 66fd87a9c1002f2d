"""Whom the system asks for names, and what its hosts file says."""

import os
import sys
from collections.abc import Iterable

from midstream.errors import OptionsError
from midstream.flow import ResourceRecord
from midstream.flow import dnsnumbers as numbers
from midstream.options.nameserver import NameServer
from midstream.pki.names import ip_address

RESOLV_CONF = "/etc/resolv.conf"
HOSTS = (
    os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), r"System32\drivers\etc\hosts")
    if sys.platform == "win32"
    else "/etc/hosts"
)


def system_servers(path: str) -> list[NameServer]:
    """Return the name servers of a resolv.conf; none if there is no such file (DNS-21)."""
    servers = []
    for words in _lines(path, comments="#;"):
        if words[0] == "nameserver" and len(words) > 1:
            try:
                servers.append(NameServer.parse(words[1]))
            except OptionsError:
                continue
    return servers


class Hosts:
    """The names of a hosts file. Empty if there is none."""

    def __init__(self, lines: Iterable[list[str]] = ()) -> None:
        self._addresses: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        """The first name of each address, by its name in the reverse tree."""
        for address, *names in lines:
            known = ip_address(address)
            if known is None or not names:
                continue
            self._names.setdefault(known.reverse_pointer, names[0])
            for name in names:
                self._addresses.setdefault(name.lower().rstrip("."), []).append(str(known))

    @classmethod
    def read(cls, path: str) -> "Hosts":
        return cls(_lines(path, comments="#"))

    def look_up(self, name: str, kind: int) -> list[ResourceRecord] | None:
        """Return the records of a type; None if the file knows nothing of the name."""
        key = name.lower()
        if kind == numbers.PTR:
            found = self._names.get(key)
            return None if found is None else [ResourceRecord.PTR(name, found)]
        addresses = self._addresses.get(key)
        if addresses is None or kind not in {numbers.A, numbers.AAAA}:
            return None
        return address_records(name, kind, addresses)


def address_records(name: str, kind: int, addresses: Iterable[str]) -> list[ResourceRecord]:
    """Return a record for each address that is of this type."""
    make = ResourceRecord.A if kind == numbers.A else ResourceRecord.AAAA
    return [
        make(name, address.partition("%")[0]) for address in addresses if (":" in address) == (kind == numbers.AAAA)
    ]


def _lines(path: str, comments: str) -> list[list[str]]:
    """Return the words of each line that has any."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        for mark in comments:
            line = line.partition(mark)[0]  # noqa: PLW2901 - what is left of it
        if words := line.split():
            lines.append(words)
    return lines
