"""Finds where TLS begins inside a connection that began in clear text: STARTTLS and its like. Pure bytes; no TLS is done here."""

from midstream.wire.starttls.watch import Watch

__all__ = ["Watch"]
