import pytest

from midstream.errors import OptionsError
from midstream.hooks.loader import Loader


def test_an_option_can_be_read_at_once(master):
    Loader(master, "mine").add_option("greeting", str, "hello", "What to say.")
    assert master.options.greeting == "hello"


def test_keywords_are_those_that_authors_know(master):
    Loader(master, "mine").add_option(
        name="colour", typespec=str, default="red", help="Which.", choices=["red", "blue"]
    )
    with pytest.raises(OptionsError, match="colour"):
        master.options.update(colour="green")


def test_ad_07_type_errors_name_the_option(master):
    with pytest.raises(OptionsError, match="greeting"):
        Loader(master, "mine").add_option("greeting", int, "hello", "What to say.")


def test_a_command_belongs_to_its_addon(master):
    Loader(master, "mine").add_command("mine.double", lambda: 7)
    assert master.commands.find("mine.double").addon == "mine"
