"""Transparent mode behind a real firewall rule: clients that know nothing of a proxy, in a network namespace."""

import pytest

from livekit.namespace import SERVER, SERVER6, Namespace
from livekit.scripted import ScriptedOrigin, replies

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SPEAK = "import socket,sys; s=socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)"


@pytest.fixture
def namespace():
    with Namespace() as built:
        yield built


@pytest.fixture
def origin(stack, authority):
    """Make an origin on one of the addresses that clients of the namespace are redirected from."""

    def make(handler, host=SERVER, *, tls=False):
        context = authority.issue("localhost", SERVER, SERVER6).server_context() if tls else None
        made = ScriptedOrigin(handler, context, host)
        stack.callback(made.stop)
        return made

    return make


@pytest.fixture
def transparent(proxy, namespace):
    """Run the proxy and lead the namespace's connections to it."""

    def make(**options):
        running = proxy("transparent", listen_host="", allow_open_proxy=True, **options)
        namespace.redirect(running.port)
        return running

    return make


def test_plain_http_over_ipv4(transparent, namespace, origin):
    running = transparent()
    server = origin(replies(OK))
    assert namespace.curl(f"http://{SERVER}:{server.port}/x") == b"ok"
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.path == "/x"
    assert flow.server_conn.address == (SERVER, server.port)
    assert flow.client_conn.peername[0].startswith("10.")


def test_plain_http_over_ipv6(transparent, namespace, origin):
    running = transparent()
    server = origin(replies(OK), SERVER6)
    assert namespace.curl("-g", f"http://[{SERVER6}]:{server.port}/x") == b"ok"
    (flow,) = running.recorder.wait_for_flows()
    assert flow.server_conn.address == (SERVER6, server.port)


@pytest.mark.parametrize("host", [SERVER, SERVER6])
def test_https_is_opened(transparent, namespace, origin, host):
    running = transparent()
    server = origin(replies(OK), host, tls=True)
    resolve = f"localhost:{server.port}:{'[' + host + ']' if ':' in host else host}"
    answer = namespace.curl(
        "--cacert", str(running.ca), "--resolve", resolve, f"https://localhost:{server.port}/secret"
    )
    assert answer == b"ok"
    (flow,) = running.recorder.wait_for_flows()
    assert flow.request.path == "/secret"
    assert flow.server_conn.sni == "localhost"


def test_https_by_address_without_sni(transparent, namespace, origin):
    running = transparent()
    server = origin(replies(OK), tls=True)
    assert namespace.curl("--cacert", str(running.ca), f"https://{SERVER}:{server.port}/") == b"ok"


def test_the_server_speaks_first(transparent, namespace, origin):
    def greet(connection):
        connection.send(b"220 hello\r\n")
        connection.read_until(b"QUIT\r\n")
        connection.send(b"221 bye\r\n")

    running = transparent()
    server = origin(greet)
    program = f"{SPEAK}; f=s.makefile('rwb'); print(f.readline()); f.write(b'QUIT\\r\\n'); f.flush(); print(f.read())"
    answer = namespace.run("python3", "-c", program, SERVER, str(server.port))
    assert answer == b"b'220 hello\\r\\n'\nb'221 bye\\r\\n'\n"
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert flow.error is None


def test_an_unreachable_server_is_a_502_that_says_why(transparent, namespace):
    transparent()
    answer = namespace.curl(f"http://{SERVER}:9/")
    assert b"502 Bad Gateway" in answer
    assert b"refused" in answer


def test_md_01_a_client_that_asks_the_proxy_itself_is_told(transparent, namespace):
    running = transparent()
    answer = namespace.curl(f"http://{namespace.gateway}:{running.port}/")
    assert b"this proxy itself" in answer


def test_md_05_ignored_by_address(transparent, namespace, origin, authority):
    running = transparent(ignore_hosts=[SERVER.replace(".", r"\.")])
    server = origin(replies(OK), tls=True)
    assert namespace.curl("--cacert", str(authority.path), f"https://{SERVER}:{server.port}/") == b"ok"
    assert running.flows == []


def test_many_connections_at_once(transparent, namespace, origin):
    running = transparent()
    server = origin(replies(*[OK] * 30))
    url = f"http://{SERVER}:{server.port}/[1-30]"
    assert namespace.curl("--no-progress-meter", "--parallel", "--parallel-max", "10", url) == b"ok" * 30
    assert len(running.recorder.wait_for_flows(30)) == 30
