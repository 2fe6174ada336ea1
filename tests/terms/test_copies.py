"""Copies of the ledger: one every day (OT-10), none that outlives the registration data in it (QS-8.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.terms.copies import CopyFacts, daily_copy, expires_at
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.qs_ending import EndFacts, destroy_registration
from blocks.terms.zones import MOSCOW

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
MOMENTS = st.datetimes(datetime(2019, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def deadline_of(ended_at: datetime) -> datetime:
    deadline = destroy_registration(EndFacts(ended_at=ended_at)).deadline
    assert deadline is not None
    return deadline.due


def destroyed(expires: datetime) -> datetime:
    """The first daily run (04:30 of Moscow) that finds a copy expired."""
    run = at_wall(local_date(expires, MOSCOW), datetime(2000, 1, 1, 4, 30, tzinfo=UTC).time(), MOSCOW)
    return run if run >= expires else run + DAY


@pytest.mark.clause("OT-10")
@pytest.mark.parametrize(
    ("last", "due", "day"),
    [
        ("2026-11-22T00:00:00+02:00", "2026-11-24T00:00:00+02:00", "2026-11-23"),
        ("2026-11-22T23:59:59.999999+02:00", "2026-11-24T00:00:00+02:00", "2026-11-23"),
        ("2026-11-23T00:00:00+02:00", "2026-11-25T00:00:00+02:00", "2026-11-24"),
        ("2026-03-28T12:00:00+02:00", "2026-03-30T00:00:00+03:00", "2026-03-29"),  # a day of 23 hours
        ("2026-10-24T12:00:00+03:00", "2026-10-26T00:00:00+02:00", "2026-10-25"),  # a day of 25 hours
    ],
)
def test_ot_10_after_a_copy_the_next_is_due_when_the_next_day_of_kyiv_ends(last: str, due: str, day: str) -> None:
    decision = daily_copy(CopyFacts(last_copy_at=utc(last)))
    assert decision.deadline is not None
    assert (decision.deadline.due, decision.values["day"]) == (utc(due), day)


def test_a_copy_lives_six_days_when_no_agreement_ended() -> None:
    made = utc("2026-11-22T04:30:00+03:00")
    assert expires_at(made) == made + 6 * DAY


@pytest.mark.clause("QS-8.3")
@given(ended=MOMENTS, before=st.timedeltas(INSTANT, 30 * DAY))
def test_qs_8_3_a_copy_made_before_an_agreement_ended_is_gone_in_time_by_its_days_alone(
    ended: datetime, before: timedelta
) -> None:
    assert destroyed(expires_at(ended - before)) < deadline_of(ended)


@pytest.mark.clause("QS-8.3")
@given(ended=MOMENTS, share=st.floats(0, 1))
def test_qs_8_3_a_copy_made_after_the_end_with_the_data_still_in_it_is_gone_in_time(
    ended: datetime, share: float
) -> None:
    deadline = deadline_of(ended)
    made = ended + (deadline - 2 * DAY - ended) * share
    assert destroyed(expires_at(made, [ended])) < deadline


@pytest.mark.clause("QS-8.3")
@given(made=MOMENTS, ends=st.lists(st.timedeltas(-20 * DAY, 20 * DAY), max_size=5))
def test_qs_8_3_ends_of_agreements_only_ever_shorten_the_life_of_a_copy_and_never_below_a_day(
    made: datetime, ends: list[timedelta]
) -> None:
    moments = [made + end for end in ends]
    expires = expires_at(made, moments)
    assert made + DAY <= expires <= expires_at(made)
    assert all(expires <= max(deadline_of(moment) - DAY, made + DAY) for moment in moments)


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_a_copy_of_the_fourth_day_after_the_end_lives_until_a_day_before_the_deadline() -> None:
    ended = utc("2026-11-10T12:00:00+03:00")  # destroyed by the end of the 17th
    assert expires_at(utc("2026-11-14T04:30:00+03:00"), [ended]) == utc("2026-11-17T00:00:00+03:00")
