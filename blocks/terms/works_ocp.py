"""Open digital platform of Kazakhtelecom (ОЦП, OCP): when works may stop a service, who agrees and who is told.

Times are Astana's (Asia/Almaty): the zone binds, not the printed offset, which Kazakhstan left on 2024-03-01. The
Operator (Оператор) agrees to planned, daily and urgent works, never to the repair of an emergency. Days of the week are
those of the calendar, whether officially worked or not.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from blocks.terms.base import Deadline, Decision, Verdict, rule
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.intervals import Span
from blocks.terms.works import (
    Kind,
    WorksFacts,
    fullest_year,
    judged,
    notice,
    policy,
    stop_around,
    untouched,
    whole_minutes,
    within,
)
from blocks.terms.zones import ASTANA

_FRIDAY, _SATURDAY = 4, 5
_DAY = timedelta(days=1)
_ROUTINE = (Kind.PLANNED, Kind.DAILY)


def standard_hours(day: date) -> Span:
    """The standard maintenance hours of a day: 00:00-07:00 on Saturday and Sunday, 00:00-06:00 on the others."""
    closes = time(7) if day.weekday() >= _SATURDAY else time(6)
    return Span(at_wall(day, time(), ASTANA), at_wall(day, closes, ASTANA))


def _in_standard_hours(facts: WorksFacts) -> bool:
    return within(facts.span, standard_hours(local_date(facts.start, ASTANA)))


def _aside(clause: str, facts: WorksFacts, *kinds: Kind) -> Decision | None:
    """What a clause says when it does not concern these works."""
    if "OCP" not in facts.agreements:
        return untouched(clause, "no service of the ОЦП stops")
    return None if facts.kind in kinds else untouched(clause, f"it is not about {facts.kind} works")


def _by_agreement(clause: str, facts: WorksFacts, what: str, latest: datetime | None = None) -> Decision:
    """Works that the Operator must agree to, and of which it hears by `latest` where one is named."""
    faults = []
    if facts.operator_agreed is False:
        faults.append(f"the Operator did not agree to {what}")
    if latest is not None and facts.proposed_at > latest:
        faults.append(f"too late to tell the Operator and ask it to agree to {what}")
    asked = Verdict.ALLOWED if facts.operator_agreed else Verdict.ACTION
    return Decision(
        clause=clause,
        verdict=Verdict.REFUSED if faults else asked,
        what="; ".join(faults) or f"the Operator agrees to {what}",
        deadline=Deadline(due=latest, zone=ASTANA) if latest else None,
        values={"needs_agreement": True},
    )


@rule("OCP-3.2.7", WorksFacts)
def emergency_told(facts: WorksFacts) -> Decision:
    """At once: for the Operator we read the 20 minutes of OCP-P3.2.7b, for end users the minutes of our policy.

    Both count from the discovery. The deadline is the end users'; the Operator's is in `operator_by`.
    """
    if aside := _aside("OCP-3.2.7", facts, Kind.EMERGENCY):
        return aside
    operator_by = facts.discovered + _EMERGENCY_KNOWN
    users_by = facts.discovered + timedelta(minutes=policy(facts, ASTANA).emergency_minutes)
    what = "tell the Operator and the end users of the emergency"
    told = notice("OCP-3.2.7", facts, min(operator_by, users_by), ASTANA, what)
    by = Deadline(due=operator_by, zone=ASTANA).local.isoformat()
    return told.model_copy(update={"deadline": Deadline(due=users_by, zone=ASTANA), "values": {"operator_by": by}})


@rule("OCP-3.2.8", WorksFacts)
def planned_told(facts: WorksFacts) -> Decision:
    """Planned and daily works: the Operator and the end users hear of them 5 x 24 hours before their start or earlier.

    Of all notices the agreement names for such works this is the longest, and it rules.
    """
    if aside := _aside("OCP-3.2.8", facts, *_ROUTINE):
        return aside
    what = "tell the Operator and the end users 5 days ahead"
    return notice("OCP-3.2.8", facts, facts.start - 5 * _DAY, ASTANA, what)


@rule("OCP-P3.2.5", WorksFacts)
def in_standard_hours(facts: WorksFacts) -> Decision:
    """Planned, daily and urgent works that lie whole in the standard hours of one day need the Operator's agreement.

    For urgent ones no time of notice is named: two hours by our policy. What planned ones need is in OCP-P3.2.6.
    """
    if aside := _aside("OCP-P3.2.5", facts, *_ROUTINE, Kind.URGENT):
        return aside
    if not _in_standard_hours(facts):
        return untouched("OCP-P3.2.5", "not within the standard hours")
    latest = None
    if facts.kind is Kind.URGENT:
        latest = facts.start - timedelta(minutes=policy(facts, ASTANA).urgent_minutes)
    return _by_agreement("OCP-P3.2.5", facts, "works within the standard hours", latest)


@rule("OCP-P3.2.6", WorksFacts)
def routine_agreed(facts: WorksFacts) -> Decision:
    """Planned and daily works: agreed with the Operator, and told, 24 hours before their start or earlier.

    2.6 says so outside the standard hours, 7.2 of any routine works that stop a service. The notice itself is longer by
    OCP-3.2.8.
    """
    if aside := _aside("OCP-P3.2.6", facts, *_ROUTINE):
        return aside
    return _by_agreement("OCP-P3.2.6", facts, "works that stop a service", facts.start - _DAY)


_URGENT_AHEAD = timedelta(hours=2)


@rule("OCP-P3.2.7a", WorksFacts)
def urgent_agreed(facts: WorksFacts) -> Decision:
    """Urgent works of which any part lies outside the standard hours: told 2 hours before their start, and agreed.

    The clause does not name who is told: the Operator and the end users are.
    """
    if aside := _aside("OCP-P3.2.7a", facts, Kind.URGENT):
        return aside
    if _in_standard_hours(facts):
        return untouched("OCP-P3.2.7a", "within the standard hours")
    return _by_agreement("OCP-P3.2.7a", facts, "urgent works", facts.start - _URGENT_AHEAD)


_EMERGENCY_KNOWN = timedelta(minutes=20)


@rule("OCP-P3.2.7b", WorksFacts)
def operator_knows(facts: WorksFacts) -> Decision:
    """The Operator knows of an emergency within 20 minutes of its discovery, at whatever hour; the 20th is in time."""
    if aside := _aside("OCP-P3.2.7b", facts, Kind.EMERGENCY):
        return aside
    latest = facts.discovered + _EMERGENCY_KNOWN
    return notice("OCP-P3.2.7b", facts, latest, ASTANA, "tell the Operator of the emergency")


@rule("OCP-P3.2.7c", WorksFacts)
def emergency_report(facts: WorksFacts) -> Decision:
    """Within 12 hours of the end of the repair: a detailed report with advice, and the knowledge base up to date."""
    if aside := _aside("OCP-P3.2.7c", facts, Kind.EMERGENCY):
        return aside
    if facts.repaired_at is None:
        return untouched("OCP-P3.2.7c", "the emergency is not repaired yet")
    return Decision(
        clause="OCP-P3.2.7c",
        verdict=Verdict.DUE,
        what="a detailed report with advice against recurrence; the knowledge base brought up to date",
        deadline=Deadline(due=facts.repaired_at + timedelta(hours=12), zone=ASTANA),
    )


_A_YEAR, _DAYS_BETWEEN = timedelta(hours=10), 60


@rule("OCP-P3.T1", WorksFacts)
def yearly_stops(facts: WorksFacts) -> Decision:
    """Planned and daily stops take at most 10 hours of a calendar year (Astana), cut at its end; 10 hours are allowed.

    Between planned stops lie at least 60 calendar days: from the date on which one ends to the date on which the next
    starts, looking back and ahead; 60 are enough. Daily works count to the sum, for they are planned downtime, and not
    to the spacing, for OCP-P3.7.2 allows them every day. Urgent works and emergencies count to neither. Every window
    that stops a service of the ОЦП counts, a KS Saturday on a shared machine too. Notice and agreement are those of
    OCP-3.2.8 and OCP-P3.2.6.
    """
    if aside := _aside("OCP-P3.T1", facts, *_ROUTINE):
        return aside
    year, taken = fullest_year(facts.span, facts.spans_of("OCP", *_ROUTINE), ASTANA)
    minutes = whole_minutes(taken)
    faults = []
    if taken > _A_YEAR:
        faults.append(f"{minutes} minutes of planned downtime in {year}, over 10 hours")
    if facts.kind is Kind.PLANNED and (near := _near(facts)):
        faults.append(f"{', '.join(near)}: less than 60 days between planned works")
    return judged("OCP-P3.T1", "within the year's 10 hours", faults, minutes_of_year=minutes)


def _near(facts: WorksFacts) -> list[str]:
    planned = [o for o in facts.others if "OCP" in o.agreements and o.kind is Kind.PLANNED]
    return [
        other.number
        for other in planned
        if _days(other.end, facts.start) < _DAYS_BETWEEN and _days(facts.end, other.start) < _DAYS_BETWEEN
    ]


def _days(earlier: datetime, later: datetime) -> int:
    return (local_date(later, ASTANA) - local_date(earlier, ASTANA)).days


_SHORT = timedelta(minutes=30)


@rule("OCP-P3.7.2", WorksFacts)
def routine_hours(facts: WorksFacts) -> Decision:
    """Daily works: a stop of at most 30 minutes from 23:00 on, over by the end of that night's standard hours.

    Planned works with such a stop have the same hours; longer ones have Friday from 22:00 to the end of Saturday's
    standard hours. At another time planned works need the Operator's agreement to that time; daily works are refused.
    All bounds are inclusive. Routine windows that touch are one stop.
    """
    if aside := _aside("OCP-P3.7.2", facts, *_ROUTINE):
        return aside
    short = stop_around(facts.span, facts.spans_of("OCP", *_ROUTINE)) <= _SHORT
    if facts.kind is Kind.DAILY:
        faults = [] if short else ["daily works that stop a service over 30 minutes"]
        if not _at_night(facts.span, time(23)):
            faults.append("daily works that are not at night from 23:00 on")
        return judged("OCP-P3.7.2", "daily works at night", faults)
    if _at_night(facts.span, time(23)) if short else _at_night(facts.span, time(22), _FRIDAY):
        return judged("OCP-P3.7.2", "planned works at their own hours", [])
    return _by_agreement("OCP-P3.7.2", facts, "another time than its own for planned works")


def _at_night(window: Span, begins: time, weekday: int | None = None) -> bool:
    """Whether it lies in one night, from `begins` in the evening (of that weekday) to the end of standard hours."""
    day = local_date(window.start, ASTANA)
    return any(
        within(window, Span(at_wall(evening, begins, ASTANA), standard_hours(evening + _DAY).end))
        for evening in (day, day - _DAY)
        if weekday is None or evening.weekday() == weekday
    )
