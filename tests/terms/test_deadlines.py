"""Deadlines: calendar months and days, working days and minutes, over zones, DST and Kazakhstan's new offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.terms.base import Deadline
from blocks.terms.calendars import Country, calendar
from blocks.terms.deadlines import (
    at_wall,
    end_of_day,
    in_calendar_days,
    in_calendar_months,
    in_working_days,
    in_working_minutes,
    local_date,
    months_later,
)

at = datetime.fromisoformat
MOSCOW, ALMATY, KYIV, MINSK = "Europe/Moscow", "Asia/Almaty", "Europe/Kyiv", "Europe/Minsk"
COUNTRIES: tuple[Country, ...] = get_args(Country)
NINE, SIX = time(9), time(18)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 31), 2, date(2026, 3, 31)),
        (date(2026, 3, 31), 1, date(2026, 4, 30)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2024, 2, 29), -12, date(2023, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 11, 30), 13, date(2027, 12, 30)),
        (date(2026, 11, 30), 0, date(2026, 11, 30)),
        (date(1900, 1, 31), 1, date(1900, 2, 28)),
        (date(2000, 1, 31), 1, date(2000, 2, 29)),
    ],
)
def test_a_month_without_such_a_day_ends_on_its_last(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


@pytest.mark.parametrize(
    ("day", "clock", "zone", "instant"),
    [
        (date(2026, 7, 1), time(9), MOSCOW, "2026-07-01T06:00Z"),
        (date(2026, 1, 1), time(0), MINSK, "2025-12-31T21:00Z"),
        (date(2025, 7, 1), time(9), KYIV, "2025-07-01T06:00Z"),
        (date(2025, 1, 1), time(9), KYIV, "2025-01-01T07:00Z"),
        (date(2024, 2, 29), time(9), ALMATY, "2024-02-29T03:00Z"),
        (date(2024, 3, 1), time(9), ALMATY, "2024-03-01T04:00Z"),
    ],
)
def test_a_wall_clock_time_is_read_with_the_offset_of_its_day(day: date, clock: time, zone: str, instant: str) -> None:
    assert at_wall(day, clock, zone) == at(instant)
    assert at_wall(day, clock, zone).utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("clock", "instant"),
    [
        (time(2, 59), "2025-03-30T00:59Z"),
        (time(3, 0), "2025-03-30T01:00Z"),
        (time(3, 30), "2025-03-30T01:30Z"),
        (time(4, 0), "2025-03-30T01:00Z"),
    ],
)
def test_a_time_that_dst_skips_moves_forward(clock: time, instant: str) -> None:
    assert at_wall(date(2025, 3, 30), clock, KYIV) == at(instant)


@pytest.mark.parametrize(
    ("day", "clock", "zone", "instant"),
    [
        (date(2025, 10, 26), time(2, 59), KYIV, "2025-10-25T23:59Z"),
        (date(2025, 10, 26), time(3, 0), KYIV, "2025-10-26T00:00Z"),
        (date(2025, 10, 26), time(3, 59), KYIV, "2025-10-26T00:59Z"),
        (date(2025, 10, 26), time(4, 0), KYIV, "2025-10-26T02:00Z"),
        (date(2024, 2, 29), time(22, 59), ALMATY, "2024-02-29T16:59Z"),
        (date(2024, 2, 29), time(23, 0), ALMATY, "2024-02-29T17:00Z"),
        (date(2024, 2, 29), time(23, 30), ALMATY, "2024-02-29T17:30Z"),
    ],
)
def test_a_doubled_time_means_its_first(day: date, clock: time, zone: str, instant: str) -> None:
    assert at_wall(day, clock, zone) == at(instant)


def test_a_doubled_or_skipped_time_is_read_alike_whatever_its_fold() -> None:
    doubled, skipped = date(2025, 10, 26), date(2025, 3, 30)
    assert at_wall(doubled, time(3, 30, fold=1), KYIV) == at("2025-10-26T00:30Z")
    assert at_wall(skipped, time(3, 30, fold=1), KYIV) == at("2025-03-30T01:30Z")


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-05-31T20:59:59.999999Z", MOSCOW, date(2026, 5, 31)),
        ("2026-05-31T21:00Z", MOSCOW, date(2026, 6, 1)),
        ("2024-02-29T17:59Z", ALMATY, date(2024, 2, 29)),
        ("2024-02-29T18:00Z", ALMATY, date(2024, 2, 29)),
        ("2024-02-29T18:59Z", ALMATY, date(2024, 2, 29)),
        ("2024-02-29T19:00Z", ALMATY, date(2024, 3, 1)),
        ("2024-02-28T18:00Z", ALMATY, date(2024, 2, 29)),
        ("2025-03-29T21:59Z", KYIV, date(2025, 3, 29)),
        ("2025-03-29T22:00Z", KYIV, date(2025, 3, 30)),
        ("2025-03-30T20:59Z", KYIV, date(2025, 3, 30)),
        ("2025-03-30T21:00Z", KYIV, date(2025, 3, 31)),
    ],
)
def test_an_instant_falls_on_the_day_of_its_zone(moment: str, zone: str, day: date) -> None:
    assert local_date(at(moment), zone) == day


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        (date(2026, 12, 31), MOSCOW, "2026-12-31T21:00Z"),
        (date(2024, 2, 28), MOSCOW, "2024-02-28T21:00Z"),
        (date(2024, 2, 28), ALMATY, "2024-02-28T18:00Z"),
        (date(2024, 2, 29), ALMATY, "2024-02-29T19:00Z"),
        (date(2025, 3, 29), KYIV, "2025-03-29T22:00Z"),
        (date(2025, 3, 30), KYIV, "2025-03-30T21:00Z"),
        (date(2025, 10, 26), KYIV, "2025-10-26T22:00Z"),
    ],
)
def test_a_day_ends_at_midnight_of_its_zone(day: date, zone: str, instant: str) -> None:
    assert end_of_day(day, zone) == at(instant)


@pytest.mark.parametrize(
    ("moment", "months", "zone", "due"),
    [
        ("2026-01-31T10:00+03:00", 1, MOSCOW, "2026-02-28T10:00+03:00"),
        ("2024-01-31T10:00+03:00", 1, MOSCOW, "2024-02-29T10:00+03:00"),
        ("2026-01-30T21:30Z", 1, MOSCOW, "2026-02-27T21:30Z"),
        ("2026-01-30T20:30Z", 1, MOSCOW, "2026-02-28T20:30Z"),
        ("2025-03-15T12:00+02:00", 1, KYIV, "2025-04-15T12:00+03:00"),
        ("2025-10-15T12:00+03:00", 1, KYIV, "2025-11-15T12:00+02:00"),
        ("2025-02-28T03:30+02:00", 1, KYIV, "2025-03-28T03:30+02:00"),
        ("2025-02-28T23:30+02:00", 6, KYIV, "2025-08-28T23:30+03:00"),
        ("2024-12-30T03:30+02:00", 3, KYIV, "2025-03-30T04:30+03:00"),
        ("2024-02-15T10:00+06:00", 1, ALMATY, "2024-03-15T10:00+05:00"),
        ("2024-01-31T23:30+06:00", 1, ALMATY, "2024-02-29T23:30+06:00"),
        ("2024-04-01T00:00+05:00", -1, ALMATY, "2024-03-01T00:00+05:00"),
    ],
)
def test_calendar_months_end_at_the_same_wall_clock_time(moment: str, months: int, zone: str, due: str) -> None:
    deadline = in_calendar_months(at(moment), months, zone)
    assert deadline.due == at(due)
    assert deadline.zone == zone
    assert not deadline.provisional


def test_months_counted_from_the_second_of_a_doubled_hour_still_move_a_skipped_time_forward() -> None:
    second_half_past_three = at("2019-10-27T01:30Z")
    assert in_calendar_months(second_half_past_three, 29, KYIV).due == at("2022-03-27T01:30Z")


MOSCOW_TIME = timezone(timedelta(hours=3))


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2034, 12, 31)),  # noqa: DTZ001
    st.integers(min_value=-60, max_value=60),
)
@example(datetime(2024, 2, 29, 23, 59, 59), 12)  # noqa: DTZ001
@example(datetime(2026, 1, 31), 1)  # noqa: DTZ001
def test_calendar_months_clamp_to_the_end_of_the_month(wall: datetime, months: int) -> None:
    year, month = wall.year, wall.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month == 13:
            year, month = year + 1, 1
        if month == 0:
            year, month = year - 1, 12
    day = wall.day
    while True:
        try:
            expected = wall.replace(year=year, month=month, day=day, tzinfo=MOSCOW_TIME)
            break
        except ValueError:
            day -= 1
    assert in_calendar_months(wall.replace(tzinfo=MOSCOW_TIME), months, MOSCOW).due == expected


@pytest.mark.parametrize(
    ("moment", "days", "zone", "due"),
    [
        ("2026-05-01T00:00+03:00", 7, MOSCOW, "2026-05-09T00:00+03:00"),
        ("2026-05-01T23:59+03:00", 7, MOSCOW, "2026-05-09T00:00+03:00"),
        ("2026-05-01T21:00Z", 7, MOSCOW, "2026-05-10T00:00+03:00"),
        ("2024-02-28T12:00+03:00", 1, MOSCOW, "2024-03-01T00:00+03:00"),
        ("2026-02-28T12:00+03:00", 1, MOSCOW, "2026-03-02T00:00+03:00"),
        ("2024-02-28T12:00+06:00", 1, ALMATY, "2024-02-29T19:00Z"),
        ("2024-02-27T12:00+06:00", 1, ALMATY, "2024-02-28T18:00Z"),
        ("2024-02-29T18:30Z", 1, ALMATY, "2024-03-01T19:00Z"),
        ("2025-03-29T12:00+02:00", 1, KYIV, "2025-03-30T21:00Z"),
        ("2025-10-25T12:00+03:00", 1, KYIV, "2025-10-26T22:00Z"),
    ],
)
def test_calendar_days_end_with_their_last_day(moment: str, days: int, zone: str, due: str) -> None:
    assert in_calendar_days(at(moment), days, zone).due == at(due)


@pytest.mark.parametrize(
    ("country", "moment", "days", "due", "provisional"),
    [
        ("RU", "2026-11-20T12:00+03:00", 1, "2026-11-24T00:00+03:00", False),
        ("RU", "2026-11-20T21:00Z", 1, "2026-11-24T00:00+03:00", False),
        ("RU", "2026-11-22T20:59Z", 1, "2026-11-24T00:00+03:00", False),
        ("RU", "2026-11-22T21:00Z", 1, "2026-11-25T00:00+03:00", False),
        ("RU", "2024-04-26T12:00+03:00", 1, "2024-04-28T00:00+03:00", False),
        ("RU", "2025-12-30T12:00+03:00", 1, "2026-01-13T00:00+03:00", False),
        ("BY", "2025-01-03T12:00+03:00", 2, "2025-01-10T00:00+03:00", False),
        ("BY", "2025-01-03T12:00+03:00", 4, "2025-01-12T00:00+03:00", False),
        ("KZ", "2024-02-28T12:00+06:00", 1, "2024-02-29T19:00Z", False),
        ("KZ", "2024-02-28T12:00+06:00", 2, "2024-03-01T19:00Z", False),
        ("KZ", "2024-02-29T18:30Z", 1, "2024-03-01T19:00Z", False),
        ("KZ", "2026-12-31T12:00+05:00", 1, "2027-01-06T00:00+05:00", True),
        ("UA", "2025-03-28T12:00+02:00", 1, "2025-04-01T00:00+03:00", False),
        ("UA", "2025-10-24T12:00+03:00", 1, "2025-10-28T00:00+02:00", False),
    ],
)
def test_working_days_end_with_their_last_day_in_the_zone_of_the_country(
    country: Country, moment: str, days: int, due: str, provisional: bool
) -> None:
    deadline = in_working_days(at(moment), days, calendar(country))
    assert deadline.due == at(due)
    assert deadline.provisional is provisional


@pytest.mark.parametrize(
    ("country", "moment", "minutes", "due"),
    [
        ("RU", "2026-11-23T10:00+03:00", 1, "2026-11-23T10:01+03:00"),
        ("RU", "2026-11-23T10:00:30+03:00", 60, "2026-11-23T11:00:30+03:00"),
        ("RU", "2026-11-23T08:00+03:00", 60, "2026-11-23T10:00+03:00"),
        ("RU", "2026-11-23T09:00+03:00", 540, "2026-11-23T18:00+03:00"),
        ("RU", "2026-11-23T09:00+03:00", 541, "2026-11-24T09:01+03:00"),
        ("RU", "2026-11-23T17:59+03:00", 1, "2026-11-23T18:00+03:00"),
        ("RU", "2026-11-23T17:59+03:00", 2, "2026-11-24T09:01+03:00"),
        ("RU", "2026-11-23T18:00+03:00", 1, "2026-11-24T09:01+03:00"),
        ("RU", "2026-11-23T23:00+03:00", 1, "2026-11-24T09:01+03:00"),
        ("RU", "2026-11-23T21:30Z", 1, "2026-11-24T09:01+03:00"),
        ("RU", "2026-11-20T17:30+03:00", 60, "2026-11-23T09:30+03:00"),
        ("RU", "2026-11-21T12:00+03:00", 60, "2026-11-23T10:00+03:00"),
        ("RU", "2024-04-26T17:30+03:00", 60, "2024-04-27T09:30+03:00"),
        ("RU", "2024-04-27T17:30+03:00", 60, "2024-05-02T09:30+03:00"),
        ("RU", "2025-12-30T17:00+03:00", 61, "2026-01-12T09:01+03:00"),
        ("KZ", "2024-02-29T17:00+06:00", 120, "2024-03-01T10:00+05:00"),
        ("KZ", "2024-02-29T18:30Z", 30, "2024-03-01T09:30+05:00"),
        ("UA", "2025-03-28T17:30+02:00", 60, "2025-03-31T09:30+03:00"),
        ("UA", "2025-10-24T17:30+03:00", 60, "2025-10-27T09:30+02:00"),
    ],
)
def test_working_minutes_stand_outside_office_hours(country: Country, moment: str, minutes: int, due: str) -> None:
    deadline = in_working_minutes(at(moment), minutes, calendar(country), NINE, SIX)
    assert deadline.due == at(due)
    assert not deadline.provisional


def test_working_minutes_into_an_undecreed_year_are_provisional() -> None:
    within = in_working_minutes(at("2027-12-30T17:00+03:00"), 60, calendar("RU"), NINE, SIX)
    beyond = in_working_minutes(at("2027-12-30T17:00+03:00"), 61, calendar("RU"), NINE, SIX)
    assert (within.due, within.provisional) == (at("2027-12-30T18:00+03:00"), False)
    assert beyond.due.year == 2028
    assert beyond.provisional


@pytest.mark.parametrize(
    ("minutes", "opens", "closes"), [(0, NINE, SIX), (-1, NINE, SIX), (1, SIX, NINE), (1, NINE, NINE)]
)
def test_no_minutes_and_an_office_that_never_opens_are_refused(minutes: int, opens: time, closes: time) -> None:
    with pytest.raises(ValueError, match="positive"):
        in_working_minutes(at("2026-11-23T10:00+03:00"), minutes, calendar("RU"), opens, closes)


def walk(moment: datetime, minutes: int, country: Country, opens: time, closes: time) -> datetime:
    """The same term, a minute at a time."""
    zone = ZoneInfo(calendar(country).zone)
    while minutes:
        wall = moment.astimezone(zone)
        minutes -= opens <= wall.time() < closes and calendar(country).is_working_day(wall.date())
        moment += MINUTE
    return moment


@settings(deadline=None, max_examples=60)
@given(
    country=st.sampled_from(COUNTRIES),
    after=st.integers(min_value=0, max_value=4 * 365 * 24 * 60),
    minutes=st.integers(min_value=1, max_value=1500),
    opens=st.integers(min_value=5 * 60, max_value=11 * 60),
    length=st.integers(min_value=4 * 60, max_value=11 * 60),
)
@example(country="KZ", after=60 * 24 * 59 + 690, minutes=300, opens=540, length=540)
@example(country="UA", after=60 * 24 * 87 + 900, minutes=1000, opens=540, length=540)
@example(country="RU", after=60 * 24 * 364, minutes=1500, opens=540, length=240)
def test_working_minutes_agree_with_a_walk_minute_by_minute(
    country: Country, after: int, minutes: int, opens: int, length: int
) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC) + after * MINUTE
    opening, closing = time(*divmod(opens, 60)), time(*divmod(opens + length, 60))
    deadline = in_working_minutes(moment, minutes, calendar(country), opening, closing)
    assert deadline.due == walk(moment, minutes, country, opening, closing)


def test_a_deadline_is_utc_inside_and_shows_the_wall_clock_of_its_zone() -> None:
    deadline = Deadline(due=at("2026-05-09T00:00+03:00"), zone=MOSCOW)
    assert deadline.due.utcoffset() == timedelta()
    assert deadline.due.isoformat() == "2026-05-08T21:00:00+00:00"
    assert deadline.local.isoformat() == "2026-05-09T00:00:00+03:00"


def test_a_deadline_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        Deadline(due=at("2026-05-09T00:00"), zone=MOSCOW)
