import pytest

from midstream.errors import OptionsError
from midstream.options import Options

DECLARED = Options().declared


@pytest.mark.parametrize("name", DECLARED)
def test_every_option_explains_itself(name):
    known = DECLARED[name]
    assert known.help.endswith(".")
    assert known.group
    assert known.accept(known.default) == known.default


def test_every_flag_is_there_once():
    flags = [flag for known in DECLARED.values() for flag in (*known.flags, *known.off_flags)]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    "values",
    [
        {"listen_port": 65536},
        {"listen_port": -1},
        {"mode": ["tun"]},
        {"ignore_hosts": ["("]},
        {"proxy_protocol": ["me"]},
        {"connect_addr": "me"},
        {"upstream_auth": "me"},
        {"tls_version_client_min": "TLS9"},
        {"flow_detail": 5},
        {"tcp_timeout": -1},
        {"key_size": 1024},
        {"event_loop": "trio"},
        {"profile": "soft"},
    ],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(OptionsError, match=f"option {next(iter(values))}"):
        Options(**values)


def test_the_defaults_are_safe():
    options = Options()
    assert options.listen_host == "127.0.0.1"
    assert options.block_global
    assert not options.ssl_insecure
    assert not options.allow_open_proxy
    assert options.proxy_protocol == ()
