"""Official working days of RU, KZ, BY and UA, transferred days included.

The truth is a table a year, shipped in `data/` with the decree it rests on and who approved it; an operator adds or
corrects days by files of the same form. Years without a table are computed from the `holidays` package and every
result that touches one, or a table not yet decreed, is provisional. A test raises the alarm where table and package
disagree.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal

import holidays
from pydantic import BaseModel, ConfigDict

Country = Literal["RU", "KZ", "BY", "UA"]
_SATURDAY = 5


class WorkYear(BaseModel):
    """One year of one country: the weekdays that are off and the weekend days that are worked.

    `source` is the decree or law by number and date; `approved_by` the person who accepted the table, empty as shipped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    year: int
    status: Literal["decreed", "provisional"]
    source: str
    approved_by: str = ""
    days_off: frozenset[date] = frozenset()
    working_weekends: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        """Whether that day of this year is a working day."""
        if day.weekday() >= _SATURDAY:
            return day in self.working_weekends
        return day not in self.days_off


def computed_year(country: Country, year: int) -> WorkYear:
    """A year as the `holidays` package knows it: provisional by definition."""
    known = holidays.country_holidays(country, years=year)
    day = date(year, 1, 1)
    off: set[date] = set()
    worked: set[date] = set()
    while day.year == year:
        if known.is_working_day(day) != (day.weekday() < _SATURDAY):
            (off if day.weekday() < _SATURDAY else worked).add(day)
        day += timedelta(days=1)
    return WorkYear(
        year=year,
        status="provisional",
        source="computed from the holidays package",
        days_off=frozenset(off),
        working_weekends=frozenset(worked),
    )


class WorkCalendar:
    """The working days of a country. Immutable to its users; years are computed when first asked for."""

    def __init__(self, country: Country, zone: str, years: Iterable[WorkYear]) -> None:
        self.country: Country = country
        self.zone = zone
        self._years = {year.year: year for year in years}
        self._worked: dict[int, tuple[int, ...]] = {}

    def year(self, year: int) -> WorkYear:
        """The table of a year, computed where none was shipped."""
        if year not in self._years:
            self._years[year] = computed_year(self.country, year)
        return self._years[year]

    def is_working_day(self, day: date) -> bool:
        """Whether the country works that day."""
        return self.year(day.year).works(day)

    def is_provisional(self, day: date) -> bool:
        """Whether the year of that day is not decreed."""
        return self.year(day.year).status == "provisional"

    def _ordinals(self, year: int) -> tuple[int, ...]:
        if year not in self._worked:
            table, first = self.year(year), date(year, 1, 1).toordinal()
            last = date(year, 12, 31).toordinal()
            self._worked[year] = tuple(n for n in range(first, last + 1) if table.works(date.fromordinal(n)))
        return self._worked[year]

    def add(self, day: date, working_days: int) -> tuple[date, bool]:
        """The `working_days`-th working day after `day` (before it when negative), and whether that is provisional.

        Raises ValueError for zero: "within no working days" has no meaning.
        """
        if working_days == 0:
            raise ValueError("count at least one working day")
        year, ordinal, provisional = day.year, day.toordinal(), self.is_provisional(day)
        worked = self._ordinals(year)
        if working_days > 0:
            index = bisect_left(worked, ordinal + 1) + working_days - 1
            while index >= len(worked):
                index, year = index - len(worked), year + 1
                worked, provisional = self._ordinals(year), provisional or self.year(year).status == "provisional"
        else:
            index = bisect_left(worked, ordinal) + working_days
            while index < 0:
                year -= 1
                worked, provisional = self._ordinals(year), provisional or self.year(year).status == "provisional"
                index += len(worked)
        return date.fromordinal(worked[index]), provisional


class WorkTable(BaseModel):
    """A country's years, as the TOML form of `data/ru.toml` holds them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    country: Country
    zone: str
    year: tuple[WorkYear, ...]


def read_table(text: str) -> WorkTable:
    """A table from TOML. Raises pydantic.ValidationError, tomllib.TOMLDecodeError."""
    return WorkTable.model_validate(tomllib.loads(text))


@cache
def calendar(country: Country) -> WorkCalendar:
    """The shipped calendar of a country, with the operator's years (`adopt`) over it."""
    text = files("blocks.terms").joinpath("data", f"{country.lower()}.toml").read_text("utf-8")
    table = read_table(text)
    return WorkCalendar(table.country, table.zone, [*table.year, *_ADOPTED.get(country, ())])


_ADOPTED: dict[str, tuple[WorkYear, ...]] = {}


def adopt(text: str) -> None:
    """Lay an operator's table (the TOML form of `data/`) over the shipped one; called once, when settings are read.

    A year in it replaces the shipped year whole; of two files with the same year the later holds.
    Raises pydantic.ValidationError.
    """
    table = read_table(text)
    _ADOPTED[table.country] = (*_ADOPTED.get(table.country, ()), *table.year)
    calendar.cache_clear()
