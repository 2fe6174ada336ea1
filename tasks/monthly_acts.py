"""Monthly acts of certificate customers (SSL-7.6): what each owes a month, the act with its number, its letter.

A line stands in one act. What is recorded after a month's act comes in a further edition; what corrects an earlier
month comes in the act of the month in which it was stated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from blocks.errors import Refused
from blocks.ledger import (
    Customer,
    InvoiceLine,
    MonthlyAct,
    MonthlyActLine,
    Obligation,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.revenue import LineState, last_day
from blocks.terms.revenue_split import counts
from blocks.terms.ssl_acts import act_due
from blocks.terms.zones import MINSK
from tasks.invoice_lines import holds, lines_lock
from tasks.obligations import lift, open_obligation

AGREEMENT, CLAUSE = "SSL", "SSL-7.6"


@dataclass(frozen=True, order=True)
class ActOf:
    """Whose act, of which month, in which currency."""

    month: str
    customer_id: int
    currency: str

    @property
    def subject(self) -> str:
        """The subject of its obligations."""
        return f"{AGREEMENT} {self.month} customer {self.customer_id}"

    def wording(self, edition: int) -> str:
        """What is owed of an edition."""
        return f"send edition {edition} of the act in {self.currency}"


@dataclass(frozen=True)
class DueAct:
    """An act that can be made out now."""

    of: ActOf
    edition: int
    customer: str
    lines: int
    total_minor: int


def act_number(agreement: str, year: int, number: int) -> str:
    """An act's number as people write it: SSL-A-2026-000017, which is no order's."""
    return f"{agreement}-A-{year}-{number:06d}"


def known_customers(session: Session, agreement: str, emails: Collection[str]) -> dict[str, int]:
    """The customers of an agreement among these addresses (lower case): their rows' ids by address."""
    query = select(Customer.email, Customer.id).where(Customer.agreement == agreement, Customer.email.in_(emails))
    return {email: number for email, number in session.execute(query)}  # noqa: C416 - rows are not pairs to mypy


def acted_lines(session: Session, agreement: str, names: Collection[str]) -> dict[str, InvoiceLine]:
    """The statements of these lines that stand in customers' acts, by line."""
    query = select(InvoiceLine).join(MonthlyActLine, MonthlyActLine.line_id == InvoiceLine.id)
    rows = session.scalars(query.where(InvoiceLine.agreement == agreement, InvoiceLine.line.in_(names)))
    return {row.line: row for row in rows}


