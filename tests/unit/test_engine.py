"""The engine as a whole, on loopback: what it opens, how it changes while it runs, how it ends."""

import asyncio
import contextlib
import logging
import socket

import pytest

from midstream.engine import Engine
from midstream.errors import OptionsError, UsageError
from midstream.options import Options

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def confdir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("confdir"))


@pytest.fixture
def engine(confdir):
    """Make engines on free ports."""

    def make(mode="regular", *, addons=(), **settings):
        options = Options()
        modes = [mode] if isinstance(mode, str) else mode
        options.update(**{"mode": modes, "confdir": confdir, "listen_port": 0, **settings})
        return Engine(options, addons=addons)

    return make


async def answer_requests(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)
    except asyncio.IncompleteReadError:
        writer.close()


async def origin(handler=answer_requests):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def ask(door, port, path="/"):
    """Send a request through the proxy; return both ends of the connection."""
    reader, writer = await asyncio.open_connection(*door.address)
    writer.write(f"GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return reader, writer


async def read_to_end(reader):
    """Read until the connection ends, in whatever way."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def connections_are(proxy, number):
    while proxy.connections != number:  # noqa: ASYNC110 - the engine tells nobody
        await asyncio.sleep(0)


async def closed(*things):
    for thing in things:
        thing.close()
        with contextlib.suppress(ConnectionResetError):
            await thing.wait_closed()


def run(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 20))


def test_it_listens_and_answers_and_stops(engine):
    async def main():
        server, port = await origin()
        async with engine() as proxy:
            (door,) = proxy.listeners
            reader, writer = await ask(door, port)
            assert await reader.readexactly(len(OK)) == OK
            assert proxy.connections == 1
        assert await reader.read() == b"", "idle clients are let go at once"
        assert proxy.listeners == []
        with pytest.raises(OSError):
            await asyncio.open_connection(*door.address)
        await closed(writer, server)

    run(main())


def test_two_engines_in_one_process(engine):
    async def main():
        async with engine() as one, engine() as two:
            assert one.listeners[0].address != two.listeners[0].address

    run(main())


def test_md_18_several_modes_at_once(engine):
    async def main():
        server, port = await origin()
        async with engine(["regular@127.0.0.1:0", f"reverse:http://127.0.0.1:{port}@127.0.0.1:0"]) as proxy:
            assert [door.spec.name for door in proxy.listeners] == ["regular", "reverse"]
            reader, writer = await asyncio.open_connection(*proxy.listeners[1].address)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await reader.readexactly(len(OK)) == OK
        await closed(writer, server)

    run(main())


def test_md_18_a_taken_port_is_an_error_that_names_the_mode_and_leaves_nothing_open(engine):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            proxy = engine(["regular@127.0.0.1:0", f"socks5@127.0.0.1:{port}"])
            with pytest.raises(UsageError) as failure:
                await proxy.__aenter__()
            assert "socks5@127.0.0.1" in str(failure.value)
            assert f"--listen-port {port + 2}" in str(failure.value)
            assert proxy.listeners == []

    run(main())


def test_an_unknown_address_to_listen_on(engine):
    async def main():
        with pytest.raises(UsageError, match=r"203\.0\.113\.77"):
            await engine(listen_host="203.0.113.77", allow_open_proxy=True).__aenter__()

    run(main())


def test_md_19_all_interfaces_are_ipv4_and_ipv6(engine):
    async def main():
        async with engine(listen_host="", allow_open_proxy=True) as proxy:
            (door,) = proxy.listeners
            port = door.address[1]
            assert {host for host, _ in door.addresses} == {"0.0.0.0", "::"}
            for host in ("127.0.0.1", "::1"):
                _, writer = await asyncio.open_connection(host, port)
                await closed(writer)

    run(main())


@pytest.mark.parametrize("alias", ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127.8.8.8"])
def test_md_01_self_is_recognised_under_every_alias(engine, alias):
    async def main():
        async with engine(listen_host="", allow_open_proxy=True) as proxy:
            host, port = "127.0.0.1", proxy.listeners[0].address[1]
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET http://{alias}:{port}/ HTTP/1.1\r\nHost: {alias}:{port}\r\n\r\n".encode())
            assert b"this proxy itself" in await reader.read()
            await closed(writer)

    run(main())


def test_another_server_on_the_same_port_of_another_address_is_not_us(engine):
    async def main():
        server = await asyncio.start_server(answer_requests, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        async with engine(f"regular@127.0.0.1:{port}") as proxy:
            reader, writer = await asyncio.open_connection(*proxy.listeners[0].address)
            writer.write(f"GET http://127.0.0.2:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert await reader.readexactly(len(OK)) == OK
        await closed(writer, server)

    run(main())


def test_nothing_listens_without_server(engine):
    async def main():
        async with engine(server=False) as proxy:
            assert proxy.listeners == []

    run(main())


# Changes while it runs.


def test_md_22_a_changed_mode_takes_over_the_port_and_leaves_old_connections_alone(engine):
    async def main():
        server, port = await origin()
        async with engine() as proxy:
            (door,) = proxy.listeners
            reader, writer = await ask(door, port)
            await reader.readexactly(len(OK))
            address = door.address
            proxy.options.update(mode=[f"reverse:http://127.0.0.1:{port}"])
            assert [door.address for door in proxy.listeners] == [address]
            assert proxy.listeners[0].spec.name == "reverse"
            other, other_writer = await asyncio.open_connection(*address)
            other_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await other.readexactly(len(OK)) == OK
            writer.write(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert await reader.readexactly(len(OK)) == OK, "it came in regular mode"
        await closed(writer, other_writer, server)

    run(main())


def test_md_22_modes_are_added_and_removed(engine):
    async def main():
        server, port = await origin()
        async with engine("regular@127.0.0.1:0") as proxy:
            (regular,) = proxy.listeners
            reader, writer = await ask(regular, port)
            await reader.readexactly(len(OK))
            proxy.options.update(mode=["regular@127.0.0.1:0", "socks5@127.0.0.1:0"])
            assert proxy.listeners[0] is regular
            proxy.options.update(mode=["socks5@127.0.0.1:0"])
            assert [door.spec.name for door in proxy.listeners] == ["socks5"]
            assert proxy.connections == 1
            with pytest.raises(OSError):
                await asyncio.open_connection(*regular.address)
        assert await reader.read() == b"", "connections of closed doors end with the engine, too"
        await closed(writer, server)

    run(main())


def test_md_22_a_port_that_cannot_be_had_takes_the_change_back(engine):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            async with engine("regular@127.0.0.1:0") as proxy:
                before = proxy.listeners
                with pytest.raises(OptionsError, match="socks5"):
                    proxy.options.update(mode=["regular@127.0.0.1:0", f"socks5@127.0.0.1:{taken.getsockname()[1]}"])
                assert proxy.listeners == before
                assert list(proxy.options.mode) == ["regular@127.0.0.1:0"]
                _, writer = await asyncio.open_connection(*before[0].address)
                await closed(writer)

    run(main())


def test_options_count_for_new_connections(engine):
    async def main():
        server, port = await origin()
        async with engine() as proxy:
            (door,) = proxy.listeners
            first = await ask(door, port)
            await first[0].readexactly(len(OK))
            proxy.options.update(max_connections_per_client=1)
            second = await asyncio.open_connection(*door.address)
            assert await second[0].read() == b""
        await closed(first[1], second[1], server)

    run(main())


@pytest.mark.parametrize(
    ("name", "value"),
    [("ciphers_server", "NONSENSE"), ("ignore_hosts", ["("]), ("certs", ["/nowhere.pem"]), ("mode", ["regular@"])],
)
def test_options_that_make_no_sense_change_nothing(engine, name, value):
    async def main():
        async with engine() as proxy:
            before = proxy.options.value(name)
            with pytest.raises(OptionsError):
                proxy.options.update(**{name: value})
            assert proxy.options.value(name) == before

    run(main())


def test_options_changed_after_the_end_start_nothing(engine):
    async def main():
        proxy = engine()
        async with proxy:
            pass
        proxy.options.update(mode=["socks5"])
        assert proxy.listeners == []

    run(main())


# Limits.


def test_md_26_too_many_connections_of_one_client_are_refused(engine, caplog):
    async def main():
        async with engine(max_connections_per_client=2) as proxy:
            (door,) = proxy.listeners
            kept = [await asyncio.open_connection(*door.address) for _ in range(2)]
            refused = await asyncio.open_connection(*door.address)
            with caplog.at_level(logging.WARNING):
                assert await refused[0].read() == b""
            assert proxy.connections == 2
            kept[0][1].close()
            await kept[0][1].wait_closed()
            await connections_are(proxy, 1)
            again = await asyncio.open_connection(*door.address)
            await connections_are(proxy, 2)
            await closed(kept[1][1], refused[1], again[1])

    run(main())


# The end.


def test_md_25_an_exchange_under_way_is_finished_at_shutdown(engine):
    async def main():
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def slow(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await may_answer.wait()
            writer.write(OK)
            await reader.read()
            writer.close()

        server, port = await origin(slow)
        proxy = engine()
        await proxy.__aenter__()
        reader, writer = await ask(proxy.listeners[0], port)
        await asked.wait()
        ending = asyncio.ensure_future(proxy.__aexit__(None, None, None))
        await asyncio.sleep(0)
        may_answer.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"ok")
        await ending
        await closed(writer, server)

    run(main())


@pytest.mark.parametrize("what", ["exchange", "hook", "dial", "tunnel", "held"])
def test_md_25_what_does_not_end_is_broken_off(engine, what, monkeypatch, caplog):
    monkeypatch.setattr("midstream.engine.DRAIN_SECONDS", 0.05)
    monkeypatch.setattr("midstream.engine.STOP_SECONDS", 0.05)
    errors = []

    class Slow:
        def __init__(self):
            self.ends = []

        async def request(self, flow):
            if what == "hook":
                await asyncio.sleep(3600)
            if what == "held":
                flow.intercept()

        async def server_connect(self, data):
            if what == "dial":
                await asyncio.sleep(3600)

        def client_disconnected(self, client):
            self.ends.append(client)

    slow = Slow()

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        asked = asyncio.Event()

        async def silent(reader, writer):
            asked.set()
            await reader.read()
            writer.close()

        server, port = await origin(silent)
        async with engine(addons=[slow]) as proxy:
            if what == "tunnel":
                reader, writer = await asyncio.open_connection(*proxy.listeners[0].address)
                writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n\0raw".encode())
                await reader.readuntil(b"\r\n\r\n")
            else:
                reader, writer = await ask(proxy.listeners[0], port)
            await connections_are(proxy, 1)
            if what in {"exchange", "tunnel"}:
                await asked.wait()
        assert await read_to_end(reader) == b""
        assert proxy.connections == 0
        assert len(slow.ends) == 1
        await closed(writer, server)

    run(main())
    assert errors == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_shutdown_ends_serve_forever(engine):
    async def main():
        async with engine() as proxy:
            serving = asyncio.ensure_future(proxy.serve_forever())
            await asyncio.to_thread(proxy.shutdown)
            await serving

    run(main())


def test_a_start_that_fails_in_an_addon_leaves_nothing_open(engine):
    class Fail:
        def configure(self, updated):
            raise OptionsError("not with me")

    async def main():
        proxy = engine(addons=[Fail()])
        with pytest.raises(UsageError, match="not with me"):
            await proxy.__aenter__()
        assert proxy.listeners == []

    run(main())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "(256 bit)"),
        ({"ca_key_type": "rsa"}, "(2048 bit)"),
        ({"ca_key_type": "rsa", "key_size": 3072}, "(3072 bit)"),
        ({"leaf_key_type": "rsa"}, "(2048 bit)"),
        ({"ca_key_type": "rsa", "leaf_key_type": "ec"}, "(256 bit)"),
    ],
)
def test_leaves_have_keys_like_the_cas_unless_told(engine, settings, key):
    async def main():
        async with engine("reverse:https://origin.test", upstream_cert=False, **settings) as proxy:
            address = "{}:{}".format(*proxy.listeners[0].address)
            client = await asyncio.create_subprocess_exec(
                "openssl", "s_client", "-connect", address, "-servername", "origin.test",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            shown, _ = await client.communicate()
            reader = await asyncio.create_subprocess_exec(
                "openssl", "x509", "-noout", "-text", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            text, _ = await reader.communicate(shown)
        assert f"Public-Key: {key}".encode() in text

    run(main())
