"""DTLS over sockets: OpenSSL's own client and server, with the proxy between them."""

import socket
import threading

import pytest
from OpenSSL import SSL

from livekit.dtls import LossyWire, OpenSSLTool
from livekit.tools import TIME_LIMIT
from midstream.addon import observe


class Watch:
    """Keeps flows of UDP that are over."""

    def __init__(self):
        self.flows = []
        self._changed = threading.Condition()

    def _keep(self, flow):
        with self._changed:
            self.flows.append(flow)
            self._changed.notify_all()

    @observe
    def udp_message(self, flow):
        pass

    @observe
    def udp_end(self, flow):
        self._keep(flow)

    @observe
    def udp_error(self, flow):
        self._keep(flow)

    def wait(self):
        with self._changed:
            assert self._changed.wait_for(lambda: self.flows, TIME_LIMIT)
        return self.flows[-1]


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def openssl(stack):
    def make(*arguments):
        tool = OpenSSLTool(*arguments)
        stack.callback(tool.stop)
        return tool

    return make


@pytest.fixture
def origin(openssl, authority):
    """Start `openssl s_server`, and return it with its port."""

    def make(*arguments):
        issued = authority.issue("localhost", "127.0.0.1")
        files = ("-cert", str(issued.certificate), "-key", str(issued.key))
        server = openssl("s_server", "-accept", "127.0.0.1:0", *files, "-naccept", "1", *(arguments or ("-dtls1_2",)))
        return server, int(server.wait_for(rb"ACCEPT \S*?:(\d+)\n"))

    return make


@pytest.fixture
def client(openssl):
    """Start `openssl s_client` towards an address; it ends with an error if it does not trust what it sees."""

    def make(address, ca, *arguments):
        where = ("-connect", "{}:{}".format(*address), "-servername", "localhost")
        trust = ("-CAfile", str(ca), "-verify_return_error", "-verify_hostname", "localhost")
        return openssl("s_client", *where, *trust, *(arguments or ("-dtls1_2",)))

    return make


