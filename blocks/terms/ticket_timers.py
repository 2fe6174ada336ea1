"""The engine of ticket timers: what happened to a ticket goes in, what is owed by when and what was spent comes out.

A pure replay: events later than `as_of` have not happened yet, so a later one only adds to what an earlier one gave.
Inside, instants and lengths are whole microseconds (see `worktime`); which clause counts how is in `*_tickets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, StrEnum
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import model_validator

from blocks.terms.base import Deadline, Frozen, Moment
from blocks.terms.intervals import Interval, union
from blocks.terms.worktime import SECOND, Part, WorkClock, to_moment, to_us


class TicketKind(StrEnum):
    """What a ticket asks for. An incident is the OCP Operator's request about one."""

    TECHNICAL = "technical"
    CONSULTATION = "consultation"
    SUGGESTION = "suggestion"
    INCIDENT = "incident"


class What(StrEnum):
    """What happened to a ticket.

    `reacted`: we took it into work or gave the first answer. `asked`: we asked the user a question, `answered`: the
    user answered it. `escalated` with a reason that OT-7 let through. `global failure`: one was declared (OT-12).
    """

    RECEIVED = "received"
    REGISTERED = "registered"
    REACTED = "reacted"
    ASKED = "asked"
    ANSWERED = "answered"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    DUPLICATE = "duplicate"
    CLOSED = "closed"
    GLOBAL_FAILURE = "global failure"


ENDS = frozenset({What.DUPLICATE, What.CLOSED})
URGENT = frozenset({What.ESCALATED, What.GLOBAL_FAILURE})


class Happened(Frozen):
    """One event of a ticket."""

    at: Moment
    what: What


class TicketFacts(Frozen):
    """A ticket as it is replayed: its events in any order, the works that touch it, and the moment of looking.

    Events at the same instant keep their order, but the receipt comes first.
    """

    agreement: Literal["KS", "OCP", "QS", "OT", "SSL"]
    kind: TicketKind
    priority: Literal[1, 2, 3] | None = None
    events: tuple[Happened, ...]
    works: tuple[Interval, ...] = ()
    as_of: Moment

    @model_validator(mode="after")
    def _begins_once(self) -> TicketFacts:
        receipts = [event.at for event in self.events if event.what is What.RECEIVED]
        if len(receipts) != 1 or any(event.at < receipts[0] for event in self.events):
            raise ValueError("a ticket is received once, and nothing happens to it before")
        if self.kind is TicketKind.INCIDENT and self.agreement != "OCP":
            raise ValueError("an incident request is the OCP Operator's")
        return self

    def history(self) -> list[Happened]:
        """What has happened by `as_of`, in order, up to the ticket's end (duplicate, closed): nothing starts after."""
        ordered = sorted(self.events, key=lambda event: (event.at, event.what is not What.RECEIVED))
        happened: list[Happened] = []
        for event in ordered:
            if event.at > self.as_of:
                break
            happened.append(event)
            if event.what in ENDS:
                break
        return happened


class Segment(Frozen):
    """A piece of a timer's life, half-open, in which it ran or stood, and why."""

    start: Moment
    end: Moment
    running: bool
    why: str


class Timer(Frozen):
    """A term that a ticket set running, as it stands at the moment of looking.

    `due` is None when nothing is owed: the timer waits for the user, or the ticket ended in time. `breached`: the due
    moment has passed, unmet or met after it. `spent_seconds` is the time that ran, cut to whole seconds. The segments
    run without gap or overlap from the timer's start to the moment it stopped, or that of looking.
    """

    clause: str
    name: str
    due: Deadline | None
    met_at: Moment | None
    breached: bool
    spent_seconds: int
    allowed_seconds: int
    segments: tuple[Segment, ...]


class Pace(Enum):
    """How a timer runs: in office hours, by the clock, or not at all."""

    OFFICE = "office"
    CLOCK = "by the clock"
    STANDS = "stands"


class Phase(NamedTuple):
    """From `start` on, until the next phase, a timer runs at this pace. `why` is said of one that stands."""

    start: int
    pace: Pace
    why: str = ""


