import asyncio

import pytest

from midstream.addons.block import address_of
from midstream.flow import Client

GLOBAL_V4, GLOBAL_V6 = "93.184.216.34", "2606:2800:220:1::1"
PRIVATE = ["10.1.2.3", "192.168.1.1", "172.16.0.1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]


def refused(made, address: str) -> bool:
    client = made.client((address, 4242))
    client.sends(b"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n")
    return client.is_closed and client.received() == b""


@pytest.mark.parametrize("address", [GLOBAL_V4, GLOBAL_V6, f"::ffff:{GLOBAL_V4}"])
def test_md_08_public_clients_are_refused_unless_wanted(scenario, address):
    assert refused(scenario(), address)
    assert not refused(scenario(block_global=False), address)


@pytest.mark.parametrize("address", PRIVATE)
def test_md_08_private_clients_are_refused_on_request(scenario, address):
    assert refused(scenario(block_private=True), address)
    assert not refused(scenario(), address)


@pytest.mark.parametrize("address", LOOPBACK)
def test_md_08_this_machine_is_always_let_in(scenario, address):
    assert not refused(scenario(block_private=True, block_global=True), address)


def test_shared_address_space_is_neither(scenario):
    assert not refused(scenario(block_private=False), "100.64.0.1")


def test_the_reason_is_on_the_client(scenario):
    made = scenario()
    client = Client(peername=(GLOBAL_V4, 1))
    made.hooks.client_connected[0].call(client)
    assert "public address" in client.error


def test_switched_off_it_has_no_hook(scenario):
    made = scenario(block_global=False)
    assert made.hooks.client_connected == ()
    made.options.update(block_private=True)
    assert len(made.hooks.client_connected) == 1


@pytest.mark.parametrize("peername", [None, ("/run/a.sock", 0)])
def test_clients_without_an_ip_address_are_let_in(scenario, peername):
    client = Client(peername=peername)
    assert address_of(client) is None
    scenario(block_private=True).hooks.client_connected[0].call(client)
    assert client.error is None


def test_in_an_engine_loopback_passes(engine, ask):
    async def main() -> bytes:
        async with engine(block_private=True) as opened:
            return await ask(
                opened, b"GET http://mid.st/trust-check HTTP/1.1\r\nHost: mid.st\r\nConnection: close\r\n\r\n"
            )

    assert asyncio.run(main()).startswith(b"HTTP/1.1 204 ")
