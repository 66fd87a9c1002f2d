import pytest

from midstream.errors import OptionsError
from midstream.options.option import option
from midstream.options.store import OptionStore


def no_seven(value):
    if value == 7:
        raise OptionsError("seven is unlucky")


class Sample(OptionStore):
    """Sample."""

    luck: int | None = option(1, "Luck.", flags=("-l", "--luck"), metavar="N", check=no_seven)
    on: bool = option(True, "On.", flags=("--on",), off_flags=("-x",))


def test_a_declaration_knows_its_flags():
    luck, on = Sample().find("luck"), Sample().find("on")
    assert (luck.name, luck.flags, luck.metavar, luck.help) == ("luck", ("-l", "--luck"), "N", "Luck.")
    assert (on.flags, on.off_flags, on.owner) == (("--on",), ("-x",), "")


def test_own_checks_see_values_but_not_nothing():
    luck = Sample().find("luck")
    assert luck.accept(6) == 6
    assert luck.read("") is None
    for refused in (lambda: luck.accept(7), lambda: luck.read("7")):
        with pytest.raises(OptionsError, match="unlucky"):
            refused()


def test_a_bad_default_is_found_when_the_class_is_made():
    with pytest.raises(OptionsError):

        class _Bad(OptionStore):
            luck: int = option(7, "Luck.", check=no_seven)
