"""The life of an act of the revenue split: a month opened or reopened, the act signed, the reward paid and chased."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    Act,
    ActEvent,
    ActState,
    Notice,
    Obligation,
    ObligationState,
    Payout,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import end_of_day, local_date
from blocks.terms.money import Money
from blocks.terms.ocp_revenue import data_due, payout_due
from blocks.terms.revenue import last_day
from blocks.terms.zones import ASTANA
from tasks.notices import queue_operator_notice
from tasks.obligations import fulfil, open_obligation
from tasks.revenue_forms import PayoutForm, ReopenForm, SignatureForm
from tasks.revenue_state import (
    BE_PAID,
    MADE_OUT,
    PAYING,
    SEND_DATA,
    SIGN,
    facts_of,
    find_act,
    ref_of,
    story,
    subject_of,
    tell_partner,
)


def open_month(office: Office, month: str, *, now: datetime) -> str:
    """Open the first act of a month that is over in Astana, and its clock (OCP-P5.2); the act's reference.

    A month that was opened stays as it is. Raises Refused("early").
    """
    refuse_early(month, now=now)
    with transaction(office.sessions) as session:
        one_at_a_time(session, "acts")
        if session.scalar(select(Act.id).where(Act.month == month)) is None:
            act = _open(session, month, edition=0, reason="", now=now)
            story(session, act, what="opened", who="dogovor", why="the month is over", now=now, clause="OCP-P5.1")
            open_obligation(
                session, clause="OCP-P5.2", subject=subject_of(month), what=SEND_DATA, deadline=data_due(month), now=now
            )
    return month


def refuse_early(month: str, *, now: datetime) -> None:
    """Raise Refused("early") for a month that is not over in Astana."""
    if now < end_of_day(last_day(month), ASTANA):
        raise Refused("early", f"{month} is not over yet in Astana")


def reopen(office: Office, form: ReopenForm, *, now: datetime) -> str:
    """Open a correction act of a month; its reference. The same form again finds the act that it opened.

    Raises NotFound for a month that was never opened, Refused("open") while its latest act is not made out.
    """
    with transaction(office.sessions) as session:
        one_at_a_time(session, "acts")
        latest = session.scalar(select(Act).where(Act.month == form.month).order_by(Act.edition.desc()).limit(1))
        if latest is None:
            raise NotFound("act", form.month)
        if latest.state not in MADE_OUT:
            if latest.edition and latest.reason == form.reason:
                return ref_of(latest)
            raise Refused("open", f"{ref_of(latest)} is not made out yet: correct that one")
        act = _open(session, form.month, edition=latest.edition + 1, reason=form.reason, now=now)
        story(session, act, what="reopened", who=form.operator, why=form.reason, now=now)
        return ref_of(act)


def _open(session: Session, month: str, *, edition: int, reason: str, now: datetime) -> Act:
    act = Act(month=month, edition=edition, reason=reason, state=ActState.OPEN, opened_at=now)
    session.add(act)
    session.flush()
    return act


def open_refs(office: Office) -> list[str]:
    """The acts that are not closed, the oldest month first."""
    unclosed = select(Act).where(Act.state != ActState.CLOSED).order_by(Act.month, Act.edition)
    with reading(office.sessions) as session:
        return [ref_of(act) for act in session.scalars(unclosed)]


def sign(office: Office, form: SignatureForm, *, now: datetime) -> ActState:
    """Record that a side signed; when both have, the clock of the reward starts (OCP-P5.3). The act's state.

    An act that brings no reward is closed by the second signature. The same signature again changes nothing. Raises
    NotFound, and Refused for an act not made out, another signature of the same side, a time before it or to come.
    """
    with transaction(office.sessions) as session:
        act = find_act(session, form.act, lock=True)
        if act.state not in MADE_OUT or act.made_at is None:
            raise Refused("state", f"{form.act} is {act.state.value}, not made out: there is nothing to sign")
        if not _signed_already(session, act, form):
            signed_at = form.signed_at or now
            if not act.made_at <= signed_at <= now:
                raise Refused("time", f"{form.act} was made out at {act.made_at}: it was not signed at {signed_at}")
            if form.side == "us":
                act.signed_by_us_at = signed_at
            else:
                act.signed_by_operator_at = signed_at
            story(session, act, what=f"signed {form.side}", who=form.operator, why=_proof(form), now=now, clause=PAYING)
            if act.signed_by_us_at is not None and act.signed_by_operator_at is not None:
                both_at = max(act.signed_by_us_at, act.signed_by_operator_at)
                _signed_by_both(office, session, act, both_at=both_at, now=now)
        return act.state


def _proof(form: SignatureForm) -> str:
    return f"{form.who}: {form.proof}"


def _signed_already(session: Session, act: Act, form: SignatureForm) -> bool:
    known = act.signed_by_us_at if form.side == "us" else act.signed_by_operator_at
    if known is None:
        return False
    event = select(ActEvent.why).where(ActEvent.act_id == act.id, ActEvent.what == f"signed {form.side}")
    if session.scalars(event).one() != _proof(form) or form.signed_at not in (None, known):
        raise Refused("signed", f"{form.act} was signed on that side at {known}, by another hand or at another time")
    return True


def _signed_by_both(office: Office, session: Session, act: Act, *, both_at: datetime, now: datetime) -> None:
    subject, reward = subject_of(ref_of(act)), act.reward_minor or 0
    act.state = ActState.SIGNED
    fulfil(session, subject=subject, evidence=f"signed by both at {both_at.isoformat()}", now=both_at, what=SIGN)
    if reward > 0:
        open_obligation(session, clause=PAYING, subject=subject, what=BE_PAID, deadline=payout_due(both_at), now=now)
        return
    _close(session, act, who="dogovor", why=f"signed by both, the reward is {_tenge(reward)}", now=now)
    if reward < 0:
        queue_operator_notice(
            session,
            kind="ocp_we_owe",
            key=f"ocp_we_owe:{ref_of(act)}",
            operator=office.settings.operator_email,
            facts={**facts_of(office, act), "owed": str(_tenge(-reward))},
            now=now,
        )


def _tenge(minor: int) -> Money:
    return Money.from_minor(minor, "KZT")


def _close(session: Session, act: Act, *, who: str, why: str, now: datetime) -> None:
    act.state, act.closed_at = ActState.CLOSED, now
    story(session, act, what="closed", who=who, why=why, now=now)


def record_payout(office: Office, form: PayoutForm, *, now: datetime) -> ActState:
    """Record money that the Operator paid for a signed act, once by the bank's reference. The act's state.

    When the reward is there in full the act is closed; what is above it is told to our operator. Raises NotFound, and
    Refused for another currency, no sum, a day to come or before the act, an act not signed, or a reference known with
    other content.
    """
    if form.amount.currency != "KZT" or form.amount.minor <= 0:
        raise Refused("amount", f"a payout is a sum of tenge, not {form.amount}")
    if form.paid_on > local_date(now, ASTANA):
        raise Refused("time", f"{form.paid_on} has not come yet")
    with transaction(office.sessions) as session:
        one_at_a_time(session, "payouts")
        act = find_act(session, form.act, lock=True)
        if not _paid_already(session, act, form):
            if act.state not in (ActState.SIGNED, ActState.CLOSED):
                raise Refused("state", f"{form.act} is {act.state.value}: record the signatures first")
            if act.made_at is not None and form.paid_on < local_date(act.made_at, ASTANA):
                raise Refused("time", f"{form.paid_on} is before the act was made out")
            payout = Payout(
                reference=form.reference,
                act_id=act.id,
                paid_on=form.paid_on,
                amount_minor=form.amount.minor,
                who=form.operator,
                recorded_at=now,
            )
            session.add(payout)
            why = f"{form.amount} on {form.paid_on}, reference {form.reference}"
            story(session, act, what="paid", who=form.operator, why=why, now=now, clause=PAYING)
            session.flush()
            _weigh(office, session, act, payout, now)
        return act.state


def _paid_already(session: Session, act: Act, form: PayoutForm) -> bool:
    known = session.scalar(select(Payout).where(Payout.reference == form.reference))
    if known is None:
        return False
    if (known.act_id, known.paid_on, known.amount_minor) != (act.id, form.paid_on, form.amount.minor):
        raise Refused("conflict", f"the reference {form.reference} is on record with another act, day or sum")
    return True


def paid_minor(session: Session, act: Act) -> int:
    """What came in for an act, in tiyn."""
    total = select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(Payout.act_id == act.id)
    return int(session.scalar(total) or 0)


def _weigh(office: Office, session: Session, act: Act, payout: Payout, now: datetime) -> None:
    """What money that came means for its act. An obligation is fulfilled by the day on which the money came."""
    over = paid_minor(session, act) - (act.reward_minor or 0)
    if over >= 0 and act.state is ActState.SIGNED:
        _close(session, act, who=payout.who, why=f"the reward is paid, last by {payout.reference}", now=now)
        came = session.scalars(select(func.max(Payout.paid_on)).where(Payout.act_id == act.id)).one()
        fulfil(
            session,
            subject=subject_of(ref_of(act)),
            evidence=f"paid on {came}, reference {payout.reference}",
            now=min(now, end_of_day(came, ASTANA)),
            what=BE_PAID,
        )
    if over > 0:
        queue_operator_notice(
            session,
            kind="ocp_surplus",
            key=f"ocp_surplus:{payout.id}",
            operator=office.settings.operator_email,
            facts={
                **facts_of(office, act),
                "reference": payout.reference,
                "paid": str(_tenge(payout.amount_minor)),
                "over": str(_tenge(min(over, payout.amount_minor))),
            },
            now=now,
        )


def chase(office: Office, *, now: datetime) -> list[str]:
    """Write to the Operator of what it is late with: a signature, or the reward (OCP-P5.3); the acts written of.

    On Kazakhstan's working days only, and once a day for an act.
    """
    today = local_date(now, ASTANA)
    if not calendar("KZ").is_working_day(today):
        return []
    late = select(Obligation).where(
        Obligation.clause == PAYING, Obligation.state == ObligationState.OPEN, Obligation.due_at < now
    )
    with transaction(office.sessions) as session:
        rows = session.scalars(late.order_by(Obligation.id)).all()
        return [row.subject.partition(" ")[2] for row in rows if _chase(office, session, row, today.isoformat(), now)]


def _chase(office: Office, session: Session, row: Obligation, today: str, now: datetime) -> bool:
    act = find_act(session, row.subject.partition(" ")[2], lock=True)
    session.refresh(row)  # a signature or money may have come while we waited for the act
    if row.state is not ObligationState.OPEN:
        return False
    key = f"ocp_chase:{ref_of(act)}:{today}"
    told = session.scalar(select(Notice.id).where(Notice.key == key)) is not None
    if told or (row.what == SIGN and act.signed_by_operator_at is not None):
        return False
    missing = _tenge((act.reward_minor or 0) - paid_minor(session, act))
    last_due = local_date(row.due_at - timedelta(microseconds=1), ASTANA)
    tell_partner(
        office,
        session,
        act,
        kind="ocp_signature_late" if row.what == SIGN else "ocp_payout_late",
        key=key,
        facts={"due_on": f"{last_due:%d.%m.%Y}", "missing": str(missing)},
        now=now,
    )
    story(session, act, what="chased", who="dogovor", why=f"late: {row.what}", now=now, clause=PAYING)
    return True
