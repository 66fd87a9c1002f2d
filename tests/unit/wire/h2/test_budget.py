import pytest

from midstream.wire.h2.budget import Budget
from midstream.wire.h2.errors import ENHANCE_YOUR_CALM, FatalError


def spend(budget: Budget, count: int, now: float) -> None:
    for _ in range(count):
        budget.spend(now)


def test_ten_seconds_worth_may_come_at_once():
    budget = Budget("things", 5)
    spend(budget, 50, now=0.0)
    with pytest.raises(FatalError, match="too many things") as caught:
        budget.spend(0.0)
    assert caught.value.code == ENHANCE_YOUR_CALM


def test_it_fills_up_with_time():
    budget = Budget("things", 5)
    spend(budget, 50, now=100.0)
    spend(budget, 5, now=101.0)
    spend(budget, 50, now=1000.0)
    with pytest.raises(FatalError):
        budget.spend(1000.0)


def test_some_can_be_earned_but_not_saved():
    budget = Budget("things", 1)
    spend(budget, 10, now=0.0)
    budget.earn(2)
    spend(budget, 2, now=0.0)
    budget.earn(1000)
    spend(budget, 10, now=0.0)
    with pytest.raises(FatalError):
        budget.spend(0.0)
