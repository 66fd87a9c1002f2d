"""`midstream explain`: tell how a connection to a host would be treated, without making one."""

from typing import Any

import click

from midstream.cli.flags import option_flags, options_from
from midstream.errors import UsageError


@option_flags
@click.command()
@click.argument("where", metavar="HOST[:PORT]")
def explain(where: str, **params: Any) -> None:
    """Tell how a connection to HOST would be treated, and which option decides it.

    HOST may be a URL, too. PORT is that of the URL, 443 unless given. Nothing is connected to.

    \b
      midstream explain example.com
      midstream explain http://example.com/ --ignore-hosts 'example\\.com'
    """  # noqa: D301 - the backslash is click's mark for lines to leave alone
    from midstream.proxy.explain import explain as lines_about  # noqa: PLC0415 - other commands must not pay for the proxy

    options = options_from(params)
    host, port = read_place(where)
    for line in lines_about(options, host, port):
        click.echo(line)


def read_place(text: str) -> tuple[str, int]:
    """Read `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a URL."""
    scheme, separator, rest = text.rpartition("://")
    place = rest.partition("/")[0].rpartition("@")[2]
    host, port = _split(place)
    if not port:
        port = "80" if separator and scheme.lower() in {"http", "ws"} else "443"
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r}: expected HOST or HOST:PORT")
    return host, int(port)


def _split(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, rest.removeprefix(":")
    if place.count(":") > 1:
        return place, ""
    host, _, port = place.partition(":")
    return host, port