@pytest.fixture
def echo(stack):
    """Answer raw datagrams with themselves, and return the port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def serve():
        while True:
            data, address = server.recvfrom(65536)
            if data == b"":
                return
            server.sendto(data, address)

    def stop():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", port))
        thread.join(TIME_LIMIT)
        server.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    stack.callback(stop)
    return port


def test_openssl_speaks_to_openssl_through_us(proxy, origin, client, watch):
    server, port = origin()
    running = proxy(f"reverse:dtls://localhost:{port}", addons=(watch,), connect_addr="127.0.0.1")
    asking = client(running.address, running.ca, "-dtls1_2", "-alpn", "coap")
    asking.wait_for(rb"Verify return code: 0")
    asking.write(b"from the client\n")
    server.wait_for(rb"from the client\n")
    server.write(b"from the server\n")
    asking.wait_for(rb"from the server\n")
    asking.ends()
    assert asking.wait() == 0
    assert server.wait() == 0
    flow = watch.wait()
    assert flow.error is None
    assert [message.content for message in flow.messages] == [b"from the client\n", b"from the server\n"]
    assert flow.client_conn.tls_version == flow.server_conn.tls_version == "DTLSv1.2"
    assert flow.client_conn.sni == "localhost"


def test_a_server_that_does_not_verify(proxy, origin, client, watch):
    _, port = origin()
    running = proxy(f"reverse:dtls://127.0.0.1:{port}", addons=(watch,), ssl_verify_upstream_trusted_ca=None)
    asking = client(running.address, running.ca)
    assert asking.wait() != 0
    assert "the server's certificate does not verify" in watch.wait().error.msg


def test_a_client_that_does_not_trust_us(proxy, origin, client, watch, authority):
    _, port = origin()
    running = proxy(f"reverse:dtls://127.0.0.1:{port}", addons=(watch,))
    asking = client(running.address, authority.path)
    assert asking.wait() != 0
    assert "the client does not accept our certificate (alert: unknown ca)" in watch.wait().error.msg


def test_a_client_certificate_is_shown_to_the_server(proxy, origin, client, authority, tmp_path):
    issued = authority.issue("somebody")
    (tmp_path / "ours.pem").write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    server, port = origin("-dtls1_2", "-Verify", "1", "-CAfile", str(authority.path), "-verify_return_error")
    running = proxy(f"reverse:dtls://127.0.0.1:{port}", client_certs=str(tmp_path / "ours.pem"))
    asking = client(running.address, running.ca)
    asking.write(b"hello\n")
    server.wait_for(rb"hello\n")
    assert b"somebody" in server.out


def test_dtls_1_0(proxy, origin, client, watch):
    old = ("-dtls1", "-cipher", "ALL:@SECLEVEL=0")
    server, port = origin(*old)
    options = {"tls_version_client_min": "TLS1", "tls_version_server_min": "TLS1"}
    running = proxy(f"reverse:dtls://127.0.0.1:{port}", addons=(watch,), **options)
    asking = client(running.address, running.ca, *old)
    asking.write(b"hello\n")
    server.wait_for(rb"hello\n")
    asking.ends()
    flow = watch.wait()
    assert (flow.client_conn.tls_version, flow.server_conn.tls_version) == ("DTLSv1", "DTLSv1")


def test_raw_clients_and_raw_servers(proxy, origin, client, echo):
    server, port = origin()
    running = proxy([f"reverse:dtls://127.0.0.1:{port}", f"reverse:udp://127.0.0.1:{echo}@0"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.settimeout(TIME_LIMIT)
        raw.connect(running.address)
        raw.send(b"raw\n")
        server.wait_for(rb"raw\n")
        server.write(b"back\n")
        assert raw.recv(65536) == b"back\n"
    asking = client(running.address_of(1), running.ca)
    asking.write(b"an echo\n")
    asking.wait_for(rb"an echo\n")


@pytest.mark.parametrize("lost", [(True, 0), (True, 2), (False, 0), (False, 1), (False, 2)])
def test_what_the_network_loses_is_said_again(proxy, client, echo, stack, lost):
    running = proxy(f"reverse:udp://127.0.0.1:{echo}")
    wire = LossyWire(running.address, lambda *which: which == lost)
    stack.callback(wire.stop)
    asking = client(wire.address, running.ca)
    asking.wait_for(rb"Verify return code: 0")
    asking.write(b"through\n")
    asking.wait_for(rb"through\n")


def test_what_the_network_loses_towards_the_server_is_said_again(proxy, origin, stack):
    server, port = origin()
    wire = LossyWire(("127.0.0.1", port), lambda *which: which in {(True, 0), (False, 1)})
    stack.callback(wire.stop)
    running = proxy(f"reverse:dtls://127.0.0.1:{wire.address[1]}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.connect(running.address)
        raw.send(b"raw\n")
        server.wait_for(rb"raw\n")


def test_pyopenssl_over_a_socket(proxy, echo):
    running = proxy(f"reverse:udp://127.0.0.1:{echo}")
    context = SSL.Context(SSL.DTLS_METHOD)
    context.load_verify_locations(str(running.ca).encode())
    context.set_verify(SSL.VERIFY_PEER)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(running.address)
        connection = SSL.Connection(context, sock)
        connection.set_tlsext_host_name(b"a.example")
        connection.set_connect_state()
        connection.do_handshake()
        for message in (b"one", bytes(8000), b"three"):
            connection.send(message)
            assert connection.recv(16384) == message
        connection.shutdown()


def test_it_is_announced_and_shown(dump, echo, client, confdir):
    command = dump("--mode", f"reverse:udp://127.0.0.1:{echo}")
    port = int(command.wait_for(r"proxy at 127\.0\.0\.1:(\d+), for udp://"))
    asking = client(("127.0.0.1", port), confdir / "midstream-ca-cert.pem")
    asking.write(b"shown\n")
    asking.wait_for(rb"shown\n")
    asking.ends()
    command.wait_for(rf"127\.0\.0\.1:\d+ <-> udp <-> 127\.0\.0\.1:{echo} closed")
