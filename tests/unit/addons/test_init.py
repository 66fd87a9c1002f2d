from midstream.addons import default_addons, dump_addons
from midstream.hooks.spec import HOOKS
from midstream.options import Options

NOT_PER_REQUEST = {hook.name for hook in HOOKS if hook.group == "Life of an addon"} | {
    "client_connected",
    "tls_established_client",
}


def test_a_default_proxy_runs_no_hook_per_request(scenario):
    made = scenario(addons=tuple(dump_addons(Options())), flow_detail=0)
    assert [hook.name for hook in HOOKS if getattr(made.hooks, hook.name) and hook.name not in NOT_PER_REQUEST] == []
    assert not made.hooks.holds_request
    assert not made.hooks.holds_response


def test_none_of_them_holds_a_body_back(scenario):
    options = {"proxyauth": "any", "upstream_auth": "me:x", "block_private": True, "flow_detail": 4}
    made = scenario("reverse:http://a.test", tuple(dump_addons(Options())), **options)
    assert made.hooks.requestheaders
    assert not made.hooks.holds_request
    assert not made.hooks.holds_response


def test_each_engine_has_its_own():
    assert not set(map(id, default_addons())) & set(map(id, default_addons()))
