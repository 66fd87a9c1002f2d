import sys
import types

import pytest

from midstream.cli.entry import call
from midstream.cli.explain import read_place
from midstream.errors import UsageError


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("example.com", ("example.com", 443)),
        ("example.com:8443", ("example.com", 8443)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 443)),
        ("::1", ("::1", 443)),
        ("https://me:pw@example.com/path", ("example.com", 443)),
        ("http://example.com/x", ("example.com", 80)),
        ("ws://example.com:81", ("example.com", 81)),
    ],
)
def test_places(text, place):
    assert read_place(text) == place


@pytest.mark.parametrize("text", ["", ":80", "a:http", "a:0", "a:65536", "a:²"])
def test_no_places(text):
    with pytest.raises(UsageError, match="expected HOST"):
        read_place(text)


@pytest.mark.usefixtures("fake_engine")
def test_it_asks_the_proxy(monkeypatch, capsys):
    route = types.ModuleType("midstream.proxy.explain")
    route.explain = lambda options, host, port: [f"{host}:{port}", f"ignored by {options.ignore_hosts}"]
    monkeypatch.setitem(sys.modules, "midstream.proxy.explain", route)
    assert call(["explain", "a:1", "--ignore-hosts", "a"]) == 0
    assert capsys.readouterr().out == "a:1\nignored by ('a',)\n"