def _fresh(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Lines as they stand of which no statement is in an act yet."""
    other = aliased(InvoiceLine)
    acted = exists().where(
        other.agreement == InvoiceLine.agreement, other.line == InvoiceLine.line, MonthlyActLine.line_id == other.id
    )
    condition = (InvoiceLine.agreement == AGREEMENT) & holds() & ~acted
    for one in where:
        condition &= one
    return condition


def sign_of(row: InvoiceLine) -> int:
    """How a line counts in an act: 1, 0, or -1 for what takes back."""
    return counts(LineState(row.state), bool(row.corrects))


def place_of(row: InvoiceLine) -> tuple[date, date, str, str]:
    """Lines stand in an act by period, invoice and line."""
    return row.begins_on, row.ends_on, row.invoice, row.line


def _lines_due(session: Session, of: ActOf) -> list[InvoiceLine]:
    """The lines of a coming act, in their order."""
    query = select(InvoiceLine).join(Customer, (Customer.email == InvoiceLine.customer))
    query = query.where(
        _fresh(InvoiceLine.month == of.month, InvoiceLine.currency == of.currency),
        Customer.agreement == AGREEMENT,
        Customer.id == of.customer_id,
    )
    rows = [row for row in session.scalars(query) if sign_of(row)]
    return sorted(rows, key=place_of)


def _next_edition(session: Session, of: ActOf) -> int:
    query = select(func.count()).select_from(MonthlyAct)
    return session.scalar(query.where(*_acts_of(of))) or 0


def _acts_of(of: ActOf) -> tuple[ColumnElement[bool], ...]:
    return (
        MonthlyAct.agreement == AGREEMENT,
        MonthlyAct.month == of.month,
        MonthlyAct.customer_id == of.customer_id,
        MonthlyAct.currency == of.currency,
    )


def owe_acts(session: Session, touched: Iterable[ActOf], *, now: datetime) -> None:
    """Open the obligation of each act that now has lines, or lift it where none are left (SSL-7.6).

    Due at the end of the month's last day, in Minsk: a line that is recorded later is late from the start.
    """
    for of in sorted(touched):
        wording = of.wording(_next_edition(session, of))
        if _lines_due(session, of):
            deadline = act_due(of.month)
            open_obligation(session, clause=CLAUSE, subject=of.subject, what=wording, deadline=deadline, now=now)
        else:
            lift(session, subject=of.subject, why="no line is left to be acted", now=now, what=wording)


def owed_act(session: Session, act: MonthlyAct) -> Obligation | None:
    """The obligation that an act's letter fulfils."""
    of = ActOf(act.month, act.customer_id, act.currency)
    return session.scalar(
        select(Obligation).where(
            Obligation.clause == CLAUSE, Obligation.subject == of.subject, Obligation.what == of.wording(act.edition)
        )
    )


def due_acts(office: Office, *, day: date, month: str | None = None) -> list[DueAct]:
    """The acts that can be made out on a day in Minsk: of every month whose last day has come, or of one month.

    Raises Refused for a month whose last day has not come.
    """
    if month is not None and last_day(month) > day:
        raise Refused("early", f"acts of {month} are dated its last day")
    over = InvoiceLine.month == month if month else InvoiceLine.month <= f"{day:%Y-%m}"
    with reading(office.sessions) as session:
        query = select(InvoiceLine, Customer).join(
            Customer, (Customer.email == InvoiceLine.customer) & (Customer.agreement == AGREEMENT)
        )
        lines: dict[ActOf, list[int]] = {}
        names: dict[int, str] = {}
        for row, customer in session.execute(query.where(_fresh(over))):
            of = ActOf(row.month, customer.id, row.currency)
            if last_day(of.month) <= day and sign_of(row):
                lines.setdefault(of, []).append(sign_of(row) * row.net_minor)
                names[customer.id] = customer.name
        return [
            DueAct(of, _next_edition(session, of), names[of.customer_id], len(sums), sum(sums))
            for of, sums in sorted(lines.items())
        ]


def make_act(office: Office, of: ActOf, *, now: datetime) -> str | None:
    """Make out an act: its number, its lines, its sum, all at once; None when its lines are in an act already.

    Dated the last day of its month, and numbered in that day's year. Raises Refused before that day.
    """
    dated = last_day(of.month)
    if local_date(now, MINSK) < dated:
        raise Refused("early", f"acts of {of.month} are dated its last day")
    with transaction(office.sessions) as session:
        one_at_a_time(session, lines_lock(AGREEMENT))
        lines = _lines_due(session, of)
        if not lines:
            return None
        last = session.scalar(
            select(func.max(MonthlyAct.number)).where(MonthlyAct.agreement == AGREEMENT, MonthlyAct.year == dated.year)
        )
        act = MonthlyAct(
            agreement=AGREEMENT,
            month=of.month,
            customer_id=of.customer_id,
            currency=of.currency,
            edition=_next_edition(session, of),
            year=dated.year,
            number=(last or 0) + 1,
            total_minor=sum(sign_of(row) * row.net_minor for row in lines),
            dated=dated,
            made_at=now,
        )
        session.add(act)
        session.flush()
        session.add_all(MonthlyActLine(line_id=row.id, act_id=act.id) for row in lines)
        return act_number(act.agreement, act.year, act.number)
