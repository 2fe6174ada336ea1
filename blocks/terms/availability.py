"""Availability as exact interval arithmetic: periods, targets, what was measured, what is left of the budget.

Nothing is sampled and nothing is a float: lengths are whole microseconds, shares are fractions, and a percentage is
rounded down, so that it never shows more than was reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import chain
from typing import Literal

from blocks.terms.base import Frozen
from blocks.terms.deadlines import at_wall
from blocks.terms.intervals import Span, clip, subtract, total, union

Kind = Literal["month", "quarter", "year"]
_MONTHS: dict[Kind, int] = {"month": 1, "quarter": 3, "year": 12}
_MICROSECOND = timedelta(microseconds=1)
_EVER = datetime.min.replace(tzinfo=UTC)


def period(kind: Kind, year: int, number: int, zone: str) -> Span:
    """The `number`-th month or quarter of a calendar year, or the year itself (number 1), whole, from 00:00 to 24:00.

    Both ends are midnights on the wall clock of `zone`: its length follows DST and changes of the zone's offset.
    """
    months = _MONTHS[kind]
    if not 1 <= number <= 12 // months:
        raise ValueError(f"a year has no {kind} {number}")
    first, after = (number - 1) * months, number * months
    return Span(
        at_wall(date(year, first + 1, 1), time(), zone),
        at_wall(date(year + after // 12, after % 12 + 1, 1), time(), zone),
    )


class Target(Frozen):
    """What an agreement promises for each period: a percentage, and where it says so, hours in all and at one time.

    Of the percentage and `most`, the stricter one holds.
    """

    clause: str
    kind: Kind
    zone: str
    percent: Decimal
    most: timedelta | None = None
    longest: timedelta | None = None

    def period(self, year: int, number: int = 1) -> Span:
        """The period of that year and number for which it is promised."""
        return period(self.kind, year, number, self.zone)

    def allowed(self, length: timedelta) -> timedelta:
        """The downtime that a period of that length allows, to the microsecond, rounded down."""
        share = 1 - Fraction(self.percent) / 100
        by_share = timedelta(microseconds=_micros(length) * share.numerator // share.denominator)
        return by_share if self.most is None else min(by_share, self.most)


class Availability(Frozen):
    """What a period was like up to a moment.

    `down` is what counts; with the downtime of planned works and of exclusions it makes `down_with_planned`, all that
    was recorded. `unknown` is time of which nothing is known and which nothing takes out. `longest` and `count` are of
    the outages that count and touch the period; their lengths are whole, not cut at the period's ends.
    """

    period: Span
    elapsed: timedelta
    down: timedelta
    down_with_planned: timedelta
    excluded: timedelta
    unknown: timedelta
    longest: timedelta
    count: int

    @property
    def length(self) -> timedelta:
        """The length of the whole period."""
        return self.period.length

    def share(self, *, worst: bool = False) -> Fraction | None:
        """The share of the elapsed time that was up: of the known time, or at worst, with the unknown time as down.

        None while there is nothing to measure.
        """
        base = self.elapsed if worst else self.elapsed - self.unknown
        return Fraction(_micros(self.elapsed - self.unknown - self.down), _micros(base)) if base else None

    def percent(self, places: int = 5, *, worst: bool = False) -> str | None:
        """The share as a percentage with that many decimal places, rounded down."""
        share = self.share(worst=worst)
        if share is None:
            return None
        return f"{Decimal(f'{int(share * 100 * 10**places)}E-{places}'):f}"


def measure(
    within: Span,
    as_of: datetime,
    down: Iterable[Span],
    *,
    planned: Iterable[Span] = (),
    excluded: Iterable[Span] = (),
    unknown: Iterable[Span] = (),
) -> Availability:
    """The availability of a period up to `as_of`, where everything that reaches further is cut.

    Spans may overlap and come in any order. What is recorded as down is known, and what is planned or excluded cannot
    count: both come before unknown. For a service that is owed for a part of a period, give that part as `within`.
    """
    elapsed = Span(within.start, max(within.start, min(within.end, as_of)))
    recorded = list(union(clip(down, Span(_EVER, as_of))))
    works, outside = list(union(planned)), list(union(excluded))
    ours = list(subtract(recorded, outside))
    counted = [s for s in subtract(ours, works) if s.start < elapsed.end and s.end > elapsed.start]
    everything = total(clip(recorded, elapsed))
    return Availability(
        period=within,
        elapsed=elapsed.length,
        down=total(clip(counted, elapsed)),
        down_with_planned=everything,
        excluded=everything - total(clip(ours, elapsed)),
        unknown=total(subtract(clip(unknown, elapsed), chain(recorded, works, outside))),
        longest=max((span.length for span in counted), default=timedelta()),
        count=len(counted),
    )


class Budget(Frozen):
    """The downtime that a period allows, what of it is spent, and what will be by its end at the present rate.

    The rate is that of the known time, and it goes on for the rest of the period; a fraction is rounded up.
    """

    allowed: timedelta
    spent: timedelta
    forecast: timedelta

    @property
    def left(self) -> timedelta:
        """What may still be spent; negative when the target is missed."""
        return self.allowed - self.spent


def budget(target: Target, found: Availability) -> Budget:
    """The downtime budget of a target after what was found."""
    known, remaining = _micros(found.elapsed - found.unknown), _micros(found.length - found.elapsed)
    more = -(-_micros(found.down) * remaining // known) if known else 0
    return Budget(
        allowed=target.allowed(found.length), spent=found.down, forecast=found.down + timedelta(microseconds=more)
    )


class Standing(StrEnum):
    """Where a period stands against its target."""

    KEPT = "kept"
    AT_RISK = "at risk"
    BROKEN = "broken"


def standing(target: Target, found: Availability) -> Standing:
    """Broken by more downtime than is allowed, or by one outage that is too long; exactly as much is kept.

    At risk when the forecast exceeds what is allowed, or when the unknown time, taken as down, does.
    """
    spending = budget(target, found)
    if spending.left < timedelta() or (target.longest is not None and found.longest > target.longest):
        return Standing.BROKEN
    if max(spending.forecast, found.down + found.unknown) > spending.allowed:
        return Standing.AT_RISK
    return Standing.KEPT


def _micros(length: timedelta) -> int:
    return length // _MICROSECOND
