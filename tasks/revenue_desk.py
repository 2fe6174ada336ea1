"""What the desk of the revenue split asks the ledger: which acts go on by themselves, and who has not signed."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select

from blocks.ledger import Act, ActState, reading
from blocks.office import Office
from blocks.terms.money import Money
from tasks.revenue_state import find_act, number_of, ref_of


def splittable(office: Office) -> list[str]:
    """The acts that are not made out yet, the oldest month first."""
    waiting = select(Act).where(Act.state.in_((ActState.OPEN, ActState.REPORTED))).order_by(Act.month, Act.edition)
    with reading(office.sessions) as session:
        return [ref_of(act) for act in session.scalars(waiting)]


def unsigned(office: Office, ref: str) -> list[Literal["us", "operator"]]:
    """The sides whose signature an act waits for; none before it is made out. Raises NotFound."""
    with reading(office.sessions) as session:
        act = find_act(session, ref)
        if act.state is not ActState.MADE:
            return []
        ours: list[Literal["us", "operator"]] = ["us"] if act.signed_by_us_at is None else []
        return [*ours, "operator"] if act.signed_by_operator_at is None else ours


def act_line(office: Office, ref: str) -> str:
    """An act in one line, for who signs it: its number and its sums without VAT. Raises NotFound."""
    with reading(office.sessions) as session:
        act = find_act(session, ref)
        if act.number is None:
            return f"{ref}: not made out"
        income, reward = (Money.from_minor(minor or 0, "KZT") for minor in (act.income_minor, act.reward_minor))
        return f"{number_of(act)}, {ref}: income {income}, reward {reward}"
