import pytest

from midstream.addon import OptionsError
from midstream.addons.switch import Switch
from midstream.testing import Scenario


class Greeter:
    name = "greeter"

    def __init__(self, log, host):
        self.log = log
        self.host = host

    def requestheaders(self, flow): ...

    def done(self):
        self.log.append(f"done {self.host}")


def make_switch(log):
    def make(options):
        log.append(options.onboarding_host)
        if options.onboarding_host == "bad":
            raise OptionsError("bad host")
        return Greeter(log, options.onboarding_host) if options.onboarding else None

    return Switch("greeting", {"onboarding", "onboarding_host"}, make)


def test_the_addon_comes_and_goes_with_its_options():
    log: list[str] = []
    made = Scenario(addons=[make_switch(log)], onboarding=False)
    assert made.hooks.requestheaders == ()
    made.options.update(onboarding=True)
    assert [handler.addon for handler in made.hooks.requestheaders] == ["greeter"]
    made.options.update(onboarding=False)
    assert made.hooks.requestheaders == ()
    assert log[-2:] == ["mid.st", "done mid.st"]
    made.options.update(onboarding_host="other")
    assert made.hooks.requestheaders == ()


def test_a_change_makes_it_anew_in_the_same_place():
    class After:
        def requestheaders(self, flow): ...

    log: list[str] = []
    made = Scenario(addons=[make_switch(log), After()])
    made.options.update(onboarding_host="other")
    assert [handler.addon for handler in made.hooks.requestheaders] == ["greeter", "after"]
    assert log == ["mid.st", "other", "done mid.st"]


def test_other_options_are_nothing_to_it():
    log: list[str] = []
    made = Scenario(addons=[make_switch(log)])
    made.options.update(showhost=True)
    assert log == ["mid.st"]


def test_a_refused_change_leaves_all_as_it_was():
    log: list[str] = []
    made = Scenario(addons=[make_switch(log)])
    with pytest.raises(OptionsError, match="bad host"):
        made.options.update(onboarding_host="bad")
    assert made.options.onboarding_host == "mid.st"
    assert made.addons.get("greeter").host == "mid.st"
