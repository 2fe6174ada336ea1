"""Working days of four countries: the shipped tables, counting, and an operator's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.terms import calendars
from blocks.terms.calendars import Country, WorkYear, adopt, calendar, computed_year, read_table

COUNTRIES: tuple[Country, ...] = get_args(Country)
ZONES = {"RU": "Europe/Moscow", "KZ": "Asia/Almaty", "BY": "Europe/Minsk", "UA": "Europe/Kyiv"}
DAYS = st.dates(min_value=date(2022, 6, 1), max_value=date(2028, 12, 31))
COUNTS = st.integers(min_value=1, max_value=600)
ONE_DAY = timedelta(days=1)


def shipped(country: Country) -> list[WorkYear]:
    text = files("blocks.terms").joinpath("data", f"{country.lower()}.toml").read_text("utf-8")
    return list(read_table(text).year)


TABLES = [(country, table) for country in COUNTRIES for table in shipped(country)]
DECREED = [(country, table) for country, table in TABLES if table.status == "decreed"]

# Days on which a decreed table and holidays 0.109 are known to differ, each with its reason: there is none.
KNOWN_DISAGREEMENTS: dict[tuple[Country, date], str] = {}


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + n * ONE_DAY for n in range((date(year + 1, 1, 1) - first).days)]


@pytest.mark.parametrize(("country", "table"), DECREED, ids=[f"{country}-{t.year}" for country, t in DECREED])
def test_a_decreed_table_agrees_with_the_holidays_package(country: Country, table: WorkYear) -> None:
    computed = computed_year(country, table.year)
    differ = {(country, day) for day in days_of(table.year) if table.works(day) != computed.works(day)}
    assert differ == {(c, day) for c, day in KNOWN_DISAGREEMENTS if c == country and day.year == table.year}


def test_the_alarm_covers_every_country_and_year_that_is_decreed() -> None:
    assert {(country, table.year) for country, table in DECREED} == {
        *(("RU", year) for year in range(2023, 2028)),
        *(("KZ", year) for year in range(2023, 2027)),
        *(("BY", year) for year in range(2023, 2027)),
        *(("UA", year) for year in range(2023, 2026)),
    }


@pytest.mark.parametrize(("country", "table"), TABLES, ids=[f"{country}-{t.year}" for country, t in TABLES])
def test_a_shipped_table_names_its_act_and_only_days_that_change_its_year(country: Country, table: WorkYear) -> None:
    assert table.source.strip()
    assert all(day.year == table.year and day.weekday() < 5 for day in table.days_off)
    assert all(day.year == table.year and day.weekday() >= 5 for day in table.working_weekends)


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_shipped_file_has_each_year_once_and_the_zone_of_its_country(country: Country) -> None:
    years = [table.year for table in shipped(country)]
    assert years == sorted(set(years))
    assert calendar(country).zone == ZONES[country]
    assert calendar(country).country == country


OFF: list[tuple[Country, str]] = [
    ("RU", "2023-02-24 2023-05-08 2023-11-06"),
    ("RU", "2024-01-08 2024-04-29 2024-04-30 2024-05-10 2024-12-30 2024-12-31"),
    ("RU", "2025-05-02 2025-05-08 2025-06-13 2025-11-03 2025-12-31"),
    ("RU", "2026-01-09 2026-03-09 2026-05-11 2026-12-31"),
    ("RU", "2027-02-22 2027-02-23"),
    ("BY", "2023-04-24 2023-04-25 2023-05-08 2023-11-06"),
    ("BY", "2024-05-13 2024-05-14 2024-11-08"),
    ("BY", "2025-01-06 2025-04-28 2025-07-04 2025-12-26 2026-04-20"),
    ("KZ", "2023-01-03 2023-07-07 2024-03-25 2024-05-08 2024-07-08"),
    ("KZ", "2025-01-03 2025-03-24 2025-03-25 2026-03-09 2026-05-11"),
]
WORKED: list[tuple[Country, str]] = [
    ("RU", "2024-04-27 2024-11-02 2024-12-28 2025-11-01 2027-02-20"),
    ("RU", "2024-02-22 2024-05-02 2025-02-24 2025-03-10 2026-01-12 2026-05-04 2026-05-08"),
    ("BY", "2023-04-29 2023-05-13 2023-11-11 2024-05-18 2024-11-16"),
    ("BY", "2025-01-11 2025-04-26 2025-07-12 2025-12-20 2026-04-25"),
    ("KZ", "2023-07-01 2024-05-04 2024-06-17 2025-01-05"),
    ("UA", "2023-03-08 2024-01-01 2024-12-25 2025-05-01 2025-08-25"),
]


@pytest.mark.parametrize(("country", "days"), OFF)
def test_transferred_days_off_are_off(country: Country, days: str) -> None:
    assert [day for day in days.split() if calendar(country).is_working_day(date.fromisoformat(day))] == []


@pytest.mark.parametrize(("country", "days"), WORKED)
def test_transferred_working_days_are_worked(country: Country, days: str) -> None:
    assert [day for day in days.split() if not calendar(country).is_working_day(date.fromisoformat(day))] == []


@pytest.mark.parametrize(("year", "count"), [(2023, 247), (2024, 248), (2025, 247), (2026, 247)])
def test_the_russian_production_calendar_has_its_published_number_of_working_days(year: int, count: int) -> None:
    assert sum(calendar("RU").is_working_day(day) for day in days_of(year)) == count


@pytest.mark.parametrize(
    ("country", "day", "provisional"),
    [
        ("RU", date(2027, 12, 31), False),
        ("RU", date(2028, 1, 1), True),
        ("RU", date(2022, 12, 31), True),
        ("RU", date(2023, 1, 1), False),
        ("KZ", date(2026, 12, 31), False),
        ("KZ", date(2027, 1, 1), True),
        ("BY", date(2026, 12, 31), False),
        ("BY", date(2027, 1, 1), True),
        ("UA", date(2025, 12, 31), False),
        ("UA", date(2026, 1, 1), True),
    ],
)
def test_a_year_without_a_decree_is_provisional(country: Country, day: date, provisional: bool) -> None:
    assert calendar(country).is_provisional(day) is provisional


@pytest.mark.parametrize(
    ("country", "day", "count", "result", "provisional"),
    [
        ("RU", date(2027, 12, 29), 1, date(2027, 12, 30), False),
        ("RU", date(2023, 1, 10), -1, date(2023, 1, 9), False),
        ("KZ", date(2026, 12, 30), 1, date(2026, 12, 31), False),
        ("KZ", date(2026, 12, 31), 1, date(2027, 1, 5), True),
        ("BY", date(2026, 12, 31), 1, date(2027, 1, 4), True),
        ("UA", date(2025, 12, 31), 1, date(2026, 1, 1), True),
        ("UA", date(2026, 1, 1), -1, date(2025, 12, 31), True),
    ],
)
def test_a_count_that_touches_a_provisional_year_is_provisional(
    country: Country, day: date, count: int, result: date, provisional: bool
) -> None:
    assert calendar(country).add(day, count) == (result, provisional)


def test_a_count_into_an_undecreed_year_is_computed_and_provisional() -> None:
    result, provisional = calendar("RU").add(date(2027, 12, 30), 1)
    assert provisional
    assert result.year == 2028
    assert result > date(2028, 1, 8)


@pytest.mark.parametrize(
    ("day", "count", "result"),
    [
        (date(2024, 4, 26), 1, date(2024, 4, 27)),
        (date(2024, 4, 26), 2, date(2024, 5, 2)),
        (date(2024, 4, 27), 1, date(2024, 5, 2)),
        (date(2024, 5, 1), 1, date(2024, 5, 2)),
        (date(2024, 5, 2), -1, date(2024, 4, 27)),
        (date(2024, 5, 1), -1, date(2024, 4, 27)),
        (date(2024, 2, 28), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 1, date(2024, 3, 1)),
        (date(2025, 12, 30), 1, date(2026, 1, 12)),
        (date(2026, 1, 12), -1, date(2025, 12, 30)),
        (date(2025, 12, 30), 248, date(2027, 1, 11)),
        (date(2027, 1, 11), -248, date(2025, 12, 30)),
    ],
)
def test_russian_working_days_are_counted_over_transfers_and_years(day: date, count: int, result: date) -> None:
    assert calendar("RU").add(day, count) == (result, False)


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_working_days_cannot_be_counted(country: Country) -> None:
    with pytest.raises(ValueError, match="at least one"):
        calendar(country).add(date(2026, 11, 23), 0)


def step(country: Country, day: date, count: int) -> date:
    """The same count, a day at a time."""
    left, direction = abs(count), ONE_DAY if count > 0 else -ONE_DAY
    while left:
        day += direction
        left -= calendar(country).is_working_day(day)
    return day


@settings(deadline=None)
@given(country=st.sampled_from(COUNTRIES), day=DAYS, count=COUNTS, back=st.booleans())
def test_counting_agrees_with_stepping_day_by_day(country: Country, day: date, count: int, back: bool) -> None:
    signed = -count if back else count
    result, provisional = calendar(country).add(day, signed)
    assert result == step(country, day, signed)
    touched = range(min(day.year, result.year), max(day.year, result.year) + 1)
    assert provisional is any(calendar(country).year(year).status == "provisional" for year in touched)


@settings(deadline=None)
@given(country=st.sampled_from(COUNTRIES), day=DAYS, count=COUNTS)
def test_counting_never_ends_on_a_day_off_nor_where_it_began(country: Country, day: date, count: int) -> None:
    after, before = calendar(country).add(day, count)[0], calendar(country).add(day, -count)[0]
    assert calendar(country).is_working_day(after)
    assert calendar(country).is_working_day(before)
    assert before < day < after


@settings(deadline=None)
@given(country=st.sampled_from(COUNTRIES), day=DAYS, count=COUNTS)
def test_counting_back_returns_to_a_working_day(country: Country, day: date, count: int) -> None:
    start = calendar(country).add(day, 1)[0]
    assert calendar(country).add(calendar(country).add(start, count)[0], -count)[0] == start


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An operator's tables for one test, and the shipped ones after it."""
    monkeypatch.setattr(calendars, "_ADOPTED", {})
    calendar.cache_clear()
    yield
    monkeypatch.undo()
    calendar.cache_clear()


