"""Several modes at once, changed while they run, and what keeps a proxy from harm."""

import socket

from livekit.nginx import SMALL
from livekit.tools import TIME_LIMIT
from midstream.wire.proxyline import write_v1


def test_md_22_the_mode_is_changed_under_way(proxy, nginx_origin, curl):
    running = proxy()
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    target = f"reverse:http://127.0.0.1:{nginx_origin.http_port}"
    running.call(lambda: running.engine.options.update(mode=[target]))
    assert curl(f"{running.url}/small").body == SMALL
    running.call(lambda: running.engine.options.update(mode=["socks5"]))
    assert curl(nginx_origin.http("/small"), proxy=f"socks5://127.0.0.1:{running.port}").body == SMALL


def test_md_24_a_balancer_tells_who_its_client_is(proxy, nginx_origin, curl):
    running = proxy(proxy_protocol=["127.0.0.0/8"])
    answer = curl(nginx_origin.http("/small"), "--haproxy-protocol", proxy=running.url)
    assert answer.body == SMALL
    with socket.create_connection(running.address, TIME_LIMIT) as client:
        client.sendall(write_v1(("203.0.113.5", 4444), ("198.51.100.1", 80)))
        client.sendall(f"GET {nginx_origin.http('/small')} HTTP/1.0\r\n\r\n".encode())
        while client.recv(65536):
            pass
    flows = running.recorder.wait_for_flows(2)
    assert flows[1].client_conn.peername == ("203.0.113.5", 4444)


def test_connect_addr_is_where_connections_come_from(proxy, scripted_origin, curl):
    origin = scripted_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    running = proxy(connect_addr="127.0.0.9")
    assert curl(origin.url(), proxy=running.url).body == b"ok"
    (flow,) = running.recorder.wait_for_flows()
    assert flow.server_conn.sockname[0] == "127.0.0.9"


def test_names_that_are_none_are_a_502(proxy, curl):
    running = proxy()
    for name in ("no-such-name.invalid", "a..b", "x" * 64 + ".example"):
        assert curl(f"http://{name}/", proxy=running.url).status in {400, 502}, name


def test_md_19_servers_with_ipv6_only(proxy, curl, stack):
    server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    stack.callback(server.close)
    port = server.getsockname()[1]
    running = proxy()
    answer = curl("-g", f"http://[::1]:{port}/", "--max-time", "1", proxy=running.url)
    assert answer.exit_code == 28, "it was connected to, and nobody answers there"
