"""When works may stop a service: the facts that every rule is asked with, and the rules of KS, QS and OT.

The rules of the ОЦП (OCP) are in `works_ocp`; `works_plan` asks them all at once and looks for other dates. A window is
half-open: the services are back at its end. Windows that overlap or touch are one stop and are counted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.intervals import Interval, Span, clip, total, union
from blocks.terms.policy import MAINTENANCE_POLICY, MaintenancePolicy
from blocks.terms.zones import KYIV, MOSCOW

Agreement = Literal["KS", "OCP", "QS", "OT"]
_INSTANT = timedelta(microseconds=1)


class Kind(StrEnum):
    """Planned works, daily routine works, urgent works that are no emergency, and the repair of an emergency."""

    PLANNED = "planned"
    DAILY = "daily"
    URGENT = "urgent"
    EMERGENCY = "emergency"


class Window(Frozen):
    """A time in which works stop services, and the agreements under which these stand (shared machines included)."""

    kind: Kind
    start: Moment
    end: Moment
    agreements: frozenset[Agreement]

    @model_validator(mode="after")
    def _lasts(self) -> Window:
        if self.end <= self.start:
            raise ValueError("works end after they start")
        return self

    @property
    def span(self) -> Span:
        """From its start to its end."""
        return Span(self.start, self.end)


class OtherWindow(Window):
    """A window that was held or is planned; a cancelled one is none."""

    number: str


class WorksFacts(Window):
    """Works as they are proposed, and all that bears on them.

    `proposed_at` is the first moment at which notices can go out. `others` leaves these works themselves out.
    `downtime` is the unplanned OT downtime of the years that the works touch. `operator_agreed` is None until the
    Operator has answered. An emergency has a `discovered_at`.
    """

    proposed_at: Moment
    others: tuple[OtherWindow, ...] = ()
    downtime: tuple[Interval, ...] = ()
    discovered_at: Moment | None = None
    operator_agreed: bool | None = None
    repaired_at: Moment | None = None

    @model_validator(mode="after")
    def _was_discovered(self) -> WorksFacts:
        if self.kind is Kind.EMERGENCY and self.discovered_at is None:
            raise ValueError("an emergency was discovered at a moment")
        return self

    @property
    def discovered(self) -> datetime:
        """When the emergency was discovered; the start of works that are none."""
        return self.discovered_at or self.start

    def spans_of(self, agreement: Agreement, *kinds: Kind) -> list[Span]:
        """These works and the others of those kinds under an agreement."""
        return [self.span, *(o.span for o in self.others if agreement in o.agreements and o.kind in kinds)]


def policy(facts: WorksFacts, zone: str) -> MaintenancePolicy:
    """Our figures on the day on which the works start. Raises NotFound before the first."""
    return MAINTENANCE_POLICY.on(local_date(facts.start, zone))


def within(window: Span, bounds: Span) -> bool:
    """Whether a window lies between bounds; it may start and end at them."""
    return bounds.start <= window.start and window.end <= bounds.end


def stop_around(window: Span, spans: Iterable[Span]) -> timedelta:
    """How long services stand still when `window` is put together with the spans that overlap or touch it."""
    return next(stop.length for stop in union([window, *spans]) if within(window, stop))


def fullest_year(window: Span, spans: Iterable[Span], zone: str) -> tuple[int, timedelta]:
    """Of the calendar years that a window touches, the one of which the spans take most, and how much they take."""
    first, last = local_date(window.start, zone).year, local_date(window.end - _INSTANT, zone).year
    stops = list(union(spans))
    taken = {year: total(clip(stops, _year(year, zone))) for year in range(first, last + 1)}
    return max(taken.items(), key=lambda item: item[1])


def _year(year: int, zone: str) -> Span:
    return Span(at_wall(date(year, 1, 1), time(), zone), at_wall(date(year + 1, 1, 1), time(), zone))


def whole_minutes(length: timedelta) -> int:
    """A length in minutes; a minute that has begun counts."""
    return -(-length // timedelta(minutes=1))


def untouched(clause: str, why: str) -> Decision:
    """The clause has nothing to say of these works."""
    return Decision(clause=clause, verdict=Verdict.ALLOWED, what=f"says nothing here: {why}")


def judged(clause: str, what: str, faults: list[str], **values: str | int | bool) -> Decision:
    """Refused for its faults, all of them, or allowed."""
    verdict = Verdict.REFUSED if faults else Verdict.ALLOWED
    return Decision(clause=clause, verdict=verdict, what="; ".join(faults) or what, values=values)


def notice(clause: str, facts: WorksFacts, latest: datetime, zone: str, what: str) -> Decision:
    """A notice that is due by `latest`, inclusive; refused when it can only go out later."""
    late = facts.proposed_at > latest
    return Decision(
        clause=clause,
        verdict=Verdict.REFUSED if late else Verdict.DUE,
        what=f"too late: {what}" if late else what,
        deadline=Deadline(due=latest, zone=zone),
    )


def outage(clause: str) -> Decision:
    """An emergency is repaired whatever a clause says of works; the time counts as downtime."""
    return Decision(
        clause=clause,
        verdict=Verdict.ACTION,
        what="an outage, not maintenance: repair it; the time counts as downtime",
        values={"counts_as_downtime": True},
    )


SATURDAY, KS_OPENS, KS_CLOSES = 5, time(9), time(11)
"""KS-3.7: the weekday, and the wall clock of Moscow between which KS allows maintenance."""


@rule("KS-3.7", WorksFacts)
def ks_saturday(facts: WorksFacts) -> Decision:
    """The whole window lies within one Saturday 09:00-11:00 Moscow, bounds inclusive; urgent works are no exception.

    Once a week: no other window under KS, emergencies aside, touches the Moscow week from Monday to Sunday. A Saturday
    that is officially worked is still a Saturday. An emergency is no maintenance but an outage: it is not forbidden
    and counts as downtime.
    """
    if "KS" not in facts.agreements:
        return untouched("KS-3.7", "no service of KS stops")
    if facts.kind is Kind.EMERGENCY:
        return outage("KS-3.7")
    day = local_date(facts.start, MOSCOW)
    opens, closes = at_wall(day, KS_OPENS, MOSCOW), at_wall(day, KS_CLOSES, MOSCOW)
    faults = []
    if facts.span.length > closes - opens:
        faults.append("longer than the two hours of a Saturday: split the works")
    elif day.weekday() != SATURDAY or not within(facts.span, Span(opens, closes)):
        faults.append("not on a Saturday between 09:00 and 11:00 Moscow")
    if taken := _of_the_week(facts, day):
        faults.append(f"{', '.join(taken)}: works in the same week")
    return judged("KS-3.7", "the one window of the week", faults, counts_as_downtime=False)


def _of_the_week(facts: WorksFacts, day: date) -> list[str]:
    monday = day - timedelta(days=day.weekday())
    week = Span(at_wall(monday, time(), MOSCOW), at_wall(monday + timedelta(days=7), time(), MOSCOW))
    return [
        other.number
        for other in facts.others
        if "KS" in other.agreements and other.kind is not Kind.EMERGENCY
        if other.start < week.end and other.end > week.start
    ]


@rule("KS-3.12", WorksFacts)
def ks_notice(facts: WorksFacts) -> Decision:
    """A stop is a technically significant event: customers hear of it 72 hours before its start.

    The agreement names no figure, ours is in the maintenance policy. An emergency cannot be told ahead: customers hear
    of it within the policy's minutes from its discovery.
    """
    if "KS" not in facts.agreements:
        return untouched("KS-3.12", "no service of KS stops")
    ours = policy(facts, MOSCOW)
    return _customers_hear("KS-3.12", facts, timedelta(hours=ours.ks_notice_hours), ours)


@rule("QS-5.2.2", WorksFacts)
def qs_notice(facts: WorksFacts) -> Decision:
    """Users hear of works 24 hours before their start: the agreement says beforehand, the figure is our policy's.

    It asks for none in an emergency; users hear of one within the policy's minutes from its discovery. Urgent works are
    ours to time, so they are told like planned ones. The 14 days of 5.1.2 belong to changed terms: 5.2.2 takes over its
    ways of telling.
    """
    if "QS" not in facts.agreements:
        return untouched("QS-5.2.2", "no service of QS stops")
    ours = policy(facts, MOSCOW)
    return _customers_hear("QS-5.2.2", facts, timedelta(hours=ours.qs_notice_hours), ours)


def _customers_hear(clause: str, facts: WorksFacts, ahead: timedelta, ours: MaintenancePolicy) -> Decision:
    if facts.kind is Kind.EMERGENCY:
        latest = facts.discovered + timedelta(minutes=ours.emergency_minutes)
        return notice(clause, facts, latest, MOSCOW, "tell the customers of the emergency")
    return notice(clause, facts, facts.start - ahead, MOSCOW, "tell the customers of the works")


_ONE_OUTAGE, _A_YEAR = timedelta(minutes=30), timedelta(hours=8)


def ot_works(facts: WorksFacts) -> Decision:
    """OT-1 for works: the agreement exempts none, so they are downtime like any other.

    One stop lasts at most 30 minutes and the calendar year (Kyiv) has at most 8 hours, bounds inclusive. To the year
    count the downtime so far and every window under OT, held or planned, of any kind; to one stop those that touch it.
    An emergency is an outage: not forbidden, counted.
    """
    if "OT" not in facts.agreements:
        return untouched("OT-1", "no service of OT stops")
    if facts.kind is Kind.EMERGENCY:
        return outage("OT-1")
    spans = [*facts.spans_of("OT", *Kind), *(down.span for down in facts.downtime)]
    year, taken = fullest_year(facts.span, spans, KYIV)
    minutes = whole_minutes(taken)
    faults = []
    if stop_around(facts.span, spans) > _ONE_OUTAGE:
        faults.append("a stop over 30 minutes: split the works")
    if taken > _A_YEAR:
        faults.append(f"{minutes} minutes of downtime in {year}, over 8 hours")
    return judged("OT-1", "within the year's 8 hours", faults, counts_as_downtime=True, minutes_of_year=minutes)
