from collections.abc import Sequence

import pytest

from midstream.errors import OptionsError
from midstream.options.option import option
from midstream.options.store import Deferred, Line, OptionStore, Text, read_settings


class Fruit(OptionStore):
    """Fruit."""

    apples: int = option(1, "Apples.", lowest=0, highest=9)
    names: Sequence[str] = option(("a",), "Names.")


class Basket(Fruit):
    """A basket."""

    ripe: bool = option(False, "Ripe.")
    colour: str | None = option(None, "Colour.")
    shape: str = option("round", "Shape.")


def test_defaults_and_types():
    basket = Basket()
    assert (basket.apples, basket.names, basket.ripe, basket.colour) == (1, ("a",), False, None)
    assert list(basket.declared) == ["apples", "names", "ripe", "colour", "shape"]
    assert basket.find("apples").group == "Fruit"
    assert basket.find("ripe").group == "A basket"


def test_values_are_plain_attributes_of_one_object():
    one, other = Basket(apples=2), Basket()
    one.ripe = True
    assert vars(one)["apples"] == 2
    assert (other.apples, other.ripe) == (1, False)
    assert one.value("apples") == 2
    assert one.show("names") == "a"


def test_values_cannot_be_changed_behind_the_back():
    names = ["x"]
    basket = Basket(names=names)
    names.append("y")
    assert basket.names == ("x",)


def test_unknown_names_are_refused_with_the_nearest():
    basket = Basket()
    with pytest.raises(OptionsError, match="no option 'aples'; did you mean apples"):
        basket.update(aples=2)
    with pytest.raises(OptionsError, match="midstream options"):
        basket.zzzzzzz = 2
    with pytest.raises(AttributeError, match="did you mean apples"):
        _ = basket.aples
    with pytest.raises(AttributeError, match=r"^_private$"):
        _ = basket._private


def test_ad_07_type_errors_name_the_option():
    with pytest.raises(OptionsError, match="option apples: expected a whole number from 0 to 9, got 'x'"):
        Basket(apples="x")


def test_update_is_all_or_nothing():
    basket = Basket()
    with pytest.raises(OptionsError):
        basket.update(ripe=True, apples=10)
    assert (basket.ripe, basket.apples) == (False, 1)


def test_subscribers_hear_of_what_changed():
    basket, heard = Basket(), []
    end = basket.subscribe(heard.append)
    basket.update(apples=2, ripe=False)
    basket.update(apples=2)
    end()
    end()
    basket.update(apples=3)
    assert heard == [{"apples"}]


def test_a_refusing_subscriber_takes_everything_back():
    basket, heard = Basket(), []

    def refuse(_updated):
        if basket.apples > 5:
            raise OptionsError("too many")

    basket.subscribe(lambda updated: heard.append((set(updated), basket.apples)))
    basket.subscribe(refuse)
    basket.subscribe(lambda _: heard.append("third"))
    with pytest.raises(OptionsError, match="too many"):
        basket.update(apples=6, ripe=True)
    assert (basket.apples, basket.ripe) == (1, False)
    assert heard == [({"apples", "ripe"}, 6), ({"apples", "ripe"}, 1)]
    assert basket.explain("apples") == "default"


def test_a_subscriber_that_refuses_its_rollback_too_does_not_hide_the_reason():
    basket = Basket()

    def refuse(_updated):
        raise OptionsError(f"never {basket.apples}")

    basket.subscribe(refuse)
    with pytest.raises(OptionsError, match="never 2"):
        basket.update(apples=2)
    assert basket.apples == 1


def test_explain_and_changed_and_reset():
    basket = Basket()
    basket.assign({"apples": 4}, "somewhere")
    assert basket.explain("apples") == "somewhere"
    assert basket.explain("ripe") == "default"
    assert basket.changed() == {"apples": 4}
    basket.ripe = True
    assert basket.explain("ripe") == "set at run time"
    basket.reset("apples", "ripe")
    assert basket.changed() == {}
    assert basket.explain("apples") == "default"


@pytest.mark.parametrize(
    ("name", "texts", "value"),
    [
        ("apples", ["3", "4"], 4),
        ("ripe", [], True),
        ("ripe", ["no"], False),
        ("ripe", ["toggle"], True),
        ("colour", [], None),
        ("colour", ["red"], "red"),
        ("names", [], ()),
        ("names", ["x;y", "", "z"], ("x;y", "z")),
        ("names", [""], ()),
    ],
)
def test_texts_are_read(name, texts, value):
    basket = Basket()
    basket.assign({name: Text(texts)}, "--flag")
    assert basket.value(name) == value


