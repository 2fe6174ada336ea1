"""An office's working time in plain integers: instants and lengths are microseconds, instants since 1970 in UTC.

A year is a table of its working stretches with a running sum, so a deadline costs two look-ups, not a walk over days.
Walls become instants by the zone's own rules: a stretch over a change of offset is as long as it really lasts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from blocks.terms.calendars import WorkCalendar

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_MEAN_YEAR = 31_556_952 * SECOND


def to_us(moment: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


def to_moment(us: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC."""
    return _EPOCH + timedelta(microseconds=us)


class Part(NamedTuple):
    """A piece of time in which the office is open or is not, and why."""

    start: int
    end: int
    working: bool
    why: str


class _Year(NamedTuple):
    """A year on the wall, from `begins` to before `until`; `worked` is what was worked by each of `ends`.

    The first stretch is empty and starts the year, so that every instant of the year has a stretch at or before it.
    """

    number: int
    begins: int
    until: int
    starts: list[int]
    ends: list[int]
    worked: list[int]
    provisional: bool


class WorkClock:
    """The hours of an office that opens and closes at the same wall-clock times on the working days of a country.

    Half-open: at `opens` it works, at `closes` it does not. Years are built when first asked for.
    """

    def __init__(self, calendar: WorkCalendar, opens: time, closes: time) -> None:
        if opens >= closes:
            raise ValueError("an office opens before it closes")
        self.calendar, self.opens, self.closes = calendar, opens, closes
        self.zone = calendar.zone
        self._zone = ZoneInfo(calendar.zone)
        self._years: dict[int, _Year] = {}

    def _wall(self, day: date, clock: time) -> int:
        return to_us(datetime.combine(day, clock.replace(fold=0), self._zone))

    def _build(self, number: int) -> _Year:
        day, after = date(number, 1, 1), date(number + 1, 1, 1)
        begins, until = self._wall(day, time()), self._wall(after, time())
        starts, ends, worked = [begins], [begins], [0]
        while day < after:
            if self.calendar.is_working_day(day):
                start, end = self._wall(day, self.opens), self._wall(day, self.closes)
                if start < end:
                    starts.append(start)
                    ends.append(end)
                    worked.append(worked[-1] + end - start)
            day += _DAY
        provisional = self.calendar.is_provisional(date(number, 1, 1))
        return _Year(number, begins, until, starts, ends, worked, provisional)

    def _year(self, number: int) -> _Year:
        try:
            return self._years[number]
        except KeyError:
            return self._years.setdefault(number, self._build(number))

    def _around(self, at: int) -> _Year:
        number = 1970 + at // _MEAN_YEAR
        year = self._years.get(number) or self._year(number)
        if year.begins <= at < year.until:
            return year
        return self._year(number - 1 if at < year.begins else number + 1)

    def add(self, at: int, length: int) -> int:
        """The instant at which `length` of working time has passed since `at`; the end of a stretch belongs to it.

        Raises ValueError for a length that is not positive.
        """
        if length <= 0:
            raise ValueError("a length of working time is positive")
        number, _, _, starts, ends, worked, _ = self._around(at)
        index = bisect_right(starts, at) - 1
        end = ends[index]
        left = length + worked[index] - (end - at if at < end else 0)
        while left > worked[-1]:
            left -= worked[-1]
            number += 1
            ends, worked = self._year(number).ends, self._year(number).worked
        index = bisect_left(worked, left)
        return ends[index] - worked[index] + left

    def between(self, start: int, end: int) -> int:
        """The working time from one instant to a later one. Raises ValueError when they run backwards."""
        if end < start:
            raise ValueError("working time does not run backwards")
        first, last = self._around(start), self._around(end)
        whole = sum(self._year(number).worked[-1] for number in range(first.number, last.number))
        return whole + _worked_by(last, end) - _worked_by(first, start)

    def is_open(self, at: int) -> bool:
        """Whether the office works at an instant."""
        year = self._around(at)
        return at < year.ends[bisect_right(year.starts, at) - 1]

    def provisional(self, start: int, end: int) -> bool:
        """Whether a year from that of `start` to that of `end` is not decreed."""
        first, last = self._around(start).number, self._around(end).number
        return any(self._year(number).provisional for number in range(first, last + 1))

    def parts(self, start: int, end: int) -> Iterator[Part]:
        """The time from `start` to `end`, cut where the office opens or closes and where days off begin or end."""
        day = to_moment(start).astimezone(self._zone).date()
        while start < end:
            for until, working, why in self._day(day):
                if start < min(until, end):
                    yield Part(start, min(until, end), working, why)
                    start = until
            day += _DAY

    def _day(self, day: date) -> Iterator[tuple[int, bool, str]]:
        midnight = self._wall(day + _DAY, time())
        if self.calendar.is_working_day(day):
            yield self._wall(day, self.opens), False, "outside office hours"
            yield self._wall(day, self.closes), True, "office hours"
            yield midnight, False, "outside office hours"
        else:
            yield midnight, False, "day off (calendar)"


def _worked_by(year: _Year, at: int) -> int:
    index = bisect_right(year.starts, at) - 1
    return year.worked[index] - max(year.ends[index] - at, 0)


@lru_cache(maxsize=64)
def work_clock(calendar: WorkCalendar, opens: time, closes: time) -> WorkClock:
    """The clock of those hours, with its tables kept. Raises ValueError when the office does not open first."""
    return WorkClock(calendar, opens, closes)
