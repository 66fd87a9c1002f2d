import pytest

from midstream.wire.starttls.dialect import Dialect
from midstream.wire.starttls.watch import Watch


def typed(dialect: Dialect) -> Dialect:
    return dialect


@pytest.mark.parametrize("dialect", Watch()._dialects)
def test_all_begin_without_an_opinion(dialect):
    assert typed(dialect).protocol == ""
    assert not dialect.is_over
