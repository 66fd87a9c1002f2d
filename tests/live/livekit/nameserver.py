"""dnsmasq as an ordinary name server, and dig as an ordinary client."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.query

from livekit.tools import TIME_LIMIT, need

_COMMON = """\
port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
pid-file=
{many}
"""
_NAMES = """\
local=/test/
host-record=www.test,192.0.2.1,2001:db8::1
txt-record=txt.test,"one two","three"
cname=alias.test,www.test
mx-host=test,mail.test,10
srv-host=_sip._tcp.test,sip.test,5060
"""
_ZONE = """\
auth-server=ns.zone.test,lo
auth-zone=zone.test,192.0.2.0/24
auth-soa=5,hostmaster.zone.test,1,2,3
auth-peer=127.0.0.1
auth-sec-servers=ns2.zone.test
host-record=www.test,192.0.2.1
host-record=one.zone.test,192.0.2.81
"""


class NameServer:
    """Serves the domain `test`, on one port over UDP and TCP. `many.test` has 60 addresses, too many for 512 bytes."""

    _serves = _NAMES

    def __init__(self, directory: Path) -> None:
        while not self._starts(directory):
            pass  # somebody else was given the port meanwhile

    def _starts(self, directory: Path) -> bool:
        self.port = _free_port()
        many = "\n".join(f"host-record=many.test,192.0.2.{number}" for number in range(100, 160))
        configuration = directory / "dnsmasq.conf"
        configuration.write_text(_COMMON.format(port=self.port, many=many) + self._serves)
        self._process = subprocess.Popen(
            [need("dnsmasq", "dnsmasq-base"), "--keep-in-foreground", f"--conf-file={configuration}", "--user=root"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._is_ready()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=TIME_LIMIT)

    def _is_ready(self) -> bool:
        """Wait for the first answer; False if the port was taken."""
        query = dns.message.make_query("www.test", "A")
        deadline = time.monotonic() + TIME_LIMIT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                _, said = self._process.communicate()
                if "in use" in said:
                    return False
                raise AssertionError(f"dnsmasq ended: {said}")
            with contextlib.suppress(OSError, dns.exception.DNSException):
                dns.query.tcp(query, "127.0.0.1", 1, self.port)
                return True
        self.stop()
        raise AssertionError("dnsmasq does not answer")


class ZoneServer(NameServer):
    """Gives all of the zone `zone.test` to who wants it."""

    _serves = _ZONE


def dig(port: int, *arguments: str) -> str:
    """Return what dig prints."""
    command = [need("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(port), "+time=10", "+tries=1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True).stdout


def _free_port() -> int:
    """Return a port that is free for datagrams and connections."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = int(udp.getsockname()[1])
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port
