"""Oki-Toki (OT): tickets of users, their terms, escalation, duplicates, levels and languages of support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import time
from functools import partial
from typing import Literal

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import in_calendar_months, local_date
from blocks.terms.policy import SUPPORT_POLICY
from blocks.terms.ticket_timers import (
    URGENT,
    Happened,
    Pace,
    Phase,
    Promise,
    TicketFacts,
    TicketKind,
    Timer,
    What,
    due_of,
    run_timer,
    waiting_phases,
)
from blocks.terms.worktime import HOUR, MINUTE, WorkClock, to_moment, to_us, work_clock
from blocks.terms.zones import KYIV

ZONE = KYIV
LEVELS = {TicketKind.TECHNICAL: 4, TicketKind.CONSULTATION: 2}
LANGUAGES = frozenset({"ru", "uk", "en"})


def _hours() -> WorkClock:
    return work_clock(calendar("UA"), time(9), time(18))


def _technical(round_number: int) -> Promise:
    name = "react to the ticket" if round_number == 1 else f"react to the user's answer (round {round_number})"
    met_by = frozenset({What.REACTED, What.ASKED, What.RESOLVED})
    return Promise("OT-4", name, _hours(), 20 * MINUTE, met_by)


def _consultation() -> Promise:
    return Promise("OT-5", "consider the question", _hours(), HOUR, frozenset({What.REACTED, What.RESOLVED}))


def _suggestion(received_at: Moment) -> Promise:
    month = to_us(in_calendar_months(received_at, 1, ZONE).due) - to_us(received_at)
    return Promise("OT-6", "consider and answer the suggestion", _hours(), month, frozenset({What.RESOLVED}))


def _escalation(escalated_at: Moment) -> Promise:
    minutes = SUPPORT_POLICY.on(local_date(escalated_at, ZONE)).escalation_minutes
    met_by = frozenset({What.REACTED, What.ASKED, What.RESOLVED})
    return Promise("OT-7", "look at the escalated ticket", _hours(), minutes * MINUTE, met_by)


def _by_clock(promise: Promise, start: Moment, events: Sequence[Happened], as_of: Moment) -> Timer:
    return run_timer(promise, lambda _: [Phase(to_us(start), Pace.CLOCK)], events, as_of)


def ot_timers(facts: TicketFacts) -> Iterator[Timer]:
    """The timers of a user's ticket in the order in which they began: OT-4 a round, OT-5, OT-6, OT-7 an escalation."""
    history, pace, rounds = facts.history(), Pace.OFFICE, 0
    for index, event in enumerate(history):
        after, begins = history[index + 1 :], event.what is What.RECEIVED
        pace = Pace.CLOCK if event.what in URGENT else pace
        phases_of = partial(waiting_phases, to_us(event.at), pace)
        if facts.kind is TicketKind.TECHNICAL and (begins or event.what is What.ANSWERED):
            rounds += 1
            yield run_timer(_technical(rounds), phases_of, after, facts.as_of)
        elif facts.kind is TicketKind.CONSULTATION and begins:
            yield run_timer(_consultation(), phases_of, after, facts.as_of)
        elif facts.kind is TicketKind.SUGGESTION and begins:
            yield _by_clock(_suggestion(event.at), event.at, after, facts.as_of)
        elif event.what is What.ESCALATED:
            yield _by_clock(_escalation(event.at), event.at, after, facts.as_of)


class TermFacts(Frozen):
    """From when a term counts, and from when it runs by the clock: the ticket's escalation or a global failure."""

    counted_from: Moment
    urgent_from: Moment | None = None


def _due(promise: Promise, facts: TermFacts) -> Deadline | None:
    start, phases = to_us(facts.counted_from), [Phase(to_us(facts.counted_from), Pace.OFFICE)]
    if facts.urgent_from is not None:
        phases.append(Phase(max(start, to_us(facts.urgent_from)), Pace.CLOCK))
    return due_of(promise, phases)


@rule("OT-4", TermFacts)
def react_to_technical(facts: TermFacts) -> Decision:
    """A technical ticket is taken into work, or its user asked a question, within 20 minutes of working time.

    Ukraine's official working days 09:00-18:00 Kyiv; 09:00 is within the hours, 18:00 is not. `counted_from` is the
    receipt, or an answer of the user: after each answer the 20 minutes start anew, while those that an earlier answer
    started keep their term (the stricter reading). From an escalation (OT-7) or a declared global failure (OT-12) on
    they run by the clock, whatever the hour. A ticket resolved at once was reacted to.
    """
    return Decision(
        clause="OT-4",
        verdict=Verdict.DUE,
        what="take the ticket into work or ask the user",
        deadline=_due(_technical(1), facts),
    )


