"""TLS without sockets: the ClientHello reader and endpoints over memory buffers.

`midstream.wire.tls.openssl` is not imported here: pyOpenSSL costs start-up time and serves rare cases.
"""

from midstream.wire.tls.endpoint import StdlibEndpoint, TlsEndpoint
from midstream.wire.tls.failure import Kind, TlsError
from midstream.wire.tls.hello import ClientHello, read_client_hello

__all__ = ["ClientHello", "Kind", "StdlibEndpoint", "TlsEndpoint", "TlsError", "read_client_hello"]