def table(country: str, year: int, status: str = "decreed", days_off: str = "", zone: str = "Europe/Moscow") -> str:
    return f"""
country = "{country}"
zone = "{zone}"
[[year]]
year = {year}
status = "{status}"
source = "Government decree of 01.10.{year - 1} No 1"
approved_by = "Иванова А. А."
days_off = [{days_off}]
"""


@pytest.mark.usefixtures("operator")
def test_an_operators_table_decrees_a_year_that_was_computed() -> None:
    assert calendar("RU").is_provisional(date(2028, 1, 11))
    adopt(table("RU", 2028, days_off="2028-01-03, 2028-01-04, 2028-01-05, 2028-01-06, 2028-01-07"))
    assert not calendar("RU").is_provisional(date(2028, 1, 11))
    assert calendar("RU").year(2028).approved_by == "Иванова А. А."
    assert calendar("RU").add(date(2027, 12, 30), 1) == (date(2028, 1, 10), False)


@pytest.mark.usefixtures("operator")
def test_an_operators_year_replaces_the_shipped_one_whole_and_leaves_the_others() -> None:
    adopt(table("RU", 2026, days_off="2026-03-10"))
    assert not calendar("RU").is_working_day(date(2026, 3, 10))
    assert calendar("RU").is_working_day(date(2026, 1, 9))
    assert calendar("RU").is_working_day(date(2024, 4, 27))
    assert not calendar("BY").is_working_day(date(2026, 4, 20))


