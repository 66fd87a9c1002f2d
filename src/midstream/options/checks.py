"""What single options refuse beyond their type."""

import ipaddress
import re
from collections.abc import Iterable

from midstream.errors import OptionsError


def check_patterns(value: Iterable[str]) -> None:
    """Refuse a list with something in it that is no regular expression."""
    for pattern in value:
        try:
            re.compile(pattern)
        except re.error as fault:
            raise OptionsError(f"'{pattern}' is no regular expression: {fault}") from None


def check_networks(value: Iterable[str]) -> None:
    """Refuse a list with something in it that is neither an address nor a network."""
    for network in value:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise OptionsError(f"{network!r} is no address or network; expected such as 10.0.0.0/8 or ::1") from None


def check_address(value: str) -> None:
    """Refuse what is no IP address."""
    try:
        ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        raise OptionsError(f"{value!r} is no IP address") from None


def check_credentials(value: str) -> None:
    """Refuse what is not `USER:PASSWORD`; the password may hold further colons."""
    user, colon, _ = value.partition(":")
    if not user or not colon:
        raise OptionsError("expected USER:PASSWORD")
