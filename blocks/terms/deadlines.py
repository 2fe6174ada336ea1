"""Deadlines: calendar months, calendar days, working days, working minutes. Zones are IANA names; results are UTC.

The day on which a clock starts is not counted; a period counted in days ends when its last day ends (00:00 of the next
day on the wall clock). Periods counted from an instant (calendar months, 24-hour days) end at the same wall-clock time.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from blocks.terms.base import Deadline
from blocks.terms.calendars import WorkCalendar
from blocks.terms.worktime import MINUTE, to_moment, to_us, work_clock


def months_later(day: date, months: int) -> date:
    """The same day of the month `months` later (earlier when negative), or the month's last day where there is none."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def at_wall(day: date, clock: time, zone: str) -> datetime:
    """The UTC instant of a wall-clock time. A time that DST skips moves forward; a doubled one means its first."""
    return datetime.combine(day, clock.replace(fold=0), ZoneInfo(zone)).astimezone(UTC)


def end_of_day(day: date, zone: str) -> datetime:
    """24:00 of a day: 00:00 of the next one, in UTC."""
    return at_wall(day + timedelta(days=1), time(), zone)


def local_date(moment: datetime, zone: str) -> date:
    """The calendar day on which an instant falls in a zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


def in_calendar_months(moment: datetime, months: int, zone: str) -> Deadline:
    """`months` calendar months after an instant, at the same wall-clock time (31 January + 1 = 28 or 29 February)."""
    wall = moment.astimezone(ZoneInfo(zone))
    return Deadline(due=at_wall(months_later(wall.date(), months), wall.time(), zone), zone=zone)


def in_calendar_days(moment: datetime, days: int, zone: str) -> Deadline:
    """The end of the `days`-th calendar day after the day of `moment`."""
    return Deadline(due=end_of_day(local_date(moment, zone) + timedelta(days=days), zone), zone=zone)


def in_working_days(moment: datetime, days: int, calendar: WorkCalendar) -> Deadline:
    """The end of the `days`-th working day after the day of `moment`, by the country's official calendar."""
    last, provisional = calendar.add(local_date(moment, calendar.zone), days)
    return Deadline(due=end_of_day(last, calendar.zone), zone=calendar.zone, provisional=provisional)


def in_working_minutes(moment: datetime, minutes: int, calendar: WorkCalendar, opens: time, closes: time) -> Deadline:
    """`minutes` of office time after an instant; the clock stands outside office hours and on days off.

    `moment` at exactly `closes` is outside the hours. `minutes` must be positive.
    """
    if minutes <= 0 or opens >= closes:
        raise ValueError("minutes are positive and an office opens before it closes")
    clock, start = work_clock(calendar, opens, closes), to_us(moment)
    due = clock.add(start, minutes * MINUTE)
    return Deadline(due=to_moment(due), zone=calendar.zone, provisional=clock.provisional(start, due))
