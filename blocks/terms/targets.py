"""What the agreements promise of availability, as dated targets, and the rules that hold a record against them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from blocks.terms.availability import Availability, Standing, Target, budget, measure, standing
from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.intervals import Interval, Span, exact_seconds
from blocks.terms.outages import Downtime, Group, TicketedDowntime
from blocks.terms.tariffs import Timeline
from blocks.terms.zones import ASTANA, KYIV, MOSCOW


class Resource(StrEnum):
    """What the digital platform's agreement measures, each by itself."""

    POWER = "power"
    CLIMATE = "climate"
    IP = "ip"


KS_TARGET: Timeline[Target] = Timeline(
    "KS availability",
    [(date(2019, 5, 30), Target(clause="KS-3.1", kind="year", zone=MOSCOW, percent=Decimal("99.999")))],
)

OT_TARGET: Timeline[Target] = Timeline(
    "OT availability",
    [
        (
            date(2020, 6, 9),
            Target(
                clause="OT-1",
                kind="year",
                zone=KYIV,
                percent=Decimal("99.9"),
                most=timedelta(hours=8),
                longest=timedelta(minutes=30),
            ),
        )
    ],
)
"""It holds for each function group by itself (OT-2). Nothing but tickets counts: neither planned works, which are no
exception, nor gaps in the monitoring are put to it."""


def _quarterly(percent: str) -> Target:
    return Target(clause="OCP-P3.3", kind="quarter", zone=ASTANA, percent=Decimal(percent))


OCP_TARGETS: Timeline[dict[Resource, Target]] = Timeline(
    "OCP availability",
    [
        (
            date(2018, 1, 1),
            {
                Resource.POWER: _quarterly("99.98"),
                Resource.CLIMATE: _quarterly("99.5"),
                Resource.IP: _quarterly("99.5"),
            },
        )
    ],
)


class YearRecord(Frozen):
    """What is on record of a calendar year up to a moment, with the exclusions that a person decided on (KS-3.9).

    `owed_from` is given where the service began within the period: only the time from then on is measured.
    """

    year: Annotated[int, Field(ge=1991, le=2199)]
    as_of: Moment
    excluded: tuple[Interval, ...] = ()
    owed_from: Moment | None = None


class Monitored(YearRecord):
    """A record with outages as monitoring and people established them, works that were allowed, and probe gaps."""

    outages: tuple[Downtime, ...] = ()
    planned: tuple[Interval, ...] = ()
    unknown: tuple[Interval, ...] = ()


class ResourceRecord(Monitored):
    """The record of one resource in a quarter."""

    resource: Resource
    quarter: Annotated[int, Field(ge=1, le=4)]


class GroupRecord(YearRecord):
    """The record of one function group: its outages with the arrival of the first ticket about each."""

    group: Group
    outages: tuple[TicketedDowntime, ...] = ()


@rule("KS-3.1", Monitored)
def ks_availability(facts: Monitored) -> Decision:
    """99.999 % of the calendar year, Moscow: the agreement's 31 December 23:59 means the end of that day.

    Planned works and decided exclusions do not count, and stay in the year's length. Exactly the target is kept. When
    the year is over and its unknown time could break the target, a person decides.
    """
    target = KS_TARGET.on(date(facts.year, 12, 31))
    return _decide(target, "the service", facts, _monitored(facts, target.period(facts.year)))


@rule("OT-1", GroupRecord)
def ot_availability(facts: GroupRecord) -> Decision:
    """99.9 % of the calendar year, Kyiv, for each function group; the 8 hours it names are stricter, so they hold.

    One outage lasts at most 30 minutes; both bounds are inclusive. An outage counts from its first ticket (OT-3), in
    planned works too: no exception is made for them. The 30 minutes are of the whole outage, over New Year too.
    """
    target = OT_TARGET.on(date(facts.year, 12, 31))
    counted = (outage.counted(facts.as_of) for outage in facts.outages)
    found = measure(
        _owed(facts, target.period(facts.year)),
        facts.as_of,
        (span for span in counted if span is not None),
        excluded=(interval.span for interval in facts.excluded),
    )
    return _decide(target, facts.group, facts, found)


@rule("OCP-P3.3", ResourceRecord)
def ocp_availability(facts: ResourceRecord) -> Decision:
    """Power 99.98 %, climate 99.5 % and IP packets 99.5 % of each calendar quarter, Almaty, each by itself.

    Planned and urgent works do not count (section 4), and stay in the quarter's length. Exactly the target is kept.
    """
    target = OCP_TARGETS.on(date(facts.year, 3 * facts.quarter, 28))[facts.resource]
    return _decide(target, facts.resource, facts, _monitored(facts, target.period(facts.year, facts.quarter)))


def _owed(facts: YearRecord, period: Span) -> Span:
    if facts.owed_from is None:
        return period
    return Span(max(period.start, facts.owed_from), period.end)


def _monitored(facts: Monitored, period: Span) -> Availability:
    return measure(
        _owed(facts, period),
        facts.as_of,
        (outage.cut(facts.as_of) for outage in facts.outages),
        planned=(interval.span for interval in facts.planned),
        excluded=(interval.span for interval in facts.excluded),
        unknown=(interval.span for interval in facts.unknown),
    )


def _decide(target: Target, name: str, facts: YearRecord, found: Availability) -> Decision:
    measured, worst = found.percent(), found.percent(worst=True)
    if measured is None or worst is None:
        return Decision(clause=target.clause, verdict=Verdict.PERSON, what=f"{name}: nothing is known")
    stands = standing(target, found)
    over = facts.as_of >= found.period.end
    verdict = {
        Standing.KEPT: Verdict.ALLOWED,
        Standing.AT_RISK: Verdict.PERSON if over else Verdict.ACTION,
        Standing.BROKEN: Verdict.REFUSED,
    }[stands]
    values = {"percent": measured, "percent_at_worst": worst, "count": found.count, **_figures(target, found)}
    return Decision(clause=target.clause, verdict=verdict, what=f"{name}: {stands}", values=values)


def _figures(target: Target, found: Availability) -> dict[str, str]:
    spending = budget(target, found)
    lengths = {
        "down": found.down,
        "unknown": found.unknown,
        "longest": found.longest,
        "allowed": spending.allowed,
        "left": spending.left,
        "forecast": spending.forecast,
    }
    return {f"{name}_seconds": seconds(length) for name, length in lengths.items()}


def seconds(length: timedelta) -> str:
    """A length as exact decimal text in seconds."""
    return f"{exact_seconds(length).normalize():f}"
