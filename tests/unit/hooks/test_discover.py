import functools
import logging
import sys
import urllib.request
from types import ModuleType

import pytest

from midstream.errors import UsageError
from midstream.hooks.discover import children_of, hooks_of, name_of


class Plain:
    def request(self, flow): ...

    def running(self): ...

    def unrelated(self): ...


def script(**names) -> ModuleType:
    module = ModuleType("script")
    module.__file__ = "/nowhere/script.py"
    for name, value in names.items():
        setattr(module, name, value)
        if getattr(value, "__module__", None) == __name__ and not isinstance(value, type):
            value.__module__ = "script"
    return module


def test_hooks_come_in_the_order_of_the_specification():
    assert list(hooks_of(Plain())) == ["running", "request"]


def test_a_name_is_given_or_taken_from_the_class_or_the_file():
    assert name_of(Plain()) == "plain"
    named = Plain()
    named.name = "special"
    assert name_of(named) == "special"
    named.name = 7
    assert name_of(named) == "plain"
    assert name_of(script()) == "/nowhere/script.py"
    assert name_of(ModuleType("built")) == "built"


def test_children_are_a_list():
    parent = Plain()
    assert children_of(parent) == []
    parent.addons = [1, 2]
    assert children_of(parent) == [1, 2]
    parent.addons = {}
    with pytest.raises(UsageError, match="`addons` must be a list, not dict"):
        children_of(parent)


def test_a_class_in_place_of_an_instance_is_told():
    with pytest.raises(UsageError, match=r"Plain is a class; add an instance: Plain\(\)"):
        hooks_of(Plain)


def test_a_hook_that_is_no_function_is_told():
    addon = Plain()
    addon.request = "GET"
    with pytest.raises(UsageError, match=r"`request` is the name of a hook, but not a function \(str\)"):
        hooks_of(addon)


@pytest.mark.parametrize("hook", ["load", "configure"])
def test_hooks_that_others_wait_for_cannot_be_async(hook):
    async def later(argument): ...

    addon = Plain()
    setattr(addon, hook, later)
    with pytest.raises(UsageError, match=f"`{hook}` cannot be async"):
        hooks_of(addon)


def test_a_wrong_number_of_arguments_is_told_at_once():
    class Wrong:
        def request(self): ...

    with pytest.raises(UsageError, match=r"request\(\) should be request\(flow: HTTPFlow\)"):
        hooks_of(Wrong())


def test_functions_without_a_signature_are_taken_as_they_are():
    addon = Plain()
    addon.done = type  # inspect.signature(type) fails
    assert "done" in hooks_of(addon)


def test_functions_of_a_script_are_hooks():
    def request(flow): ...

    async def response(flow): ...

    assert list(hooks_of(script(request=request, response=response))) == ["request", "response"]


def test_ad_06_imported_modules_and_classes_are_not_hooks(caplog):
    assert hooks_of(script(request=urllib.request, response=Plain)) == {}
    assert caplog.messages == []


@pytest.mark.parametrize("imported", [logging.error, functools.partial(logging.error, "x")])
def test_ad_06_imported_functions_are_not_hooks(imported, caplog):
    assert hooks_of(script(error=imported)) == {}
    assert caplog.messages == [
        "Script /nowhere/script.py: `error` is imported from logging and is therefore not taken as a hook."
    ]


def test_ad_06_imported_callable_objects_are_not_hooks_and_not_asked_anything():
    class Proxy:
        def __call__(self): ...

        def __getattr__(self, name):
            raise RuntimeError(name)

    assert hooks_of(script(request=Proxy())) == {}


def test_a_constant_of_a_script_with_a_hook_name_is_told():
    with pytest.raises(UsageError, match="rename it"):
        hooks_of(script(error="none"))


def test_functions_of_a_module_beside_the_script_are_hooks(monkeypatch):
    helper = ModuleType("helper")
    helper.__file__ = "/nowhere/helper.py"
    monkeypatch.setitem(sys.modules, "helper", helper)

    def request(flow): ...

    request.__module__ = "helper"
    assert list(hooks_of(script(request=request))) == ["request"]


def test_hooks_that_are_never_fired_get_advice(caplog):
    class Old:
        def clientconnect(self, client): ...

        def quic_start_client(self, data): ...

    hooks_of(Old())
    assert caplog.messages == [
        "Addon old: `clientconnect` will not be called: it is called client_connected.",
        "Addon old: `quic_start_client` will not be called: midstream does not fire this hook yet.",
    ]
