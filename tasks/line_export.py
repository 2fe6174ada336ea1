"""A month of invoice lines on record as a file, for those who count them in millions."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnClause

from blocks.ledger import InvoiceLine
from blocks.lines.columns import SCHEMA
from blocks.lines.rows import BATCH, write_rows
from tasks.invoice_lines import holds


def export_month(session: Session, agreement: str, month: str, target: Path) -> int:
    """Write the lines of a month, as they stand, as canonical Parquet in the order of `line`; how many there are.

    The same lines give the same bytes, on every database; a month without lines gives a file without rows.
    """
    columns: list[ColumnClause[object]] = [getattr(InvoiceLine, name) for name in SCHEMA.names]
    bytewise = "C" if session.get_bind().dialect.name == "postgresql" else "BINARY"
    query = select(*columns).where(InvoiceLine.agreement == agreement, InvoiceLine.month == month, holds())
    rows = session.execute(query.order_by(InvoiceLine.line.collate(bytewise)).execution_options(yield_per=BATCH))
    return write_rows((tuple(row) for row in rows), target)
