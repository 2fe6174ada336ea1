"""What people decide on a planned window: the Operator's answer, a cancellation, a notice given by other means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import Approval, Obligation, ObligationState, Window, WindowState, Work, WorkState, transaction
from blocks.office import Office
from tasks.numbering import by_number
from tasks.obligations import fulfil
from tasks.windows import AGREE, agreement_deadline, cancel, find_window, in_time, story, tell_wording
from tasks.works_forms import OperatorAnswer, WindowAction, WindowDecision, WorkAction, WorkDecision


def record_answer(office: Office, answer: OperatorAnswer, *, now: datetime) -> str:
    """Record the Operator's answer, for good; a refusal cancels the window.

    Raises Refused for a window that waits for no answer, TermsViolated for an agreement that comes too late.
    """
    with transaction(office.sessions) as session:
        window = find_window(session, answer.window, lock=True)
        given = session.scalar(select(Approval).where(Approval.window_id == window.id))
        if given is not None:
            if (given.agreed, given.who, given.proof) == (answer.agreed, answer.who, answer.proof):
                return f"{window.number}: that answer is on record already"
            raise Refused("state", f"{window.number} has the answer of {given.who} already")
        if window.state is not WindowState.PLANNED or not window.needs_agreement:
            raise Refused("state", f"{window.number} is {window.state.value} and waits for no answer")
        answered_at = given_at(answer.answered_at, now)
        if answer.agreed and answered_at > agreement_deadline(window).due:
            raise TermsViolated("OCP-P3.2.6", f"{window.number} had to be agreed by {agreement_deadline(window).due}")
        row = Approval(
            window_id=window.id,
            agreed=answer.agreed,
            who=answer.who,
            proof=answer.proof,
            recorded_by=answer.operator,
            answered_at=answered_at,
            at=now,
        )
        session.add(row)
        session.flush()
        word = "agreed" if answer.agreed else "declined"
        why = f"{answer.who}: {answer.proof}"
        story(session, window, kind=f"operator.{word}", why=why, who=answer.operator, now=now, clause="OCP-P3.2.6")
        if answer.agreed:
            fulfil(session, subject=window.number, what=AGREE, evidence=why, now=answered_at)
        else:
            public = "Оператор не согласовал время работ"
            cancel(office, session, window, why=why, public=public, who=answer.operator, now=now)
        return f"{window.number}: {answer.who} {word}"


def given_at(stated: datetime | None, now: datetime) -> datetime:
    """When something was given that is recorded now. Raises Refused for a moment that has not come."""
    if stated is not None and stated > now:
        raise Refused("moment", f"{stated} has not come")
    return stated or now


def decide_window(office: Office, decision: WindowDecision, *, now: datetime) -> str:
    """Cancel a planned window, finish an open one, or record a notice given by other means. Raises Refused."""
    with transaction(office.sessions) as session:
        window = find_window(session, decision.window, lock=True)
        wanted = WindowState.OPEN if decision.action is WindowAction.FINISH else WindowState.PLANNED
        if window.state is not wanted:
            raise Refused("state", f"{window.number} is {window.state.value}")
        match decision.action:
            case WindowAction.CANCEL:
                public = decision.public or "Работы отменены нами"
                cancel(office, session, window, why=decision.note, public=public, who=decision.operator, now=now)
                return f"{window.number} cancelled"
            case WindowAction.FINISH:
                window.finish = decision.public or "работы окончены"
                story(session, window, kind="finish", why=decision.note, who=decision.operator, now=now)
                return f"{window.number}: nothing more is begun"
            case WindowAction.TOLD:
                return _told_otherwise(session, window, decision, now)


def _told_otherwise(session: Session, window: Window, decision: WindowDecision, now: datetime) -> str:
    told_at = given_at(decision.told_at, now)
    evidence = f"{decision.operator}: {decision.note}"
    rows = session.scalars(
        select(Obligation).where(
            Obligation.subject == window.number,
            Obligation.what.in_([tell_wording(decision.recipient, agreement) for agreement in window.agreements]),
        )
    ).all()
    late = [row for row in rows if not in_time(row) and told_at <= row.due_at]
    if not late:
        who = decision.recipient or "nobody"
        raise Refused("recipient", f"{window.number} owes no notice to {who} that {told_at} would be in time for")
    for row in late:
        row.state, row.fulfilled_at, row.evidence = ObligationState.FULFILLED, told_at, evidence
    why = f"{decision.recipient}: {decision.note}"
    story(session, window, kind="told", why=why, who=decision.operator, now=now)
    return f"{window.number}: {decision.recipient} was told"


def decide_work(office: Office, decision: WorkDecision, *, now: datetime) -> str:
    """Cancel a queued work, or settle one that a window left with a person or taken back. Raises Refused, NotFound."""
    with transaction(office.sessions) as session:
        work = by_number(session, Work, decision.work, lock=True)
        settled = (WorkState.HANDED, WorkState.UNDONE)
        allowed = {
            WorkAction.CANCEL: (WorkState.QUEUED, *settled),
            WorkAction.REQUEUE: settled,
            WorkAction.DONE: (WorkState.HANDED,),
        }[decision.action]
        if work.state not in allowed:
            raise Refused("state", f"{work.number} is {work.state.value}")
        after = {
            WorkAction.CANCEL: WorkState.CANCELLED,
            WorkAction.REQUEUE: WorkState.QUEUED,
            WorkAction.DONE: WorkState.DONE,
        }[decision.action]
        if work.window_id is not None:
            window = session.get_one(Window, work.window_id)
            why = f"{work.number}: {decision.note}"
            story(session, window, kind=f"work {after.value}", why=why, who=decision.operator, now=now)
        work.state, work.detail = after, f"{decision.operator}: {decision.note}"
        if after is WorkState.QUEUED:
            work.window_id = None
        return f"{work.number} is {after.value}"
