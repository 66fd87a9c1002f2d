import pytest

from midstream.addons.mode import is_proxy_to, mode_name
from midstream.flow import Client
from midstream.options import ModeSpec


@pytest.mark.parametrize(
    ("spec", "name", "is_proxy"),
    [
        ("regular", "regular", True),
        (" Regular@8081", "regular", True),
        ("upstream:http://a:1", "upstream", True),
        ("reverse:https://example.com@127.0.0.1:1", "reverse", False),
        ("transparent", "transparent", False),
        ("socks5@9", "socks5", False),
    ],
)
def test_modes(spec, name, is_proxy):
    client = Client(proxy_mode=ModeSpec.parse(spec))
    assert mode_name(client) == name
    assert is_proxy_to(client) == is_proxy
