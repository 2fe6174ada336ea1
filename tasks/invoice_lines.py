"""Invoice lines on record (OCP-3.2.6): which statement of each holds.

A line may be stated many times; the statement with the latest moment holds, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from blocks.ledger import Act, InvoiceLine
from blocks.terms.lines import LineFacts
from blocks.terms.revenue import LineState
from tasks.revenue_state import MADE_OUT


def lines_lock(agreement: str) -> str:
    """What `one_at_a_time` is asked for by whoever records lines of an agreement or makes out what stands on them."""
    return f"invoice lines of {agreement}"


def holds() -> ColumnElement[bool]:
    """Whether a statement is the latest of its line."""
    newer = aliased(InvoiceLine)
    return ~exists().where(
        newer.agreement == InvoiceLine.agreement,
        newer.line == InvoiceLine.line,
        newer.stated_at > InvoiceLine.stated_at,
    )


def months_made_out(session: Session, agreement: str) -> frozenset[str]:
    """The months that take no more lines: their act is made out, and none is open. Only the ОЦП has such acts."""
    if agreement != "OCP":
        return frozenset()
    made = session.scalars(select(Act.month).where(Act.state.in_(MADE_OUT))).all()
    return frozenset(made) - frozenset(session.scalars(select(Act.month).where(Act.state.not_in(MADE_OUT))).all())


def stated_before(session: Session, agreement: str, names: Collection[str]) -> dict[str, list[InvoiceLine]]:
    """Every statement on record of these lines, by line, in the order in which they came."""
    query = select(InvoiceLine).where(InvoiceLine.agreement == agreement, InvoiceLine.line.in_(names))
    found: dict[str, list[InvoiceLine]] = {}
    for row in session.scalars(query.order_by(InvoiceLine.id)):
        found.setdefault(row.line, []).append(row)
    return found


def facts_of(row: InvoiceLine) -> LineFacts:
    """A recorded line as the rules see it."""
    names = LineFacts.model_fields.keys() - {"state"}
    return LineFacts(**{name: getattr(row, name) for name in names}, state=LineState(row.state))
