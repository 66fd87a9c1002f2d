"""Whatever the text: a filter or a `UsageError`, and what a filter says is what it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import UsageError
from midstream.filters import parse
from midstream.flow import Client, HTTPFlow, Request, Response, Server

ATOMS = {"~q": False, "~s": True, "~c 200": True, "~m GET": True, "~u nowhere": False, "~all": True, "~tcp": False}


def a_flow():
    flow = HTTPFlow(Client(), Server())
    flow.request = Request.make("GET", "http://example.com/path")
    flow.response = Response.make(200, b"body")
    return flow


FLOW = a_flow()
pieces = st.sampled_from(
    [*"()!&|~ '\"\\ax0<>=-.[{*+?", "~u ", "~c ", "~bq ", "~time ", "~dur ", "~size ", "20", "xx", "~q"]
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_a_filter_or_a_usage_error(text):
    try:
        flt = parse(text)
    except UsageError:
        return
    assert isinstance(flt(FLOW), bool)
    assert str(flt)


def expressions():
    """Pairs of a filter and its truth for `FLOW`."""
    atoms = st.sampled_from(sorted(ATOMS.items()))
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            inner.map(lambda one: (f"!({one[0]})", not one[1])),
            st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) & ({two[1][0]})", two[0][1] and two[1][1])),
            st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) | ({two[1][0]})", two[0][1] or two[1][1])),
            st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) ({two[1][0]})", two[0][1] and two[1][1])),
        ),
        max_leaves=10,
    )


@given(expressions())
def test_expressions_mean_what_they_say(pair):
    text, truth = pair
    assert parse(text)(FLOW) is truth
