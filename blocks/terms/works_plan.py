"""A plan of works put to every rule at once: what breaks, who is told by when, who agrees, and which dates would do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from blocks.terms.base import Deadline, Decision, Frozen
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.intervals import Interval
from blocks.terms.works import (
    Agreement,
    Kind,
    WorksFacts,
    ks_notice,
    ks_saturday,
    ot_works,
    qs_notice,
)
from blocks.terms.works_ocp import (
    emergency_told,
    in_standard_hours,
    operator_knows,
    planned_told,
    routine_agreed,
    routine_hours,
    urgent_agreed,
    yearly_stops,
)
from blocks.terms.zones import ASTANA, MOSCOW, ZONES

Audience = Literal["operator", "customers"]

SEARCH_DAYS = 800

_RULES: tuple[Callable[[WorksFacts], Decision], ...] = (
    ks_saturday,
    ks_notice,
    planned_told,
    in_standard_hours,
    routine_agreed,
    yearly_stops,
    routine_hours,
    urgent_agreed,
    operator_knows,
    emergency_told,
    qs_notice,
    ot_works,
)
_NOTICES: tuple[tuple[str, Agreement, tuple[Audience, ...]], ...] = (
    ("KS-3.12", "KS", ("customers",)),
    ("OCP-3.2.8", "OCP", ("operator", "customers")),
    ("OCP-P3.2.5", "OCP", ("operator", "customers")),
    ("OCP-P3.2.6", "OCP", ("operator",)),
    ("OCP-P3.2.7a", "OCP", ("operator", "customers")),
    ("OCP-P3.2.7b", "OCP", ("operator",)),
    ("OCP-3.2.7", "OCP", ("customers",)),
    ("QS-5.2.2", "QS", ("customers",)),
)


class NoticeOwed(Frozen):
    """A notice of the works: to whom, under which clause, and the last moment at which it is in time."""

    agreement: Agreement
    audience: Audience
    clause: str
    latest: Deadline


class PlanVerdict(Frozen):
    """What all rules say of a plan.

    `broken` holds every refusal. `notices` has one entry an agreement and audience, the strictest. `needs_agreement`
    names the clauses under which the Operator has yet to agree. `suggestions` are other windows that would pass;
    `why_no_date` says why a refused plan has none.
    """

    accepted: bool
    broken: tuple[Decision, ...] = ()
    notices: tuple[NoticeOwed, ...] = ()
    needs_agreement: tuple[str, ...] = ()
    suggestions: tuple[Interval, ...] = ()
    why_no_date: str = ""


def check_plan(facts: WorksFacts, *, suggest: int = 3) -> PlanVerdict:
    """Put a plan to every rule. A plan that breaks none is accepted, though the Operator may still have to agree.

    A refused plan gets up to `suggest` later windows of the same length and kind that would pass once the Operator
    agrees. Raises NotFound for works before our first maintenance policy.
    """
    decisions = _decide(facts)
    broken = tuple(decision for decision in decisions if not decision.allowed)
    pending = [d.clause for d in decisions if d.values.get("needs_agreement") and facts.operator_agreed is None]
    suggestions, why = _other_dates(facts, suggest) if broken and suggest > 0 else ((), "")
    return PlanVerdict(
        accepted=not broken,
        broken=broken,
        notices=_notices({decision.clause: decision for decision in decisions}),
        needs_agreement=tuple(pending),
        suggestions=suggestions,
        why_no_date=why,
    )


def _notices(decisions: dict[str, Decision]) -> tuple[NoticeOwed, ...]:
    owed: dict[tuple[Agreement, Audience], NoticeOwed] = {}
    for clause, agreement, audiences in _NOTICES:
        latest = decisions[clause].deadline
        if latest is None:
            continue
        for audience in audiences:
            stricter = owed.get((agreement, audience))
            if stricter is None or latest.due < stricter.latest.due:
                notice = NoticeOwed(agreement=agreement, audience=audience, clause=clause, latest=latest)
                owed[agreement, audience] = notice
    return tuple(owed.values())


def _decide(facts: WorksFacts) -> list[Decision]:
    return [decide(facts) for decide in _RULES]


def _other_dates(facts: WorksFacts, count: int) -> tuple[tuple[Interval, ...], str]:
    """The nearest later windows that pass, or in plain words why there is none."""
    if facts.kind is Kind.EMERGENCY:
        return (), "an emergency is repaired at once: there is no other date for it"
    found: list[Interval] = []
    refusals: list[dict[str, str]] = []
    for start in _starts(facts):
        moved = _moved(facts, start)
        broken = {d.clause: d.what for d in _decide(moved) if not d.allowed}
        if broken:
            refusals.append(broken)
            continue
        found.append(Interval(start=moved.start, end=moved.end))
        if len(found) == count:
            break
    return tuple(found), "" if found else _why_none(refusals)


def _moved(facts: WorksFacts, start: datetime) -> WorksFacts:
    return facts.model_copy(update={"start": start, "end": start + facts.span.length, "operator_agreed": None})


def _why_none(refusals: list[dict[str, str]]) -> str:
    """The clauses that refuse every start; where none does, those that leave no start together (late notices aside)."""
    if not refusals:
        return "no start lies ahead in the years that we can date"
    clauses = [set(broken) for broken in refusals]
    always = set.intersection(*clauses)
    if always:
        return "; ".join(f"{clause}: {min((r[clause] for r in refusals), key=len)}" for clause in sorted(always))
    together = ", ".join(sorted(set.union(*clauses) - {clause for clause, _, _ in _NOTICES}))
    return f"in {SEARCH_DAYS} days no start keeps {together} at once: split the works by agreement"


def _starts(facts: WorksFacts) -> list[datetime]:
    """Starts to try, in order: after the wanted one, not before notices can go out, within the years of a Moment."""
    first = local_date(max(facts.start, facts.proposed_at), "UTC")
    days = [first + timedelta(days=ahead) for ahead in range(SEARCH_DAYS + 1)]
    starts = {at_wall(day, clock, zone) for day in days for zone, clock in _walls(facts)} | _soonest(facts)
    return sorted(
        start
        for start in starts
        if start > facts.start and start >= facts.proposed_at and (start + facts.span.length).year <= 2200
    )


def _walls(facts: WorksFacts) -> set[tuple[str, time]]:
    """The wanted wall time in the zone of each agreement, and the times at which the agreements' own windows open."""
    zones = {ZONES[agreement] for agreement in facts.agreements}
    wanted = {(zone, facts.start.astimezone(ZoneInfo(zone)).time()) for zone in zones}
    return wanted | {(MOSCOW, time(9)), (ASTANA, time(0)), (ASTANA, time(22)), (ASTANA, time(23))}


def _soonest(facts: WorksFacts) -> set[datetime]:
    """The starts, in whole minutes, that just leave the time which each notice of these works takes."""
    latest = [decision.deadline.due for decision in _decide(facts) if decision.deadline]
    return {_up_to_a_minute(facts.proposed_at + (facts.start - due)) for due in latest}


def _up_to_a_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)
