"""How quickly deadlines of tickets are counted, beside a library and a help desk's rule that do the same.

The peers get what they can hold: weekday hours and a list of days off (the `holidays` package, substituted days off
included). Neither knows a weekend day that a decree made a working day; the last rows count what that costs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Literal
from zoneinfo import ZoneInfo

import holidays

from blocks.terms.calendars import calendar
from blocks.terms.tickets import Happened, TicketFacts, TicketKind, What, timers
from blocks.terms.worktime import HOUR, to_moment, to_us, work_clock

Country = Literal["RU", "KZ", "UA"]

OPENS, CLOSES = time(9), time(18)
YEARS = range(2023, 2028)
TERM = 4 * HOUR
SAMPLE = 3000
_COUNTRIES: tuple[Country, ...] = ("RU", "KZ", "UA")
_AGREEMENTS: tuple[Literal["KS", "OCP", "OT"], ...] = ("KS", "OCP", "OT")


def bench_tickets(count: int = 100_000) -> list[tuple[str, int]]:
    """Deadlines a second by name, and how many of Zammad's fall elsewhere than the official calendar has them.

    `count` moments, the same in every run, are spread over 2023-2026 and three countries; the slow ones get a sample.
    """
    begins, ends = datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    chance = random.Random(20240427)  # noqa: S311 - no secrets hang on it
    moments = [begins + timedelta(seconds=chance.randrange(int((ends - begins).total_seconds()))) for _ in range(count)]
    dealt: dict[Country, list[datetime]] = {name: moments[at::3] for at, name in enumerate(_COUNTRIES)}
    ours, rows = _ours(dealt), [("ours, the clock alone: deadlines a second", _clock_rate(dealt))]
    rows.append(("ours, a ticket's whole replay: deadlines a second", _replay_rate(moments[:SAMPLE])))
    if find_spec("businesstimedelta"):
        library = {name: _businesstimedelta(name) for name in _COUNTRIES}
        rows.append(("businesstimedelta: deadlines a second", _rate(library, dealt)))
    zammad = {name: BizSchedule.of(name).after for name in _COUNTRIES}
    rows.append(("Zammad's rule, ported: deadlines a second", _rate(zammad, dealt)))
    for name, moments_here in dealt.items():
        differ = sum(zammad[name](moment) != due for moment, due in zip(moments_here, ours[name], strict=True))
        rows.append((f"Zammad's rule, ported: wrong deadlines in {name} of {len(moments_here)}", differ))
    return rows


def _ours(dealt: Mapping[Country, Sequence[datetime]]) -> dict[Country, list[datetime]]:
    return {
        name: [to_moment(work_clock(calendar(name), OPENS, CLOSES).add(to_us(moment), TERM)) for moment in moments]
        for name, moments in dealt.items()
    }


def _best(work: Callable[[], int]) -> int:
    """How much work is done a second, in the best of three runs: what else the machine does is not ours to count."""
    rates = []
    for _ in range(3):
        began = perf_counter()
        rates.append(work() / (perf_counter() - began))
    return round(max(rates))


def _clock_rate(dealt: Mapping[Country, Sequence[datetime]]) -> int:
    instants = {name: [to_us(moment) for moment in moments] for name, moments in dealt.items()}

    def work() -> int:
        for name, at_once in instants.items():
            add = work_clock(calendar(name), OPENS, CLOSES).add
            for at in at_once:
                add(at, TERM)
        return sum(map(len, instants.values()))

    return _best(work)


def _replay_rate(moments: Sequence[datetime]) -> int:
    facts = [_ticket(at, index) for index, at in enumerate(moments)]
    return _best(lambda: sum(len(timers(ticket)) for ticket in facts))


def _ticket(at: datetime, index: int) -> TicketFacts:
    what = (What.RECEIVED, What.REGISTERED, What.ASKED, What.ANSWERED, What.REACTED)
    return TicketFacts(
        agreement=_AGREEMENTS[index % 3],
        kind=TicketKind.TECHNICAL,
        priority=2,
        events=tuple(Happened(at=at + timedelta(minutes=7 * step), what=each) for step, each in enumerate(what)),
        as_of=at + timedelta(days=1),
    )


def _rate(rule: Mapping[Country, Callable[[datetime], datetime]], dealt: Mapping[Country, Sequence[datetime]]) -> int:
    sample = {name: moments[: SAMPLE // 3] for name, moments in dealt.items()}

    def work() -> int:
        for name, moments in sample.items():
            for moment in moments:
                rule[name](moment)
        return sum(map(len, sample.values()))

    return _best(work)


def _days_off(country: Country) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=YEARS))


def _businesstimedelta(country: Country) -> Callable[[datetime], datetime]:
    library, zones = import_module("businesstimedelta"), import_module("pytz")
    zone = zones.timezone(calendar(country).zone)
    parts: list[Any] = [library.WorkDayRule(start_time=OPENS, end_time=CLOSES, tz=zone)]
    if days_off := _days_off(country):
        parts.append(library.HolidayRule(days_off, tz=zone))
    term = library.BusinessTimeDelta(library.Rules(parts), timedelta=timedelta(microseconds=TERM))

    def after(moment: datetime) -> datetime:
        due: datetime = moment + term
        return due

    return after


class BizSchedule:
    """The rule by which Zammad counts business time (its `biz` schedule): hours a weekday, less a list of days off.

    A period of business lies on one weekday; it is left out when its start lies on a day off.
    """

    def __init__(
        self, hours: Mapping[int, tuple[tuple[time, time], ...]], days_off: frozenset[date], zone: str
    ) -> None:
        self.hours, self.days_off, self.zone = hours, days_off, ZoneInfo(zone)

    @classmethod
    def of(cls, country: Country) -> BizSchedule:
        """Monday to Friday, less the country's days off."""
        return cls(dict.fromkeys(range(5), ((OPENS, CLOSES),)), _days_off(country), calendar(country).zone)

    def after(self, moment: datetime) -> datetime:
        """The end of the benchmark's term, counted over the periods from a moment on."""
        left, day = timedelta(microseconds=TERM), moment.astimezone(self.zone).date()
        while True:
            for opens, closes in self.hours.get(day.weekday(), ()) if day not in self.days_off else ():
                start = max(datetime.combine(day, opens, self.zone).astimezone(UTC), moment)
                length = datetime.combine(day, closes, self.zone).astimezone(UTC) - start
                if length >= left:
                    return start + left
                left -= max(length, timedelta())
            day += timedelta(days=1)
