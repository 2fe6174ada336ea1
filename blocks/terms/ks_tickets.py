"""KeepSecrets (KS): how soon support answers, how soon equipment is replaced, what a request says (App. 3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time

from pydantic import model_validator

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import local_date
from blocks.terms.ks import ZONE, in_minutes
from blocks.terms.tariffs import Timeline
from blocks.terms.ticket_timers import Pace, Phase, Promise, TicketFacts, Timer, What, due_of, run_timer
from blocks.terms.worktime import HOUR, MINUTE, WorkClock, to_moment, to_us, work_clock


def _hours() -> WorkClock:
    return work_clock(calendar("RU"), time(10), time(19, 30))


def _answer(received: int) -> Promise:
    hours = _hours()
    return Promise(
        "KS-3.4",
        "answer support",
        hours,
        5 * MINUTE if hours.is_open(received) else 2 * HOUR,
        frozenset({What.REACTED, What.ASKED, What.RESOLVED}),
        calendar_decides=True,
    )


class SupportFacts(Frozen):
    """A customer's request for technical or information support."""

    received_at: Moment


@rule("KS-3.4", SupportFacts)
def answer_support(facts: SupportFacts) -> Decision:
    """Support answers a request within 5 minutes on working days 10:00-19:30 Moscow, else within 2 hours.

    Both run by the clock and never pause: the moment of receipt alone decides which of them holds. 10:00 is within the
    hours, 19:30 is not; 19:30-19:40, which the agreement does not name, has the 2 hours. "Weekdays" follow Russia's
    official calendar: a Saturday made a working day has the 5 minutes (the stricter reading), a Monday that is off the
    2 hours. An answer or a question of ours keeps the clause; the automatic confirmation of receipt (KS-1.3) does not.
    """
    start = to_us(facts.received_at)
    promise = _answer(start)
    return Decision(
        clause="KS-3.4",
        verdict=Verdict.DUE,
        what="answer the customer's request",
        deadline=due_of(promise, [Phase(start, Pace.CLOCK)]),
        values={"minutes": promise.allowed // MINUTE},
    )


def ks_timers(facts: TicketFacts) -> Iterator[Timer]:
    """The timer of a KS request, whatever it asks for: KS-3.4 from the receipt."""
    history = facts.history()
    if history:
        start = to_us(history[0].at)
        yield run_timer(_answer(start), lambda _: [Phase(start, Pace.CLOCK)], history[1:], facts.as_of)


class OutcomePolicy(Frozen):
    """By when we report an outcome for which no time was told; the agreement names none. Minutes by the clock."""

    report_minutes: int = 1440


OUTCOME_POLICY: Timeline[OutcomePolicy] = Timeline("outcome policy", [(date(2019, 5, 30), OutcomePolicy())])


def report_outcome(taken_at: Moment, minutes_told: int | None) -> Deadline:
    """By when the outcome is reported (KS-1.3): within the minutes that the customer was told, else by our policy.

    Raises NotFound for a day without a policy.
    """
    minutes = minutes_told or OUTCOME_POLICY.on(local_date(taken_at, ZONE)).report_minutes
    return in_minutes(taken_at, minutes)


class EquipmentFacts(Frozen):
    """Failed equipment: when we discovered it and when the customer asked, one of them at least."""

    discovered_at: Moment | None
    requested_at: Moment | None = None

    @model_validator(mode="after")
    def _is_known(self) -> EquipmentFacts:
        if self.discovered_at is None and self.requested_at is None:
            raise ValueError("a failure is discovered or a replacement requested")
        return self


@rule("KS-3.6", EquipmentFacts)
def replace_equipment(facts: EquipmentFacts) -> Decision:
    """Failed equipment is replaced by its reserve within 3 hours of the discovery or the request, the earlier of them.

    By the clock, at any hour. The customer's data and access data are kept: a replacement that loses them does not
    keep the clause.
    """
    known = min(moment for moment in (facts.discovered_at, facts.requested_at) if moment is not None)
    return Decision(
        clause="KS-3.6",
        verdict=Verdict.DUE,
        what="replace the failed equipment, with data and access data kept",
        deadline=Deadline(due=to_moment(to_us(known) + 3 * HOUR), zone=ZONE),
    )


class RequestFacts(Frozen):
    """What a support request says, each part empty where it says nothing, and whether it is an electronic message."""

    electronic: bool
    substance: str
    time: str
    actions_before: str


@rule("KS-3.11", RequestFacts)
def request_is_complete(facts: RequestFacts) -> Decision:
    """A request is an electronic message first of all, and states substance, time and the actions before the event.

    What lacks one of them is refused as a request and the customer is asked back for exactly that; blank is lacking.
    The time may be in the customer's own words. Asking back is a reaction, so KS-3.4 has its say on it all the same.
    """
    parts = {"substance": facts.substance, "time": facts.time, "actions before": facts.actions_before}
    missing = [name for name, said in parts.items() if not said.strip()]
    if not facts.electronic:
        missing.insert(0, "an electronic message")
    if missing:
        return Decision(
            clause="KS-3.11", verdict=Verdict.REFUSED, what="ask the customer back", values={"ask": ", ".join(missing)}
        )
    return Decision(clause="KS-3.11", verdict=Verdict.ALLOWED, what="the request is complete")
