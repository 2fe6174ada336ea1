"""QSockets (QS): registrations that nobody uses. Moscow time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import in_calendar_days, in_calendar_months
from blocks.terms.qs import ZONE

IDLE_MONTHS = 12
BLOCK_DAYS = 30
DELETE_DAYS = 90


class IdleStep(StrEnum):
    """What is next for a registration: nothing, a step towards its deletion, or the way back."""

    NONE = "none"
    NOTICE = "notice"
    BLOCK = "block"
    DELETE = "delete"
    RESUME = "resume"


class IdleFacts(Frozen):
    """A registration: its last activity, the steps taken, the end of its latest paid period, and now.

    `noticed_at` is when the notice was sent; `bounced` says that it came back.
    """

    last_active_at: Moment
    noticed_at: Moment | None = None
    bounced: bool = False
    blocked_at: Moment | None = None
    paid_until: Moment | None = None
    now: Moment


@rule("QS-3.6.1", IdleFacts)
def idle(facts: IdleFacts) -> Decision:
    """12 calendar months without any activity: notice; 30 calendar days later block; 90 days after it deletion.

    Months end at the same wall-clock time (or on the last day of a shorter month); days are counted without the day of
    the notice or of the block, and end with it: the step is due from that 24:00 on. A step is due at exactly its
    moment. Activity since the notice takes all back. A notice that bounced has not been given (QS-12.4): no block, a
    person decides. While a paid period runs nothing happens, whatever went before.

    `values`: `step` is what is next, `due` whether now; the deadline is its moment.
    """
    if facts.noticed_at is not None and facts.last_active_at >= facts.noticed_at:
        return _decision(Verdict.ACTION, IdleStep.RESUME, "the user is active again: all is taken back")
    if facts.paid_until is not None and facts.paid_until > facts.now:
        return _decision(
            Verdict.REFUSED, IdleStep.NONE, "a paid period runs", Deadline(due=facts.paid_until, zone=ZONE)
        )
    if facts.bounced and facts.blocked_at is None:
        return _decision(Verdict.PERSON, IdleStep.NONE, "the notice has not been received: a person decides")
    if facts.noticed_at is None:
        return _step(IdleStep.NOTICE, in_calendar_months(facts.last_active_at, IDLE_MONTHS, ZONE), facts.now)
    if facts.blocked_at is None:
        return _step(IdleStep.BLOCK, in_calendar_days(facts.noticed_at, BLOCK_DAYS, ZONE), facts.now)
    return _step(IdleStep.DELETE, in_calendar_days(facts.blocked_at, DELETE_DAYS, ZONE), facts.now)


def _step(step: IdleStep, deadline: Deadline, now: datetime) -> Decision:
    due = now >= deadline.due
    what = f"{step.value} of a registration without activity"
    return _decision(Verdict.ACTION if due else Verdict.ALLOWED, step, what, deadline, due=due)


def _decision(
    verdict: Verdict, step: IdleStep, what: str, deadline: Deadline | None = None, *, due: bool | None = None
) -> Decision:
    return Decision(
        clause="QS-3.6.1",
        verdict=verdict,
        what=what,
        deadline=deadline,
        values={"step": step.value, "due": verdict is Verdict.ACTION if due is None else due},
    )