@rule("OT-5", TermFacts)
def consider_consultation(facts: TermFacts) -> Decision:
    """A question about the service is considered within 60 minutes of working time (working days 09:00-18:00 Kyiv).

    Unlike in OT-4 a question of ours does not meet it: the clock stands until the user answers, then runs on. From an
    escalation or a declared global failure on it runs by the clock. How long the consultation itself takes is not
    promised.
    """
    return Decision(
        clause="OT-5", verdict=Verdict.DUE, what="consider the question", deadline=_due(_consultation(), facts)
    )


class SuggestionFacts(Frozen):
    """A user's suggestion for the service."""

    received_at: Moment


@rule("OT-6", SuggestionFacts)
def answer_suggestion(facts: SuggestionFacts) -> Decision:
    """A suggestion is considered and answered within one calendar month of its receipt.

    It ends at the same time on Kyiv's wall clock, and nothing pauses it. Only the answer (`resolved`) meets it.
    """
    return Decision(
        clause="OT-6",
        verdict=Verdict.DUE,
        what="consider the suggestion and answer it",
        deadline=in_calendar_months(facts.received_at, 1, ZONE),
    )


class EscalationFacts(Frozen):
    """A user's escalation of a ticket and the reason stated for it."""

    escalated_at: Moment
    reason: str


@rule("OT-7", EscalationFacts)
def escalate(facts: EscalationFacts) -> Decision:
    """An escalation states its reason and goes ahead of the queue, working hours or not.

    Without a reason (blank is none) it is refused: the user is asked for one. Whether the reason is good is a person's
    to judge, after looking. The agreement names no figure: our policy has it looked at in minutes by the clock.
    """
    if not facts.reason.strip():
        return Decision(clause="OT-7", verdict=Verdict.REFUSED, what="no reason is stated: ask the user for one")
    return Decision(
        clause="OT-7",
        verdict=Verdict.DUE,
        what="look at the escalated ticket ahead of the queue",
        deadline=due_of(_escalation(facts.escalated_at), [Phase(to_us(facts.escalated_at), Pace.CLOCK)]),
    )


class RepeatFacts(Frozen):
    """A new ticket: the first open ticket of the same user on the same problem, None where there is none."""

    first_open: str | None


@rule("OT-8", RepeatFacts)
def repeated_ticket(facts: RepeatFacts) -> Decision:
    """A repeated ticket on an open problem joins the first: its content becomes a comment there, and it is removed.

    Only an open first ticket makes a repeat; after a resolved one the user may open another. Tickets are not limited.
    """
    if facts.first_open is None:
        return Decision(clause="OT-8", verdict=Verdict.ALLOWED, what="the first ticket on its problem")
    return Decision(
        clause="OT-8", verdict=Verdict.ACTION, what="join to the first", values={"first_open": facts.first_open}
    )


class ClaimFacts(Frozen):
    """A claim about a problem, and whether there was a ticket on it."""

    had_ticket: bool


@rule("OT-9", ClaimFacts)
def claim_needs_ticket(facts: ClaimFacts) -> Decision:
    """Without a ticket a problem is taken not to have been, and no claim is accepted for it."""
    if facts.had_ticket:
        return Decision(clause="OT-9", verdict=Verdict.ALLOWED, what="there was a ticket: the claim is considered")
    return Decision(clause="OT-9", verdict=Verdict.REFUSED, what="no ticket, no claim")


class SupportLevelFacts(Frozen):
    """Support asked for: its kind, its level and the language (two letters)."""

    kind: Literal[TicketKind.TECHNICAL, TicketKind.CONSULTATION]
    level: int
    language: str


@rule("OT-11", SupportLevelFacts)
def support_level(facts: SupportLevelFacts) -> Decision:
    """Technical support has the levels 1 to 4, consulting 1 and 2; the languages are ru, uk and en, as the user wishes.

    Another language or level is refused; suggestions have no levels and are not asked here.
    """
    if facts.language not in LANGUAGES:
        return Decision(clause="OT-11", verdict=Verdict.REFUSED, what="support speaks ru, uk and en")
    if not 1 <= facts.level <= LEVELS[facts.kind]:
        what = f"{facts.kind} support has the levels 1 to {LEVELS[facts.kind]}"
        return Decision(clause="OT-11", verdict=Verdict.REFUSED, what=what)
    return Decision(clause="OT-11", verdict=Verdict.ALLOWED, what=f"{facts.kind} support of level {facts.level}")


class GlobalFailureFacts(Frozen):
    """A global failure of the service, declared."""

    declared_at: Moment


@rule("OT-12", GlobalFailureFacts)
def work_on_global_failure(facts: GlobalFailureFacts) -> Decision:
    """A global failure is worked on whatever the day and the hour; terms of its tickets run by the clock from then on.

    The agreement names no figure: our policy has the work begin in minutes by the clock from the declaration.
    """
    minutes = SUPPORT_POLICY.on(local_date(facts.declared_at, ZONE)).global_failure_minutes
    return Decision(
        clause="OT-12",
        verdict=Verdict.DUE,
        what="begin to work on the global failure, at any hour",
        deadline=Deadline(due=to_moment(to_us(facts.declared_at) + minutes * MINUTE), zone=ZONE),
    )
