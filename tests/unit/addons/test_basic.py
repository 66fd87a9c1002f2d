import base64

import pytest

from midstream.addons import basic


@pytest.mark.parametrize(
    ("user", "password"), [("me", "secret"), ("me", "with:colons:"), ("ü", "pässword"), ("me", "")]
)
def test_what_is_encoded_is_decoded(user, password):
    assert basic.decode(basic.encode(user, password)) == (user, password)


def test_the_scheme_has_no_case_and_blanks_do_not_matter():
    assert basic.decode("  bAsIc   bWU6c2VjcmV0 ") == ("me", "secret")


def test_latin_1_is_understood():
    assert basic.decode("Basic " + base64.b64encode("mé:ü".encode("latin-1")).decode()) == ("mé", "ü")


@pytest.mark.parametrize("value", ["", "Basic", "Bearer abc", "Basic !!!", "Basic bm9jb2xvbg==", "Basic a"])
def test_anything_else_is_none(value):
    assert basic.decode(value) is None
