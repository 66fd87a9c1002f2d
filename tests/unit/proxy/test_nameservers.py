import pytest

from midstream.flow import ResourceRecord
from midstream.options.nameserver import NameServer
from midstream.proxy.nameservers import Hosts, system_servers

HOSTS = """\
# comment
127.0.0.1 localhost
::1       localhost ip6-localhost   # more
192.0.2.1 Host.example host
192.0.2.2 host.example
2001:db8::7%eth0 scoped
rubbish
192.0.2.9
nonsense name
"""


@pytest.fixture
def hosts(tmp_path):
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return Hosts.read(str(path))


def test_addresses_of_names(hosts):
    assert hosts.look_up("HOST.example", 1) == [
        ResourceRecord.A("HOST.example", "192.0.2.1"),
        ResourceRecord.A("HOST.example", "192.0.2.2"),
    ]
    assert hosts.look_up("localhost", 28) == [ResourceRecord.AAAA("localhost", "::1")]
    assert hosts.look_up("host", 28) == []
    assert hosts.look_up("other.example", 1) is None
    assert hosts.look_up("host", 16) is None


def test_names_of_addresses(hosts):
    name = "1.2.0.192.in-addr.arpa"
    assert hosts.look_up(name, 12) == [ResourceRecord.PTR(name, "Host.example")]
    assert hosts.look_up("9.2.0.192.in-addr.arpa", 12) is None


def test_dns_21_files_that_are_not_there(tmp_path):
    assert Hosts.read(str(tmp_path / "none")).look_up("localhost", 1) is None
    assert system_servers(str(tmp_path / "none")) == []


def test_name_servers_of_the_system(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(
        "; comment\nsearch example\nnameserver 192.0.2.53\nnameserver ::1 # two\nnameserver\nnameserver a b\nnameserver !\n"
    )
    assert system_servers(str(path)) == [
        NameServer("udp", "192.0.2.53", 53),
        NameServer("udp", "::1", 53),
        NameServer("udp", "a", 53),
    ]
