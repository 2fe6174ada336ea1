"""What a database holds, in figures: rows by table, and one digest of all of them.

Tables are read as they are found, not as the models name them, so that a copy of an older schema can be compared too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, MetaData, String, Table, literal, select

_AT_ONCE = 2000
REVISION = "alembic_version"
"""The table of the schema's revision; it has a row in an empty ledger, too."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Tally:
    """Rows by table, the SHA-256 of what they hold (hex), the schema's revision ("" where there is none)."""

    counts: Mapping[str, int]
    digest: str
    revision: str


def tally(connection: Connection) -> Tally:
    """Count and hash every row of every table, in the order of table names and primary keys, a few rows at a time.

    A row is its values in canonical JSON, in the order of column names; moments are in UTC. The same on SQLite and
    PostgreSQL. To be told what one moment held, give a connection in a transaction that sees one snapshot.
    """
    whole, counts, revision = hashlib.sha256(), {}, ""
    for table in _tables(connection):
        names = sorted(column.name for column in table.columns)
        whole.update(f"{table.name}\n{json.dumps(names)}\n".encode())
        counts[table.name] = _rows(connection, table, names, whole)
        if table.name == REVISION:
            revision = str(connection.execute(select(table.c.version_num)).scalar_one())
    return Tally(counts, whole.hexdigest(), revision)


def holding_rows(connection: Connection) -> list[str]:
    """The tables that hold rows, but for that of the schema's revision."""
    return [
        table.name
        for table in _tables(connection)
        if table.name != REVISION and connection.execute(select(literal(1)).select_from(table).limit(1)).first()
    ]


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return sorted(found.tables.values(), key=lambda table: table.name)


def _rows(connection: Connection, table: Table, names: list[str], whole: _Hash) -> int:
    order = [_plain(column, connection) for column in (table.primary_key.columns or table.columns)]
    query = select(*(table.c[name] for name in names)).order_by(*order)
    count = 0
    for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        line = json.dumps(list(row), default=_value, sort_keys=True, separators=(",", ":"))
        whole.update(f"{line}\n".encode())
        count += 1
    return count


def _plain(column: Column[Any], connection: Connection) -> ColumnElement[Any]:
    """The column in an order that no server's locale decides."""
    if connection.dialect.name == "postgresql" and isinstance(column.type, String):
        return column.collate("C")
    return column


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
