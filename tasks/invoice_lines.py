"""Invoice lines on record (OCP-3.2.6): which statement of each holds, and a month of them as a file.

A line may be stated many times; the statement with the latest moment holds, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.elements import ColumnClause

from blocks.ledger import Act, ActState, InvoiceLine
from blocks.lines.columns import SCHEMA
from blocks.lines.rows import BATCH, write_rows
from blocks.terms.lines import LineFacts
from blocks.terms.revenue import LineState

_MADE_OUT = (ActState.MADE, ActState.SIGNED, ActState.CLOSED)


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


def _by_line(session: Session) -> ColumnElement[str]:
    """The order of bytes, on every database."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    return InvoiceLine.line.collate("C" if postgresql else "BINARY")


def _of_month(session: Session, agreement: str, month: str) -> Select[tuple[InvoiceLine]]:
    query = select(InvoiceLine).where(InvoiceLine.agreement == agreement, InvoiceLine.month == month, holds())
    return query.order_by(_by_line(session))


def current_lines(session: Session, agreement: str, month: str) -> Sequence[InvoiceLine]:
    """The lines that are reported in a month, as they stand, by line."""
    return session.scalars(_of_month(session, agreement, month)).all()


def lines_of_customer(session: Session, agreement: str, customer: str) -> Sequence[InvoiceLine]:
    """The lines of one customer of an agreement, as they stand, by month and line."""
    query = select(InvoiceLine).where(InvoiceLine.agreement == agreement, InvoiceLine.customer == customer, holds())
    return session.scalars(query.order_by(InvoiceLine.month, _by_line(session))).all()


def export_month(session: Session, agreement: str, month: str, target: Path) -> int:
    """Write the lines of a month, as they stand, as canonical Parquet in the order of `line`; how many there are.

    The same lines give the same bytes; a month without lines gives a file without rows.
    """
    columns: list[ColumnClause[object]] = [getattr(InvoiceLine, name) for name in SCHEMA.names]
    query = _of_month(session, agreement, month).with_only_columns(*columns).execution_options(yield_per=BATCH)
    return write_rows((tuple(row) for row in session.execute(query)), target)


def months_made_out(session: Session, agreement: str) -> frozenset[str]:
    """The months that take no more lines: their act is made out, and none is open. Only the ОЦП has such acts."""
    if agreement != "OCP":
        return frozenset()
    made = session.scalars(select(Act.month).where(Act.state.in_(_MADE_OUT))).all()
    return frozenset(made) - frozenset(session.scalars(select(Act.month).where(Act.state.not_in(_MADE_OUT))).all())


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
