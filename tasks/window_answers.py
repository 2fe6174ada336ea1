"""What people decide on a planned window: the Operator's answer, a cancellation, a notice given by other means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from blocks.errors import Refused, TermsViolated
from blocks.ledger import Approval, WindowState, transaction
from blocks.office import Office
from tasks.obligations import fulfil
from tasks.windows import AGREE, TELL, agreement_deadline, cancel, find_window, story
from tasks.works_forms import OperatorAnswer, WindowAction, WindowDecision


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
        if answer.agreed and now > agreement_deadline(window).due:
            raise TermsViolated("OCP-P3.2.6", f"{window.number} had to be agreed by {agreement_deadline(window).due}")
        row = Approval(
            window_id=window.id,
            agreed=answer.agreed,
            who=answer.who,
            proof=answer.proof,
            recorded_by=answer.operator,
            at=now,
        )
        session.add(row)
        session.flush()
        word = "agreed" if answer.agreed else "declined"
        why = f"{answer.who}: {answer.proof}"
        story(session, window, kind=f"operator.{word}", why=why, who=answer.operator, now=now, clause="OCP-P3.2.6")
        if answer.agreed:
            fulfil(session, subject=window.number, what=AGREE, evidence=why, now=now)
        else:
            cancel(office, session, window, why="Оператор не согласовал время работ", who=answer.operator, now=now)
        return f"{window.number}: {answer.who} {word}"


def decide_window(office: Office, decision: WindowDecision, *, now: datetime) -> str:
    """Cancel a window that is not open yet, or record a notice given by other means. Raises Refused."""
    with transaction(office.sessions) as session:
        window = find_window(session, decision.window, lock=True)
        if window.state is not WindowState.PLANNED:
            raise Refused("state", f"{window.number} is {window.state.value}")
        if decision.action is WindowAction.CANCEL:
            cancel(office, session, window, why=decision.note, who=decision.operator, now=now)
            return f"{window.number} cancelled"
        evidence = f"{decision.operator}: {decision.note}"
        what = f"{TELL}{decision.recipient} under "
        if not decision.recipient or not fulfil(session, subject=window.number, what=what, evidence=evidence, now=now):
            raise Refused("recipient", f"{window.number} owes no notice to {decision.recipient or 'nobody'}")
        story(
            session, window, kind="told", why=f"{decision.recipient}: {decision.note}", who=decision.operator, now=now
        )
        return f"{window.number}: {decision.recipient} was told"