def test_texts_that_do_not_fit_name_their_source():
    basket = Basket()
    with pytest.raises(OptionsError, match=r"option apples \(--apples\): expected"):
        basket.assign({"apples": Text(["x"])}, "--apples")
    with pytest.raises(OptionsError, match="got nothing"):
        basket.assign({"shape": Text()}, "--shape")


def test_a_line_holds_the_whole_list():
    basket = Basket()
    basket.assign({"names": Line("x;y"), "apples": Line("3")}, "VARIABLE")
    assert (basket.names, basket.apples) == (("x", "y"), 3)


def test_scripts_declare_options():
    basket, heard = Basket(), []
    basket.subscribe(heard.append)
    basket.add_option("pears", int, 3, "Pears.", owner="shop.py")
    assert basket.value("pears") == 3
    assert basket.find("pears").owner == "shop.py"
    assert heard == [{"pears"}]
    basket.update(pears=4)
    with pytest.raises(OptionsError, match="option pears"):
        basket.update(pears="x")


def test_choices_of_scripts():
    basket = Basket()
    basket.add_option("size", str, "small", "Size.", ["small", "big"])
    with pytest.raises(OptionsError, match="one of small, big"):
        basket.update(size="huge")


@pytest.mark.parametrize("name", ["apples", "update", "not a name", "declared"])
def test_names_of_our_own_cannot_be_declared(name):
    with pytest.raises(OptionsError, match="name is taken"):
        Basket().add_option(name, int, 3, "")


@pytest.mark.parametrize(("typespec", "default"), [(dict, {}), (int, "x")])
def test_ad_07_bad_declarations_name_the_option(typespec, default):
    with pytest.raises(OptionsError, match="option pears: "):
        Basket().add_option("pears", typespec, default, "")


def test_a_reloaded_script_keeps_a_value_that_is_still_valid():
    basket = Basket()
    basket.add_option("pears", int, 3, "")
    basket.pears = 5
    basket.add_option("pears", int, 4, "")
    assert basket.value("pears") == 5
    basket.add_option("pears", str, "none", "")
    assert basket.value("pears") == "none"
    assert basket.explain("pears") == "default"


def test_a_deferred_value_waits_for_its_script():
    basket = Basket()
    basket.defer("pears", Deferred(Text(["7"]), "--set pears", "refuse"))
    with pytest.raises(OptionsError, match="--set pears: there is no option 'pears'"):
        basket.check_deferred()
    basket.add_option("pears", int, 3, "")
    assert (basket.value("pears"), basket.explain("pears"), dict(basket.deferred)) == (7, "--set pears", {})
    assert basket.check_deferred() == []


def test_a_deferred_value_that_does_not_fit_is_refused_when_declared():
    basket = Basket()
    basket.defer("pears", Deferred(Text(["x"]), "--set pears", "refuse"))
    with pytest.raises(OptionsError, match=r"option pears \(--set pears\)"):
        basket.add_option("pears", int, 3, "")


def test_leftovers_of_the_file_are_warned_about_and_of_the_environment_not():
    basket = Basket()
    basket.defer("aples", Deferred(1, "config.toml", "warn"))
    basket.defer("other", Deferred("1", "MIDSTREAM_OTHER", "ignore"))
    assert basket.check_deferred() == ["config.toml: there is no option 'aples'; did you mean apples?"]


def test_settings_are_read():
    assert read_settings(["a=1", "b", "a=2=3", " c-d ="]) == {"a": ("1", "2=3"), "b": (), "c_d": ("",)}
    with pytest.raises(OptionsError, match="expected NAME=VALUE"):
        read_settings(["=x"])


def test_options_are_set_from_text():
    basket = Basket()
    basket.set("apples=3", "ripe", "names=x", "names=y")
    basket.set("ripe=toggle")
    assert (basket.apples, basket.ripe, basket.names) == (3, False, ("x", "y"))


def test_names():
    basket = Basket()
    assert "apples" in basket
    assert "pears" not in basket
    assert basket.keys() == list(basket.declared)
