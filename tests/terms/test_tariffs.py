"""Values with dates, and the policy of our own that is kept in them."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.policy import ORDER_POLICY, OrderPolicy
from blocks.terms.tariffs import Timeline

VAT = Timeline("VAT in Kazakhstan", [(date(2009, 1, 1), 12), (date(2026, 1, 1), 16)])


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2009, 1, 1), 12),
        (date(2009, 1, 2), 12),
        (date(2025, 12, 31), 12),
        (date(2026, 1, 1), 16),
        (date(2026, 1, 2), 16),
        (date(9999, 12, 31), 16),
    ],
)
def test_a_value_holds_from_its_first_day_to_the_day_before_the_next(day: date, rate: int) -> None:
    assert VAT.on(day) == rate


@pytest.mark.parametrize("day", [date(2008, 12, 31), date(1, 1, 1)])
def test_before_the_first_value_there_is_none(day: date) -> None:
    with pytest.raises(NotFound, match=rf"VAT in Kazakhstan {day.isoformat()}"):
        VAT.on(day)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [(date(2026, 1, 1), 1), (date(2026, 1, 1), 2)],
        [(date(2026, 1, 2), 1), (date(2026, 1, 1), 2)],
        [(date(2026, 1, 1), 1), (date(2026, 1, 3), 2), (date(2026, 1, 2), 3)],
    ],
)
def test_values_without_strictly_rising_days_are_refused(entries: list[tuple[date, int]]) -> None:
    with pytest.raises(ValueError, match="rise strictly"):
        Timeline("rates", entries)


def test_old_values_stay_readable() -> None:
    assert VAT.entries == [(date(2009, 1, 1), 12), (date(2026, 1, 1), 16)]


def test_a_timeline_is_not_changed_through_what_it_was_made_of_or_hands_out() -> None:
    source = [(date(2026, 1, 1), 1)]
    timeline = Timeline("rates", source)
    source.append((date(2027, 1, 1), 2))
    timeline.entries.append((date(2028, 1, 1), 3))
    assert timeline.entries == [(date(2026, 1, 1), 1)]
    assert timeline.on(date(2029, 1, 1)) == 1


@given(st.lists(st.dates(), min_size=1, max_size=20, unique=True), st.dates())
def test_the_value_of_a_day_is_the_latest_that_began_by_then(days: list[date], asked: date) -> None:
    days.sort()
    timeline = Timeline("rates", [(day, n) for n, day in enumerate(days)])
    begun = [n for n, day in enumerate(days) if day <= asked]
    if begun:
        assert timeline.on(asked) == begun[-1]
        return
    with pytest.raises(NotFound):
        timeline.on(asked)


def test_our_policy_holds_since_the_first_price_list() -> None:
    assert ORDER_POLICY.on(date(2019, 5, 30)) == ORDER_POLICY.entries[0][1]
    with pytest.raises(NotFound):
        ORDER_POLICY.on(date(2019, 5, 29))
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(ORDER_POLICY.entries))


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_policy_counts_between_a_day_and_a_year(days: int) -> None:
    with pytest.raises(ValidationError):
        OrderPolicy(payment_window_days=days)
