import ssl

import pytest

from midstream.cli import childenv
from midstream.cli.childenv import CA_VARIABLES, PROXY_VARIABLES, child_environment, make_bundle, system_bundle


def test_every_runtime_is_told():
    made = child_environment({"HOME": "/me", "no_proxy": "localhost"}, proxy="http://127.0.0.1:1", bundle="/b.pem")
    assert (
        {made[name] for name in PROXY_VARIABLES}
        == {made[name.lower()] for name in PROXY_VARIABLES}
        == {"http://127.0.0.1:1"}
    )
    assert {made[name] for name in CA_VARIABLES} == {"/b.pem"}
    assert (made["NO_PROXY"], made["no_proxy"], made["HOME"]) == ("", "", "/me")


def test_hosts_to_reach_directly():
    made = child_environment({}, proxy="p", bundle="b", no_proxy="a,b")
    assert made["NO_PROXY"] == made["no_proxy"] == "a,b"


def test_the_bundle_holds_the_system_and_ours(tmp_path):
    system, ours = tmp_path / "system.pem", tmp_path / "ours.pem"
    system.write_bytes(b"SYSTEM")
    ours.write_bytes(b"OURS\n")
    assert make_bundle({"SSL_CERT_FILE": str(system)}, str(ours)) == b"SYSTEM\nOURS\n"


def test_where_the_system_keeps_its_cas(tmp_path, monkeypatch):
    chosen, default, usual = (tmp_path / name for name in ("chosen", "default", "usual"))
    for each in (chosen, default, usual):
        each.touch()
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: type("Paths", (), {"cafile": str(default)}))
    monkeypatch.setattr(childenv, "_SYSTEM_BUNDLES", (str(usual),))
    found = []
    for each in (chosen, default, usual):
        found.append(system_bundle({"SSL_CERT_FILE": str(chosen)}))
        each.unlink()
    assert found == [str(chosen), str(default), str(usual)]
    assert system_bundle({}) == pytest.importorskip("certifi").where()