class Promise(NamedTuple):
    """What a clause promises: `allowed` microseconds, in the hours of an office, until one of `met_by` happens.

    `calendar_decides`: the calendar had a say in `allowed`, so a provisional one makes the deadline provisional.
    """

    clause: str
    name: str
    hours: WorkClock
    allowed: int
    met_by: frozenset[What]
    calendar_decides: bool = False


def waiting_phases(start: int, pace: Pace, events: Iterable[Happened]) -> list[Phase]:
    """A timer that waits from a question to its answer, and runs by the clock from the first urgent event on."""
    waits, phases = False, [Phase(start, pace)]
    for event in events:
        waits = (waits or event.what is What.ASKED) and event.what is not What.ANSWERED
        pace = Pace.CLOCK if event.what in URGENT else pace
        begins = to_us(event.at)
        phases.append(Phase(begins, Pace.STANDS, "waits for the user's answer") if waits else Phase(begins, pace))
    return phases


def phases_without(start: int, works: Iterable[Interval]) -> list[Phase]:
    """A timer in office hours that stands while there are planned or urgent works."""
    phases = [Phase(start, Pace.OFFICE)]
    for span in union(interval.span for interval in works):
        begins, ends = to_us(span.start), to_us(span.end)
        if ends > start:
            phases += [Phase(max(begins, start), Pace.STANDS, "planned or urgent works"), Phase(ends, Pace.OFFICE)]
    return phases


def _due_us(promise: Promise, phases: Sequence[Phase]) -> int | None:
    left = promise.allowed
    for phase, following in pairwise([*phases, None]):
        if phase is None or phase.pace is Pace.STANDS:
            continue
        by_office = phase.pace is Pace.OFFICE
        due = promise.hours.add(phase.start, left) if by_office else phase.start + left
        if following is None or due <= following.start:
            return due
        left -= promise.hours.between(phase.start, following.start) if by_office else following.start - phase.start
    return None


def due_of(promise: Promise, phases: Sequence[Phase]) -> Deadline | None:
    """When a promise falls due; None when its time stands for as long as one can see."""
    due = _due_us(promise, phases)
    if due is None:
        return None
    by_calendar = promise.calendar_decides or any(phase.pace is Pace.OFFICE for phase in phases)
    provisional = by_calendar and promise.hours.provisional(phases[0].start, due)
    return Deadline(due=to_moment(due), zone=promise.hours.zone, provisional=provisional)


def _parts(promise: Promise, phases: Sequence[Phase], until: int) -> Iterator[Part]:
    ends = [*(min(phase.start, until) for phase in phases[1:]), until]
    for phase, end in zip(phases, ends, strict=True):
        if phase.start >= end:
            continue
        if phase.pace is Pace.OFFICE:
            yield from promise.hours.parts(phase.start, end)
        else:
            yield Part(phase.start, end, phase.pace is Pace.CLOCK, phase.why or phase.pace.value)


def _joined(parts: Iterable[Part]) -> list[Part]:
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1][2:] == part[2:]:
            joined[-1] = joined[-1]._replace(end=part.end)
        else:
            joined.append(part)
    return joined


def run_timer(
    promise: Promise, phases_of: Callable[[Sequence[Happened]], list[Phase]], events: Sequence[Happened], as_of: Moment
) -> Timer:
    """A promise replayed over what happened after its start.

    The first event that meets it stops it, and so does the ticket's end, without meeting it. `phases_of` makes the
    phases out of the events before that.
    """
    stops = promise.met_by | ENDS
    index = next((index for index, event in enumerate(events) if event.what in stops), len(events))
    stop = events[index] if index < len(events) else None
    until, phases = stop.at if stop else as_of, phases_of(events[:index])
    due = due_of(promise, phases)
    breached = due is not None and until > due.due
    met_at = stop.at if stop and stop.what in promise.met_by else None
    parts = _joined(_parts(promise, phases, to_us(until)))
    return Timer(
        clause=promise.clause,
        name=promise.name,
        due=due if met_at or stop is None or breached else None,
        met_at=met_at,
        breached=breached,
        spent_seconds=sum(part.end - part.start for part in parts if part.working) // SECOND,
        allowed_seconds=promise.allowed // SECOND,
        segments=tuple(
            Segment(start=to_moment(part.start), end=to_moment(part.end), running=part.working, why=part.why)
            for part in parts
        ),
    )