@pytest.mark.usefixtures("operator")
def test_an_operator_may_adopt_tables_of_two_countries() -> None:
    adopt(table("RU", 2026, days_off="2026-03-10"))
    adopt(table("KZ", 2027, days_off="2027-03-10", zone="Asia/Almaty"))
    assert not calendar("RU").is_working_day(date(2026, 3, 10))
    assert not calendar("KZ").is_working_day(date(2027, 3, 10))
    assert not calendar("KZ").is_provisional(date(2027, 3, 10))


@pytest.mark.usefixtures("operator")
def test_an_operator_may_adopt_two_files_of_one_country() -> None:
    adopt(table("RU", 2028))
    adopt(table("RU", 2029))
    assert not calendar("RU").is_provisional(date(2029, 1, 11))
    assert not calendar("RU").is_provisional(date(2028, 1, 11))


@pytest.mark.usefixtures("operator")
def test_of_two_tables_of_one_year_the_later_adopted_holds() -> None:
    adopt(table("RU", 2026, days_off="2026-03-10"))
    adopt(table("RU", 2026, days_off="2026-03-11"))
    assert calendar("RU").is_working_day(date(2026, 3, 10))
    assert not calendar("RU").is_working_day(date(2026, 3, 11))


@pytest.mark.usefixtures("operator")
def test_after_an_operators_table_the_shipped_one_is_back() -> None:
    assert not calendar("RU").is_working_day(date(2026, 1, 9))
    assert calendar("RU").is_working_day(date(2026, 3, 10))
    assert calendar("RU").is_provisional(date(2028, 1, 11))


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    "text",
    [
        table("RU", 2026, status="approved"),
        table("RU", 2026, days_off='"soon"'),
        table("RU", 2026) + "half_days = []\n",
        table("RU", 2026).replace("source", "sauce"),
    ],
)
def test_a_malformed_table_is_refused_and_changes_nothing(text: str) -> None:
    with pytest.raises(ValidationError):
        adopt(text)
    assert not calendar("RU").is_working_day(date(2026, 1, 9))


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("country", ["ru", "RUS", "", "DE"])
def test_a_table_of_a_country_that_no_calendar_serves_is_refused_and_not_ignored(country: str) -> None:
    with pytest.raises(ValueError, match="country"):
        adopt(table(country, 2026))


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("text", ["", 'country = "RU"\nzone = "Europe/Moscow"\n', "[[year]]\nyear = 2026\n"])
def test_a_table_without_its_parts_is_refused_as_bad(text: str) -> None:
    with pytest.raises(ValueError, match=r"country|zone|year|required"):
        adopt(text)


def test_a_table_cannot_be_changed() -> None:
    changeable: Any = calendar("RU").year(2026)
    with pytest.raises(ValidationError):
        changeable.status = "provisional"
