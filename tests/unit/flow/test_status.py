import pytest

from midstream.flow import status


@pytest.mark.parametrize(
    ("code", "phrase"),
    [(200, "OK"), (418, "I'm a teapot"), (444, "No Response"), (499, "Client Closed Request"), (799, "")],
)
def test_reason(code, phrase):
    assert status.reason(code) == phrase
