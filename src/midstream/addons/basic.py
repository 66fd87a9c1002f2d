"""HTTP Basic credentials (RFC 7617)."""

import base64
import binascii


def encode(user: str, password: str) -> str:
    """Return the value of an Authorization or Proxy-Authorization field."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def decode(value: str) -> tuple[str, str] | None:
    """Return user and password from the value of a field; None if it holds no Basic credentials."""
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
