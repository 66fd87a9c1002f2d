import pytest

from midstream.errors import OptionsError
from midstream.options import Options
from midstream.proxy.policy import Action, Policy, authority_name


def policy(**lists):
    options = Options()
    options.update(**lists)
    return Policy(options)


@pytest.mark.parametrize(
    ("lists", "names", "action", "is_final"),
    [
        ({}, ["a:80"], Action.INTERCEPT, False),
        ({}, [], Action.INTERCEPT, False),
        ({"ignore_hosts": ["a"]}, ["b:80", "A:80"], Action.IGNORE, True),
        ({"ignore_hosts": ["a"]}, ["b:80"], Action.INTERCEPT, False),
        ({"allow_hosts": ["a"]}, ["b:80"], Action.IGNORE, False),
        ({"allow_hosts": ["a"]}, ["b:80", "a:80"], Action.INTERCEPT, False),
        ({"allow_hosts": ["a"], "ignore_hosts": ["b"]}, ["b:80", "a:80"], Action.IGNORE, True),
        ({"allow_hosts": ["a"], "tcp_hosts": ["a"]}, ["a:80"], Action.TCP, False),
        ({"tcp_hosts": ["a"]}, ["a:80"], Action.TCP, False),
        ({"ignore_hosts": [r"^\[::1\]:443$"]}, ["[::1]:443"], Action.IGNORE, True),
        ({"ignore_hosts": ["a"]}, [""], Action.INTERCEPT, False),
    ],
)
def test_md_05_the_order_of_the_lists(lists, names, action, is_final):
    decision = policy(**lists).decide(names)
    assert (decision.action, decision.is_final) == (action, is_final)
    assert decision.reason


def test_the_reason_names_pattern_and_name():
    assert policy(ignore_hosts=["b.r"]).decide(["bar:1"]).reason == "ignore_hosts 'b.r' matches bar:1"


@pytest.mark.parametrize("option", ["ignore_hosts", "allow_hosts", "tcp_hosts"])
def test_all_names_are_wanted_only_if_there_are_lists(option):
    assert not policy().needs_names
    assert policy(**{option: ["x"]}).needs_names


def test_a_pattern_that_is_none_is_refused():
    options = Options()
    options.__dict__["ignore_hosts"] = ("(",)
    with pytest.raises(OptionsError, match="ignore_hosts"):
        Policy(options)


def test_authority_names():
    assert authority_name("a", 1) == "a:1"
    assert authority_name("::1", 1) == "[::1]:1"
