"""What the desk of the revenue split asks the ledger: which acts go on by themselves, and who has not signed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select

from blocks.ledger import Act, ActState, InvoiceLine, reading
from blocks.office import Office
from blocks.terms.deadlines import local_date, months_later
from blocks.terms.money import Money
from blocks.terms.revenue import first_day, month_of
from blocks.terms.zones import ASTANA
from tasks.invoice_lines import holds
from tasks.revenue_state import MADE_OUT, find_act, foreseen, number_of, ref_of


def missed_months(office: Office, *, now: datetime) -> list[str]:
    """The months that nobody opened by the 2nd of the next in Astana: those with lines on record, and the last one.

    The last one is missed only where an act was opened before: a ledger that is new owes nothing of it.
    """
    current = month_of(local_date(now, ASTANA) - timedelta(days=1))
    with reading(office.sessions) as session:
        known = set(session.scalars(select(Act.month)))
        stated = select(InvoiceLine.month).where(InvoiceLine.agreement == "OCP", InvoiceLine.month < current, holds())
        months = set(session.scalars(stated.distinct()))
    last = month_of(months_later(first_day(current), -1))
    return sorted((months | ({last} if known else set())) - known)


def splittable(office: Office) -> list[str]:
    """The acts that are not made out yet, the oldest month first."""
    waiting = select(Act).where(Act.state.in_((ActState.OPEN, ActState.REPORTED))).order_by(Act.month, Act.edition)
    with reading(office.sessions) as session:
        return [ref_of(act) for act in session.scalars(waiting)]


def is_made_out(office: Office, ref: str) -> bool:
    """Whether an act is made out; one that was not opened is not. Raises NotFound for an unknown correction."""
    with reading(office.sessions) as session:
        return foreseen(session, ref).state in MADE_OUT


def unsigned(office: Office, ref: str) -> list[Literal["us", "operator"]]:
    """The sides whose signature an act waits for; none before it is made out. Raises NotFound."""
    with reading(office.sessions) as session:
        act = find_act(session, ref)
        if act.state is not ActState.MADE:
            return []
        ours: list[Literal["us", "operator"]] = ["us"] if act.signed_by_us_at is None else []
        return [*ours, "operator"] if act.signed_by_operator_at is None else ours


def latest_ref(office: Office, month: str) -> str:
    """The latest act of a month, or the month itself where it was not opened yet."""
    with reading(office.sessions) as session:
        act = session.scalar(select(Act).where(Act.month == month).order_by(Act.edition.desc()).limit(1))
        return month if act is None else ref_of(act)


def act_line(office: Office, ref: str) -> str:
    """An act in one line, for who signs it: its number and its sums without VAT. Raises NotFound."""
    with reading(office.sessions) as session:
        act = find_act(session, ref)
        if act.number is None:
            return f"{ref}: not made out"
        income, reward = (Money.from_minor(minor or 0, "KZT") for minor in (act.income_minor, act.reward_minor))
        return f"{number_of(act)}, {ref}: income {income}, reward {reward}"
