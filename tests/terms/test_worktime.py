"""The clock of an office: sums of working time over days off, transferred days and changes of offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blocks.terms.calendars import Country, WorkCalendar, WorkYear, calendar
from blocks.terms.worktime import HOUR, MINUTE, SECOND, WorkClock, to_moment, to_us, work_clock

at = datetime.fromisoformat
NINE, SIX = time(9), time(18)
EVERY_DAY = {
    zone: WorkCalendar(
        "UA",
        zone,
        [
            WorkYear(
                year=year,
                status="decreed",
                source="a test: every weekend is worked",
                working_weekends=frozenset(date(year, 1, 1) + timedelta(days=n) for n in range(365)),
            )
            for year in (2023, 2024, 2025)
        ],
    )
    for zone in ("Europe/Kyiv", "Asia/Almaty")
}


def us(text: str) -> int:
    return to_us(at(text))


def office(country: Country) -> WorkClock:
    return WorkClock(calendar(country), NINE, SIX)


def walked(clock: WorkClock, start: int, end: int) -> int:
    """Working minutes between two whole minutes, a minute at a time on the wall clock."""
    zone, minutes = ZoneInfo(clock.zone), 0
    for moment in range(start, end, MINUTE):
        wall = to_moment(moment).astimezone(zone)
        minutes += clock.opens <= wall.time() < clock.closes and clock.calendar.is_working_day(wall.date())
    return minutes


@pytest.mark.parametrize("text", ["1990-01-01T00:00Z", "2024-02-29T23:59:59.999999Z", "1969-12-31T23:59:59.5Z"])
def test_microseconds_and_moments_are_the_same_instants(text: str) -> None:
    assert to_moment(us(text)) == at(text)
    assert to_moment(us(text)).utcoffset() == timedelta()


def test_microseconds_count_from_1970() -> None:
    assert us("1970-01-01T00:00:01.000002Z") == SECOND + 2
    assert us("1970-01-01T05:00:00+05:00") == 0
    assert (MINUTE, HOUR) == (60 * SECOND, 3600 * SECOND)


@pytest.mark.parametrize(
    ("country", "start", "length", "due"),
    [
        ("UA", "2025-03-28T17:30+02:00", HOUR, "2025-03-31T09:30+03:00"),
        ("UA", "2025-10-24T17:30+03:00", HOUR, "2025-10-27T09:30+02:00"),
        ("UA", "2025-10-24T17:30+03:00", HOUR // 2, "2025-10-24T18:00+03:00"),
        ("UA", "2025-10-24T17:30+03:00", HOUR // 2 + 1, "2025-10-27T09:00:00.000001+02:00"),
        ("UA", "2025-10-24T18:00+03:00", 1, "2025-10-27T09:00:00.000001+02:00"),
        ("UA", "2025-10-24T17:59:59.999999+03:00", 1, "2025-10-24T18:00+03:00"),
        ("UA", "2025-10-24T09:00+03:00", 9 * HOUR, "2025-10-24T18:00+03:00"),
        ("KZ", "2024-02-29T17:00+06:00", 2 * HOUR, "2024-03-01T10:00+05:00"),
        ("KZ", "2024-05-03T17:00+05:00", 2 * HOUR, "2024-05-04T10:00+05:00"),
        ("KZ", "2024-05-04T17:00+05:00", 2 * HOUR, "2024-05-06T10:00+05:00"),
        ("RU", "2024-12-28T17:00+03:00", 2 * HOUR, "2025-01-09T10:00+03:00"),
        ("RU", "2025-12-31T23:00+03:00", 9 * HOUR, "2026-01-12T18:00+03:00"),
        ("RU", "2023-06-01T12:00+03:00", 9 * 500 * HOUR, "2025-06-06T12:00+03:00"),
    ],
)
def test_working_time_is_added_over_nights_days_off_and_years(
    country: Country, start: str, length: int, due: str
) -> None:
    assert to_moment(office(country).add(us(start), length)) == at(due)


@pytest.mark.parametrize(
    ("country", "start", "end", "length"),
    [
        ("UA", "2025-03-28T17:30+02:00", "2025-03-31T09:30+03:00", HOUR),
        ("UA", "2025-03-29T00:00+02:00", "2025-03-31T09:00+03:00", 0),
        ("UA", "2025-03-28T12:00+02:00", "2025-03-28T12:00+02:00", 0),
        ("KZ", "2024-02-29T09:00+06:00", "2024-03-01T18:00+05:00", 18 * HOUR),
        ("RU", "2024-01-01T00:00+03:00", "2025-01-01T00:00+03:00", 248 * 9 * HOUR),
        ("RU", "2023-12-31T00:00+03:00", "2025-01-09T10:00+03:00", 248 * 9 * HOUR + HOUR),
        ("RU", "2024-12-28T17:00+03:00", "2025-01-09T10:00+03:00", 2 * HOUR),
    ],
)
def test_working_time_is_summed_between_two_instants(country: Country, start: str, end: str, length: int) -> None:
    assert office(country).between(us(start), us(end)) == length


@pytest.mark.parametrize(
    ("moment", "works"),
    [
        ("2024-04-27T08:59:59.999999+03:00", False),
        ("2024-04-27T09:00+03:00", True),
        ("2024-04-27T17:59:59.999999+03:00", True),
        ("2024-04-27T18:00+03:00", False),
        ("2024-04-28T12:00+03:00", False),
        ("2024-04-29T12:00+03:00", False),
        ("2024-01-01T00:00+03:00", False),
    ],
)
def test_an_office_is_open_from_its_opening_to_before_its_closing(moment: str, works: bool) -> None:
    assert office("RU").is_open(us(moment)) is works


def test_an_office_that_opens_at_midnight_works_from_the_first_instant_of_a_worked_year() -> None:
    clock = WorkClock(EVERY_DAY["Europe/Kyiv"], time(), time(1))
    assert clock.is_open(us("2025-01-01T00:00+02:00"))
    assert clock.between(us("2024-12-31T23:00+02:00"), us("2025-01-01T00:30+02:00")) == HOUR // 2


def test_years_that_are_not_decreed_make_a_span_provisional() -> None:
    clock = office("KZ")
    assert not clock.provisional(us("2026-12-31T12:00+05:00"), us("2026-12-31T23:59:59+05:00"))
    assert clock.provisional(us("2026-12-31T12:00+05:00"), us("2027-01-01T00:00+05:00"))
    assert clock.provisional(us("2026-12-31T12:00+05:00"), us("2028-06-01T00:00+05:00"))


def test_time_does_not_run_backwards_and_an_office_opens_first() -> None:
    with pytest.raises(ValueError, match="positive"):
        office("RU").add(us("2024-04-27T12:00+03:00"), 0)
    with pytest.raises(ValueError, match="backwards"):
        office("RU").between(us("2024-04-27T12:00+03:00"), us("2024-04-27T11:59+03:00"))
    with pytest.raises(ValueError, match="opens"):
        WorkClock(calendar("RU"), SIX, SIX)


def test_a_clock_keeps_its_tables() -> None:
    assert work_clock(calendar("RU"), NINE, SIX) is work_clock(calendar("RU"), NINE, SIX)
    assert work_clock(calendar("RU"), NINE, SIX) is not work_clock(calendar("KZ"), NINE, SIX)


def test_the_parts_of_a_span_say_why_the_office_is_shut() -> None:
    parts = office("KZ").parts(us("2024-05-03T17:00+05:00"), us("2024-05-06T09:30+05:00"))
    assert [(to_moment(part.end), part.working, part.why) for part in parts] == [
        (at("2024-05-03T18:00+05:00"), True, "office hours"),
        (at("2024-05-04T00:00+05:00"), False, "outside office hours"),
        (at("2024-05-04T09:00+05:00"), False, "outside office hours"),
        (at("2024-05-04T18:00+05:00"), True, "office hours"),
        (at("2024-05-05T00:00+05:00"), False, "outside office hours"),
        (at("2024-05-06T00:00+05:00"), False, "day off (calendar)"),
        (at("2024-05-06T09:00+05:00"), False, "outside office hours"),
        (at("2024-05-06T09:30+05:00"), True, "office hours"),
    ]


def test_a_span_without_length_has_no_parts() -> None:
    assert list(office("KZ").parts(us("2024-05-03T17:00+05:00"), us("2024-05-03T17:00+05:00"))) == []


def test_hours_that_a_change_of_offset_turns_round_are_left_out() -> None:
    """From 03:30, which is skipped on 30 March 2025 and read as 04:30, to 04:10."""
    clock = WorkClock(EVERY_DAY["Europe/Kyiv"], time(3, 30), time(4, 10))
    assert clock.between(us("2025-03-30T00:00+02:00"), us("2025-03-31T00:00+03:00")) == 0
    assert clock.between(us("2025-03-31T00:00+03:00"), us("2025-04-01T00:00+03:00")) == 40 * MINUTE


SPANS = {
    "start": st.integers(min_value=0, max_value=2 * 365 * 24 * 60),
    "length": st.integers(min_value=0, max_value=6 * 24 * 60),
    "opens": st.sampled_from([time(), time(1, 30), time(2, 59), NINE]),
    "closes": st.sampled_from([time(10), SIX, time(23)]),
}
BASE = to_us(datetime(2023, 6, 1, tzinfo=UTC))
SPRING, AUTUMN, KAZAKHSTAN = (
    (us(text) - BASE) // MINUTE for text in ("2024-03-30T12:00Z", "2024-10-26T12:00Z", "2024-02-28T20:00Z")
)


@settings(deadline=None, max_examples=60)
@given(zone=st.sampled_from(sorted(EVERY_DAY)), plain=st.booleans(), **SPANS)
@example(zone="Europe/Kyiv", plain=False, start=SPRING, length=2000, opens=time(1, 30), closes=time(10))
@example(zone="Europe/Kyiv", plain=False, start=AUTUMN, length=2000, opens=time(1, 30), closes=time(10))
@example(zone="Asia/Almaty", plain=True, start=KAZAKHSTAN, length=3000, opens=NINE, closes=SIX)
@example(zone="Asia/Almaty", plain=False, start=KAZAKHSTAN, length=3000, opens=time(), closes=time(23))
def test_the_clock_agrees_with_a_walk_minute_by_minute(
    zone: str, plain: bool, start: int, length: int, opens: time, closes: time
) -> None:
    country: Country = "UA" if zone == "Europe/Kyiv" else "KZ"
    clock = work_clock(calendar(country) if plain else EVERY_DAY[zone], opens, closes)
    begins, ends = BASE + start * MINUTE, BASE + (start + length) * MINUTE
    worked = clock.between(begins, ends)
    assert worked == walked(clock, begins, ends) * MINUTE
    parts = list(clock.parts(begins, ends))
    assert sum(part.end - part.start for part in parts if part.working) == worked
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert [part.start for part in parts[:1]] + [part.end for part in parts[-1:]] == ([begins, ends] if length else [])
    if worked:
        due = clock.add(begins, worked)
        assert due <= ends
        assert walked(clock, due, ends) == 0


@settings(deadline=None, max_examples=200)
@given(
    country=st.sampled_from(["RU", "KZ", "UA"]),
    start=st.integers(min_value=0, max_value=3 * 365 * 24 * HOUR),
    length=st.integers(min_value=1, max_value=400 * HOUR),
)
def test_what_was_added_is_what_lies_between_and_no_earlier_instant_will_do(
    country: Country, start: int, length: int
) -> None:
    clock, begins = work_clock(calendar(country), NINE, SIX), BASE + start
    due = clock.add(begins, length)
    assert clock.between(begins, due) == length
    assert clock.between(begins, due - 1) == length - 1
