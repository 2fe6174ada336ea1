"""A row in every table of the ledger, with a marker in every text of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Enum, Integer, LargeBinary, Table, insert

from blocks.ledger import Base, transaction
from blocks.ledger.types import UtcDateTime
from blocks.office import Office
from tasks.object_store import recognise

MARKER = "МАРКЕР-реестра-marker"
AT = datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def fill(office: Office) -> None:
    """Add the rows."""
    recognise(office)
    with transaction(office.sessions) as session:
        for table in Base.metadata.sorted_tables:
            session.execute(insert(table).values(_row(table)))


def _row(table: Table) -> dict[str, Any]:
    numbered = table.autoincrement_column
    return {column.name: _value(column) for column in table.columns if column is not numbered}


def _value(column: Column[Any]) -> Any:
    kind = column.type
    if column.foreign_keys or isinstance(kind, Integer):
        return 1
    simple: list[tuple[type[Any], Any]] = [
        (UtcDateTime, AT),
        (Date, date(2026, 11, 1)),
        (Boolean, True),
        (JSON, {"marker": MARKER, "list": [1, 2.5, None, True]}),
        (LargeBinary, MARKER.encode()),
    ]
    for of, value in simple:
        if isinstance(kind, of):
            return value
    if isinstance(kind, Enum):
        return kind.python_type(kind.enums[0])
    length = getattr(kind, "length", None)
    return f"{column.name} {MARKER}"[:length]
