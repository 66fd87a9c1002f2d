from midstream.hooks import spec
from midstream.hooks.table import HookTable


def test_every_hook_has_one_attribute_of_the_table():
    assert [name for name in HookTable.__annotations__ if not name.startswith("_")] != []
    assert set(HookTable.__annotations__) == set(spec.BY_NAME)


def test_names_are_unique():
    assert len(spec.BY_NAME) == len(spec.HOOKS)


def test_a_hook_has_at_most_one_argument_so_that_scripts_of_old_fit():
    assert all(len(hook.arguments) <= 1 for hook in spec.HOOKS)


def test_signature_reads_like_the_definition():
    assert spec.BY_NAME["request"].signature == "request(flow: HTTPFlow)"
    assert spec.BY_NAME["running"].signature == "running()"


def test_only_hooks_of_flows_are_followed_by_update():
    assert spec.BY_NAME["tcp_message"].concerns_flow
    assert not spec.BY_NAME["server_connect"].concerns_flow
    assert not spec.BY_NAME["done"].concerns_flow
    assert not spec.BY_NAME["update"].concerns_flow


def test_what_is_never_fired_is_not_declared():
    assert not set(spec.NEVER_FIRED) & set(spec.BY_NAME)


def test_docs_are_one_sentence_line():
    for hook in spec.HOOKS:
        assert hook.doc.endswith(".")
        assert "\n" not in hook.doc
        assert hook.doc[0].isupper()
