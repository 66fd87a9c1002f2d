import asyncio
import socket
from collections import Counter

import pytest

from midstream.errors import UsageError
from midstream.options import Listener, ModeSpec
from midstream.proxy import listen as module
from midstream.proxy.listen import Door
from midstream.testing import Scenario


@pytest.fixture
def scenario():
    made = Scenario()
    made.session.own_addresses.clear()
    return made


@pytest.fixture
def door(scenario):
    doors = []

    def make(mode="regular", host="127.0.0.1", port=0):
        made = Door(scenario.session, scenario.pool, Listener(ModeSpec.parse(mode), host, port), Counter())
        doors.append(made)
        return made

    yield make
    for made in doors:
        made.close()


def test_binding_takes_the_address_and_closing_gives_it_back(door, scenario):
    made = door()
    made.bind()
    assert scenario.session.own_addresses == {made.address}
    assert made.is_at(Listener(ModeSpec.parse("socks5"), "127.0.0.1", 0))
    made.close()
    assert scenario.session.own_addresses == set()


def test_clients_that_come_before_the_door_is_open_wait(door):
    made = door()
    made.bind()
    with socket.create_connection(made.address, 5):
        pass


def test_md_18_a_taken_port_names_the_mode(door):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"mode 'socks5' cannot listen on 127.0.0.1:{port}.*--listen-port {port + 2}"
        ):
            door("socks5", port=port).bind()


def test_an_address_that_is_not_ours_brings_no_hint_about_ports(door):
    with pytest.raises(UsageError) as failure:
        door(host="203.0.113.77", port=8080).bind()
    assert "--listen-port" not in str(failure.value)


def test_md_19_a_machine_without_ipv6_listens_on_ipv4(door, monkeypatch):
    original = module._listen_on

    def without_ipv6(host, port, kind):
        if host == "::":
            raise OSError(97, "Address family not supported")
        return original(host, port, kind)

    monkeypatch.setattr(module, "_listen_on", without_ipv6)
    made = door(host="")
    made.bind()
    assert [host for host, _ in made.addresses] == ["0.0.0.0"]


def test_md_04_transparent_mode_elsewhere_than_on_linux_is_refused_at_start(door, monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with pytest.raises(UsageError, match="needs Linux"):
        door("transparent").bind()


def test_md_26_connections_of_a_balancer_are_not_counted(door, scenario):
    scenario.options.update(proxy_protocol=["127.0.0.1"], max_connections_per_client=1)
    scenario.session.reload()

    async def main():
        made = door()
        made.bind()
        await made.open()
        both = [await asyncio.open_connection(*made.address) for _ in range(2)]
        while len(made.connections) < 2:  # noqa: ASYNC110 - the door tells nobody
            await asyncio.sleep(0)
        for _, writer in both:
            writer.close()
            await writer.wait_closed()
        while made.connections:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        made.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_mode_of_both_transports_has_one_port(door):
    made = door("dns")
    made.bind()
    assert sorted(sock.type for sock in made._sockets) == [socket.SOCK_STREAM, socket.SOCK_DGRAM]
    assert {sock.getsockname()[1] for sock in made._sockets} == {made.address[1]}
    assert len(made.addresses) == 1
    assert not made.is_at(Listener(ModeSpec.parse("regular"), "127.0.0.1", 0))


def test_a_port_that_is_free_for_connections_only_is_refused(door):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        made = door("dns", port=port)
        with pytest.raises(UsageError, match=f"mode 'dns' cannot listen on 127.0.0.1:{port}"):
            made.bind()
    assert made._sockets == []


def test_any_port_is_looked_for_until_one_is_free_for_both(door, monkeypatch):
    original, attempts = module._listen_on, []

    def taken(host, port, kind):
        raise OSError(98, "Address already in use")

    def mostly_taken(host, port, kind):
        if kind == socket.SOCK_DGRAM:
            attempts.append(port)
            if len(attempts) < 3:
                taken(host, port, kind)
        return original(host, port, kind)

    monkeypatch.setattr(module, "_listen_on", mostly_taken)
    made = door("dns")
    made.bind()
    assert len(attempts) == 3
    monkeypatch.setattr(module, "_listen_on", taken)
    with pytest.raises(UsageError):
        door("dns").bind()


def test_another_mode_of_the_same_transports_takes_over(door):
    made = door("reverse:udp://192.0.2.1:9")
    first = made._asker
    made.plan = made.plan
    assert made._asker is first
    other = Listener(ModeSpec.parse("reverse:udp://192.0.2.2:9"), "127.0.0.1", 0)
    assert made.is_at(other)
    made.plan = other
    assert made.spec.address == ("192.0.2.2", 9)
    made.end()
