import asyncio
import socket
import threading

import pytest

from midstream.proxy.datagrams import DatagramLink
from midstream.proxy.deadlines import Deadlines
from midstream.proxy.failure import ClientLeft
from midstream.proxy.network import AsyncioNetwork, AsyncioWaiter, keep_alive, sweep_for_ever
from midstream.proxy.peer import Peer
from midstream.proxy.stepper import Step
from midstream.proxy.turns import Turns


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


async def connect(host, port, source=None):
    peer = Peer("server", Deadlines(), Turns(asyncio.get_running_loop().call_soon))
    await AsyncioNetwork().connect(host, port, source, peer)
    names = peer.address_of("sockname"), peer.address_of("peername")
    peer.close()
    await asyncio.sleep(0)
    return names


def test_tcp_09_the_system_watches_over_connections():
    async def look(port, host):
        peer = Peer("server", Deadlines(), Turns(asyncio.get_running_loop().call_soon))
        await AsyncioNetwork().connect(host, port, None, peer)
        sock = peer.transport.get_extra_info("socket")
        kept = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) if hasattr(socket, "TCP_KEEPIDLE") else 120
        peer.close()
        await asyncio.sleep(0)
        return kept, idle

    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            assert run(look(server.getsockname()[1], host)) == (1, 120)


def test_systems_that_know_no_times_for_it(monkeypatch):
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    with socket.socket() as sock:
        keep_alive(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_it_connects(host, family):
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        assert run(connect(host, port))[1] == (host, port)


def test_md_19_tcp_10_of_several_addresses_it_takes_the_one_that_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(connect("localhost", port))[1] == ("127.0.0.1", port)


def test_tcp_11_it_connects_from_the_address_it_is_told_and_in_its_family():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(connect("localhost", port, "127.0.0.7"))[0][0] == "127.0.0.7"
        with pytest.raises(OSError, match="no address"):
            run(connect("127.0.0.1", port, "::1"))


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "no-such-name.invalid"])
def test_names_that_are_none_are_os_errors(host):
    with pytest.raises(OSError):
        run(connect(host, 80))


def stepped(make):
    """Step a coroutine that waits through a waiter; return the step, the waiter, and what came out."""
    out = []
    loop = asyncio.get_running_loop()
    waiter = AsyncioWaiter(loop)
    done = loop.create_future()

    async def body():
        try:
            out.append(await make(waiter))
        except BaseException as error:
            out.append(error)

    step = Step(body(), lambda error: done.set_result(None)).start()
    return step, waiter, out, done


def test_waiting_returns_the_result():
    async def main():
        _, _, out, done = stepped(lambda waiter: waiter.wait(asyncio.sleep(0, "done")))
        await done
        assert out == ["done"]

    run(main())


def test_an_addons_handler_is_never_torn():
    async def main():
        gate = asyncio.Event()
        step, _, out, done = stepped(lambda waiter: waiter.wait(gate.wait()))
        step.throw(ClientLeft())
        assert out == []
        gate.set()
        await done
        assert isinstance(out[0], ClientLeft)

    run(main())


def test_what_may_be_cancelled_is():
    async def main():
        future = asyncio.get_running_loop().create_future()
        step, _, out, done = stepped(lambda waiter: waiter.wait_or_cancel(future, 0))
        step.throw(ClientLeft())
        await done
        assert isinstance(out[0], ClientLeft)
        assert future.cancelled()

    run(main())


def test_the_time_runs_out():
    async def main():
        _, _, out, done = stepped(lambda waiter: waiter.wait_or_cancel(asyncio.Event().wait(), 0.01))
        await done
        assert isinstance(out[0], TimeoutError)

    run(main())


def test_time_passes():
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        _, _, out, done = stepped(lambda waiter: waiter.sleep(0.02))
        await done
        assert out == [None]
        assert loop.time() - before > 0.01

    run(main())


