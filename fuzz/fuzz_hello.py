"""Feed the ClientHello reader damaged hellos; it may return a hello, ask for more, or raise `PeerError`, nothing else.

With atheris installed it is the guide: `python fuzz/fuzz_hello.py [libFuzzer's arguments]`. Without it hellos are damaged at
random: `python fuzz/fuzz_hello.py [--seed N] [--rounds N]`.
"""

import ssl

import harness

from midstream.wire.errors import PeerError
from midstream.wire.sniff import sniff
from midstream.wire.tls.hello import read_client_hello

INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def check(data: bytes) -> None:
    """Hold the reader to what it promises about `data`."""
    try:
        hello = read_client_hello(data)
    except PeerError:
        return
    if hello is None:
        return
    assert len(hello.ja4) == 36, hello.ja4
    assert len(hello.ja3_hash) == 32, hello.ja3_hash
    assert hello.sni is None or hello.sni.isascii(), hello.sni
    assert read_client_hello(data + b"\x00") == hello
    assert sniff(data) is not None


def seeds() -> list[bytes]:
    """Make hellos of OpenSSL to begin with, one whole and one cut into small records."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="www.example.com")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    whole = outgoing.read()
    message = whole[5:]
    cut = [message[at : at + 64] for at in range(0, len(message), 64)]
    return [whole, b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in cut)]


if __name__ == "__main__":
    corpus = seeds()
    harness.run(__doc__, check, lambda chance: harness.damaged(chance, corpus, INTERESTING))
