"""The open digital platform (OCP): the Operator's requests, their registration, reaction and incidents (App. 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import time
from enum import StrEnum
from typing import Literal

from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import in_working_days, local_date
from blocks.terms.intervals import Interval
from blocks.terms.policy import SUPPORT_POLICY
from blocks.terms.ticket_timers import (
    Happened,
    Pace,
    Phase,
    Promise,
    TicketFacts,
    TicketKind,
    Timer,
    What,
    due_of,
    phases_without,
    run_timer,
)
from blocks.terms.worktime import HOUR, MINUTE, WorkClock, to_us, work_clock
from blocks.terms.zones import ASTANA

ZONE = ASTANA
_REACTION_HOURS = {1: 1, 2: 4, 3: 8}
_BUSINESS_DAY = 9 * HOUR


def _hours() -> WorkClock:
    return work_clock(calendar("KZ"), time(9), time(18))


def _registration(received_at: Moment) -> Promise:
    minutes = SUPPORT_POLICY.on(local_date(received_at, ZONE)).registration_minutes
    met_by = frozenset({What.REGISTERED})
    return Promise("OCP-P3.7.1", "register and tell the number", _hours(), minutes * MINUTE, met_by)


def _reaction(priority: Literal[1, 2, 3] | None) -> Promise:
    met_by = frozenset({What.REACTED, What.ASKED, What.RESOLVED})
    name = f"react to priority {priority}" if priority else "react (no priority is set: the term of priority 1)"
    return Promise("OCP-P3.7.3", name, _hours(), _REACTION_HOURS[priority or 1] * HOUR, met_by)


def _incident() -> Promise:
    met_by = frozenset({What.REACTED, What.RESOLVED})
    return Promise("OCP-P3.4", "react to the incident request", _hours(), _BUSINESS_DAY, met_by)


def ocp_timers(facts: TicketFacts) -> Iterator[Timer]:
    """The timers of an Operator's request: registration, incident and, from the registration, the priority's reaction.

    An incident request has the reaction of a priority only where it was given one. What is registered twice counts
    from the first time. A reaction before the registration is one too: nobody need react again.
    """
    history, incident = facts.history(), facts.kind is TicketKind.INCIDENT
    if not history:
        return
    start = history[0].at
    yield _office_timer(_registration(start), start, history[1:], facts.as_of)
    if incident:
        yield run_timer(_incident(), lambda _: phases_without(to_us(start), facts.works), history[1:], facts.as_of)
    if incident and facts.priority is None:
        return
    for index, event in enumerate(history):
        if event.what is What.REGISTERED:
            promise = _reaction(facts.priority)
            early = [before for before in history[:index] if before.what in promise.met_by]
            yield _office_timer(promise, event.at, [*early, *history[index + 1 :]], facts.as_of)
            return


def _office_timer(promise: Promise, start: Moment, events: list[Happened], as_of: Moment) -> Timer:
    return run_timer(promise, lambda _: [Phase(to_us(start), Pace.OFFICE)], events, as_of)


class OperatorRequestFacts(Frozen):
    """A request of the Operator, by telephone or e-mail."""

    received_at: Moment


@rule("OCP-P3.7.1", OperatorRequestFacts)
def register_request(facts: OperatorRequestFacts) -> Decision:
    """Requests are taken on Kazakhstan's working days 09:00-18:00 (Astana); each is registered and its number told.

    09:00 is within the hours, 18:00 is not. What comes outside them is registered when the support opens next. The
    agreement names no time for registering: our policy counts minutes of those hours. The hours agreed specially for a
    case are not known here. Only the registration meets it, however soon the work itself began.
    """
    promise, start = _registration(facts.received_at), to_us(facts.received_at)
    return Decision(
        clause="OCP-P3.7.1",
        verdict=Verdict.DUE,
        what="register the request and tell the Operator its number",
        deadline=due_of(promise, [Phase(start, Pace.OFFICE)]),
        values={"taken_now": promise.hours.is_open(start)},
    )


class PriorityFacts(Frozen):
    """A registered request and its priority, None where none was set."""

    registered_at: Moment
    priority: Literal[1, 2, 3] | None


@rule("OCP-P3.7.3", PriorityFacts)
def react_by_priority(facts: PriorityFacts) -> Decision:
    """Reaction to priority 1 within 1 hour, 2 within 4, 3 within 8, counted from the registration.

    Hours of the support's time (Kazakhstan's working days 09:00-18:00, Astana): requests are taken in it alone, so the
    clock stands outside it. Taking it into work, a first answer and a question of ours are reactions; waiting for the
    Operator does not pause the clock. Without a priority a person must set one, and the term of priority 1 is shown.
    """
    deadline = due_of(_reaction(facts.priority), [Phase(to_us(facts.registered_at), Pace.OFFICE)])
    if facts.priority is None:
        return Decision(
            clause="OCP-P3.7.3", verdict=Verdict.PERSON, what="no priority is set: a person sets it", deadline=deadline
        )
    return Decision(
        clause="OCP-P3.7.3",
        verdict=Verdict.DUE,
        what=f"react to the request of priority {facts.priority}",
        deadline=deadline,
        values={"hours": _REACTION_HOURS[facts.priority]},
    )


class IncidentStep(StrEnum):
    """The six steps that a reaction to an incident request results in, in the order of the agreement."""

    CONFIRM_RECEIPT = "confirm the receipt"
    CONFIRM_INCIDENT = "confirm or deny the incident"
    FIX_TIME = "fix its time and duration"
    CONFIRM_RESPONSIBILITY = "confirm or deny our responsibility"
    COMPENSATE = "decide on compensation and carry it out"
    RESTORE = "take timely measures to restore the service"


def next_steps(done: Collection[IncidentStep]) -> tuple[IncidentStep, ...]:
    """The steps that are left, in order. A later step may be done before an earlier one: restoring waits for nobody."""
    return tuple(step for step in IncidentStep if step not in done)


class IncidentFacts(Frozen):
    """An incident request: its receipt, the planned and urgent works known, and the steps that are done."""

    received_at: Moment
    works: tuple[Interval, ...] = ()
    done: tuple[IncidentStep, ...] = ()


@rule("OCP-P3.4", IncidentFacts)
def react_to_incident(facts: IncidentFacts) -> Decision:
    """Reaction to an incident request within 1 business day; periods of planned and urgent works are not counted.

    One business day is read as 9 hours of the support's time (Kazakhstan's working days 09:00-18:00, Astana) from the
    receipt. The other literal reading, the end of the next business day, never falls earlier; and a period can only be
    "not counted" in a clock that runs, which is what this reading has. Works outside those hours change nothing, works
    that overlap count once. The reaction is the first of our steps, not a question; all six are what it results in,
    and none of the other five has a term of its own.
    """
    left = next_steps(facts.done)
    if not left:
        return Decision(clause="OCP-P3.4", verdict=Verdict.ALLOWED, what="all six steps are done")
    unanswered = IncidentStep.CONFIRM_RECEIPT in left
    return Decision(
        clause="OCP-P3.4",
        verdict=Verdict.DUE if unanswered else Verdict.ACTION,
        what=f"next: {left[0]}",
        deadline=due_of(_incident(), phases_without(to_us(facts.received_at), facts.works)) if unanswered else None,
        values={"steps_left": "; ".join(left)},
    )


class InformationFacts(Frozen):
    """The Operator's request for technical information."""

    received_at: Moment


@rule("OCP-3.2.3", InformationFacts)
def technical_information(facts: InformationFacts) -> Decision:
    """Technical information that the Operator asked for is given within 5 business days of the day of receipt.

    Kazakhstan's working days; the day of receipt (Astana) is not counted and the fifth counts to its end.
    """
    return Decision(
        clause="OCP-3.2.3",
        verdict=Verdict.DUE,
        what="give the Operator the technical information",
        deadline=in_working_days(facts.received_at, 5, calendar("KZ")),
    )