@pytest.mark.parametrize("way", ["wait", "wait_or_cancel"])
def test_md_25_whoever_waits_at_the_end_is_told_to_stop(way):
    async def main():
        arguments = (asyncio.Event().wait(), 0) if way == "wait_or_cancel" else (asyncio.Event().wait(),)
        _, waiter, out, done = stepped(lambda waiter: getattr(waiter, way)(*arguments))
        await waiter.close()
        await done
        assert isinstance(out[0], ClientLeft)

    run(main())


def test_a_handler_that_cancels_itself_is_an_ordinary_failure():
    async def cancelled():
        raise asyncio.CancelledError

    async def main():
        _, _, out, done = stepped(lambda waiter: waiter.wait(cancelled()))
        await done
        assert isinstance(out[0], RuntimeError)

    run(main())


def test_the_sweep_keeps_the_clock_and_ends_when_cancelled():
    async def main():
        deadlines = Deadlines()
        sweeping = asyncio.ensure_future(sweep_for_ever(deadlines))
        await asyncio.sleep(0)
        assert deadlines.now > 0
        sweeping.cancel()
        await sweeping

    run(main())


def test_the_sweep_outlives_a_fault_in_one_timeout(monkeypatch, caplog):
    monkeypatch.setattr("midstream.proxy.network.SWEEP_SECONDS", 0)
    failed, expired = asyncio.Event(), asyncio.Event()

    class Faulty:
        deadline = 0.0

        def expired(self):
            failed.set()
            raise ValueError("a fault")

    class Sound:
        deadline = 0.0

        def expired(self):
            expired.set()

    async def main():
        deadlines = Deadlines()
        deadlines.watch(Faulty())
        sweeping = asyncio.ensure_future(sweep_for_ever(deadlines))
        await failed.wait()
        deadlines.watch(Sound())
        await expired.wait()
        sweeping.cancel()
        await sweeping

    run(main())
    assert [record.getMessage() for record in caplog.records] == ["a timeout could not be acted on"]


async def to_and_fro(host, source=None):
    """Connect a datagram socket, send one, and return what came and from where."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((host, 0))
        server.setblocking(False)
        link = DatagramLink(lambda _data: None, lambda _why: None)
        await AsyncioNetwork().open_datagrams(host, server.getsockname()[1], source, link)
        link.send(b"hello")
        data, address = await loop.sock_recvfrom(server, 100)
        link.close()
        await asyncio.sleep(0)
        return data, address[0]


@pytest.mark.parametrize(("host", "source"), [("127.0.0.1", None), ("::1", None), ("127.0.0.1", "127.0.0.9")])
def test_it_opens_sockets_for_datagrams(host, source):
    assert run(to_and_fro(host, source)) == (b"hello", source or host)


@pytest.mark.parametrize(
    ("host", "source"),
    [("a" * 70, None), ("no-such-name.invalid", None), ("127.0.0.1", "::1"), ("127.0.0.1", "192.0.2.1")],
)
def test_datagrams_that_lead_nowhere_are_os_errors(host, source):
    link = DatagramLink(lambda _data: None, lambda _why: None)
    with pytest.raises(OSError):
        run(AsyncioNetwork().open_datagrams(host, 9, source, link))


def test_dns_21_the_system_finds_addresses():
    assert "127.0.0.1" in run(AsyncioNetwork().addresses("localhost"))
    assert run(AsyncioNetwork().addresses("127.0.0.1")) == ["127.0.0.1"]
    for unknown in ("no-such-name.invalid", "a" * 70):
        assert run(AsyncioNetwork().addresses(unknown)) == []


def test_a_system_that_cannot_tell(monkeypatch):
    async def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    async def ask():
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
        await AsyncioNetwork().addresses("a.example")

    with pytest.raises(socket.gaierror):
        asyncio.run(ask())


def test_what_takes_long_is_done_in_a_thread():
    here = threading.get_ident()
    assert run(AsyncioNetwork().in_thread(threading.get_ident)) != here
