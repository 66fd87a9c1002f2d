"""Names of cipher suites, in OpenSSL's spelling: the same in which it tells which one was agreed on.

They are those of the OpenSSL that is there; suites it does not know keep their number.
"""

import ssl
from collections.abc import Iterable
from functools import cache
from typing import Final

_SIGNALS: Final = {0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", 0x5600: "TLS_FALLBACK_SCSV"}
"""What stands among the suites of a hello and is none (RFC 5746 §3.3, RFC 7507 §2)."""


def cipher_names(suites: Iterable[int]) -> tuple[str, ...]:
    """Name suites as they stand in a hello."""
    known = _names()
    return tuple(known.get(suite) or f"0x{suite:04x}" for suite in suites)


@cache
def _names() -> dict[int, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {cipher["id"] & 0xFFFF: cipher["name"] for cipher in context.get_ciphers()} | _SIGNALS
