"""Feed the reader of DTLS hellos, and a server's endpoint, damaged datagrams; nothing but `PeerError` may come of them.

An input is a hello as the proxy reads it, in one datagram; then it is the second one, with the cookie, for an endpoint to begin with. With
atheris installed it is the guide: `python fuzz/fuzz_dtls.py [libFuzzer's arguments]`. Without it hellos are damaged at random:
`python fuzz/fuzz_dtls.py [--seed N] [--rounds N]`.
"""

import harness
from OpenSSL import SSL

from midstream.pki import CertificateAuthority, CertStore, LeafNames
from midstream.wire.errors import PeerError
from midstream.wire.tls.datagrams import DtlsEndpoint
from midstream.wire.tls.dtls import HelloReader, begins_with_hello, hello_verify_request, records, without_cookie

INTERESTING = (0x00, 0x01, 0x14, 0x16, 0xFD, 0xFE, 0xFF)
LEAF = CertStore(CertificateAuthority.create()).leaf_for(LeafNames("www.example.com")).identity
SERVER = SSL.Context(SSL.DTLS_METHOD)
SERVER.use_certificate(LEAF.certificate)
SERVER.use_privatekey(LEAF.key)


def check(data: bytes) -> None:
    """Hold the reader and the endpoint to what they promise about `data`."""
    found = list(records(data))
    assert data.startswith(b"".join(each.raw for each in found))
    reader = HelloReader()
    try:
        hello = reader.receive(data)
    except PeerError:
        return
    if hello is None:
        return
    assert begins_with_hello(data) or len(found) > 1
    assert len(hello.ja4) == 36, hello.ja4
    assert hello.sni is None or hello.sni.isascii(), hello.sni
    assert len(without_cookie(hello)) == len(hello.raw) - len(hello.cookie)
    server = DtlsEndpoint.over(SERVER, server_side=True)
    try:
        server.adopt(hello, reader.sequence)
        server.receive(data)
    except PeerError:
        pass
    assert all(len(datagram) <= 1200 for datagram in server.take_output())


def seeds() -> list[bytes]:
    """Make hellos of OpenSSL to begin with: one without a cookie, one with, and one in fragments."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_alpn_protos([b"coap", b"webrtc"])
    client = DtlsEndpoint.over(context, server_side=False, server_hostname="www.example.com")
    client.start()
    (first,) = client.take_output()
    client.receive(hello_verify_request(b"cookie" * 3, 0))
    (second,) = client.take_output()
    body = second[25:]
    pieces = [(at, body[at : at + 64]) for at in range(0, len(body), 64)]
    cut = [second[13:19] + at.to_bytes(3) + len(piece).to_bytes(3) + piece for at, piece in pieces]
    return [first, second, b"".join(second[:11] + len(piece).to_bytes(2) + piece for piece in cut)]


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: harness.damaged(chance, corpus, INTERESTING))
