"""A second machine: a network namespace whose connections a firewall rule leads to a port of ours.

The client in it reaches two addresses, `SERVER` and `SERVER6`, that belong to this machine; what it sends there arrives at
the proxy, which learns from the system where it was going (iptables REDIRECT). Needs root.
"""

import os
import subprocess
from typing import Self

from livekit.tools import TIME_LIMIT, need

SERVER = "198.18.7.80"
SERVER6 = "fd00:6d73:7::80"


class Namespace:
    """Enter it to build it; leaving takes everything down."""

    def __init__(self) -> None:
        for program, package in (("ip", "iproute2"), ("iptables", "iptables"), ("ip6tables", "iptables")):
            need(program, package)
        assert os.geteuid() == 0, "transparent mode is tested with network namespaces, which need root"
        number = os.getpid() % 50_000
        self.name = f"ms{number}"
        self._outside, self._inside = f"mo{number}", f"mi{number}"
        self._net = f"10.{200 + number % 50}.{number // 50 % 250}"
        self._net6 = f"fd00:6d73:{number:x}:"
        self._rules: list[list[str]] = []

    def __enter__(self) -> Self:
        outside, inside, name = self._outside, self._inside, self.name
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        for address in (f"{self._net}.1/24", f"{self._net6}:1/64"):
            _run("ip", "addr", "add", address, "dev", outside, *_nodad(address))
        for address in (f"{SERVER}/32", f"{SERVER6}/128"):
            _run("ip", "addr", "replace", address, "dev", "lo")
        _run("ip", "link", "set", outside, "up")
        for address in (f"{self._net}.2/24", f"{self._net6}:2/64"):
            _run("ip", "-n", name, "addr", "add", address, "dev", inside, *_nodad(address))
        for link in ("lo", inside):
            _run("ip", "-n", name, "link", "set", link, "up")
        _run("ip", "-n", name, "route", "add", "default", "via", f"{self._net}.1")
        _run("ip", "-n", name, "-6", "route", "add", "default", "via", f"{self._net6}:1")
        return self

    def __exit__(self, *failure: object) -> None:
        for rule in self._rules:
            subprocess.run(rule, check=False, capture_output=True, timeout=TIME_LIMIT)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True, timeout=TIME_LIMIT)
        subprocess.run(["ip", "link", "del", self._outside], check=False, capture_output=True, timeout=TIME_LIMIT)

    @property
    def gateway(self) -> str:
        """Our address as the client sees it."""
        return f"{self._net}.1"

    def redirect(self, port: int) -> None:
        """Lead every TCP connection to the two servers to this port."""
        for program, server in (("iptables", SERVER), ("ip6tables", SERVER6)):
            rule = [
                "PREROUTING",
                "-i",
                self._outside,
                "-p",
                "tcp",
                "-d",
                server,
                "-j",
                "REDIRECT",
                "--to-ports",
                f"{port}",
            ]
            _run(program, "-w", "-t", "nat", "-A", *rule)
            self._rules.append([program, "-w", "-t", "nat", "-D", *rule])

    def run(self, *command: str, stdin: bytes = b"") -> bytes:
        """Run a command on the client's machine and return what it wrote."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=TIME_LIMIT + 10,
        )
        return done.stdout + done.stderr

    def curl(self, *arguments: str) -> bytes:
        return self.run(need("curl", "curl"), "-q", "-sS", "--noproxy", "*", "--max-time", f"{TIME_LIMIT}", *arguments)


def _nodad(address: str) -> list[str]:
    """Use an IPv6 address at once: nobody else has it."""
    return ["nodad"] if ":" in address else []


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIME_LIMIT)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"
