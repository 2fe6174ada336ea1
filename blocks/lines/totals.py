"""Canonical lists of lines added up, read back in order, and put together.

DuckDB adds in 128 bits and what leaves here fits into 64, so a sum is exact or refused, never wrapped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.errors import Refused
from blocks.lines.columns import SCHEMA
from blocks.lines.engine import engine
from blocks.lines.writing import canonical_file
from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import LineState, Total
from blocks.terms.revenue_split import counts
from blocks.terms.revenue_views import DataLine, TariffLine

LARGEST = 2**63 - 1
"""What a column of the ledger holds."""

BATCH = 8192
"""Lines that are held as Python objects at a time."""

PIECE = 65_536
"""Lines that are held as columns at a time."""

MOST_SUMS = 100_000
"""Services, tariffs and states that are added up apart: the data on invoices lists them on one worksheet."""

_TOTALS = """
    SELECT tariff, begins_on, ends_on, state, corrects <> '' AS back, count(*), sum(net_minor), sum(vat_minor)
    FROM read_parquet(?) WHERE state <> 'cancelled' GROUP BY ALL
"""
_SUMS = """
    SELECT service, tariff, state, corrects <> '' AS back, count(*), sum(net_minor), sum(vat_minor)
    FROM read_parquet(?) GROUP BY ALL LIMIT ?
"""


def fitting(value: int) -> int:
    """The sum itself. Raises Refused `too_large` past 64 bits."""
    if abs(value) > LARGEST:
        raise Refused("too_large", f"a sum of {value} tiyn is more than the ledger holds")
    return value


def totals(path: Path, *, scratch: Path) -> tuple[Total, ...]:
    """The lines that count by tariff and span of days, in that order. Raises Refused `too_large`."""
    found: dict[tuple[str, date, date], list[int]] = defaultdict(lambda: [0, 0, 0])
    with engine(scratch) as db:
        for tariff, begins_on, ends_on, state, back, lines, net, vat in db.execute(_TOTALS, [str(path)]).fetchall():
            if sign := counts(LineState(state), corrects=back):
                held = found[tariff, begins_on, ends_on]
                for at, value in enumerate((lines, sign * int(net), sign * int(vat))):
                    held[at] += value
    return tuple(
        Total(
            tariff=tariff,
            begins_on=begins_on,
            ends_on=ends_on,
            lines=lines,
            income_minor=fitting(income),
            vat_minor=fitting(vat),
        )
        for (tariff, begins_on, ends_on), (lines, income, vat) in sorted(found.items())
    )


def sums(path: Path, tariffs: TariffTable, *, scratch: Path) -> tuple[TariffLine, ...]:
    """All lines by service, tariff and state, in that order.

    Raises Refused `too_large`, `services` past MOST_SUMS, NotFound for a tariff.
    """
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    with engine(scratch) as db:
        rows = db.execute(_SUMS, [str(path), MOST_SUMS + 1]).fetchall()
        if len(rows) > MOST_SUMS:
            raise Refused("services", f"more than {MOST_SUMS} services, tariffs and states: a service is no customer's")
        for service, tariff, state, back, lines, net, vat in rows:
            held = found[service, tariff, state]
            for at, value in enumerate((lines, int(net), int(vat), counts(LineState(state), corrects=back) * int(net))):
                held[at] += value
    return tuple(
        TariffLine(
            service=service,
            tariff=tariff,
            title=tariffs.row(tariff).title,
            state=state,
            lines=lines,
            net_minor=fitting(net),
            vat_minor=fitting(vat),
            income_minor=fitting(income),
        )
        for (service, tariff, state), (lines, net, vat, income) in sorted(found.items())
    )


def data_lines(path: Path, *, scratch: Path) -> Generator[DataLine]:
    """Every line by invoice and line. The sort spills into `scratch`, so memory does not grow with the list."""
    query = f"SELECT {', '.join(DataLine._fields)} FROM read_parquet(?) ORDER BY invoice, line"  # noqa: S608
    with engine(scratch) as db:
        for batch in db.sql(query, params=[str(path)]).to_arrow_reader(BATCH):
            yield from map(DataLine._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def merge_lists(paths: Sequence[Path], target: Path, *, scratch: Path) -> int:
    """Puts canonical lists one after another into `target`, and says how many lines that are.

    The same lists give the same bytes. Raises Refused `same_line` where a line stands twice, be it in one list or in
    two: it names the first few. Then there is no `target`. Takes 8 bytes of memory a line.
    """
    repeated = _repeated(paths, scratch)
    if repeated:
        named = ", ".join(repeated[:5]) + (", …" if len(repeated) > 5 else "")
        raise Refused("same_line", f"{len(repeated)} lines stand more than once: {named}")
    with canonical_file(target) as merged:
        for path in paths:
            with pq.ParquetFile(path, pre_buffer=False) as source:
                for batch in source.iter_batches(PIECE, columns=SCHEMA.names, use_threads=False):
                    merged.add(pa.Table.from_batches([batch]))
    return int(pq.read_metadata(target).num_rows)


def _repeated(paths: Sequence[Path], scratch: Path) -> list[str]:
    """The lines that stand more than once, in their order: only those whose hashes meet are looked at."""
    if not paths:
        return []
    files = [str(path) for path in paths]
    with engine(scratch) as db:
        hashes = np.sort(_hashes(db, files))
        meeting = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(meeting):
            return []
        db.execute("CREATE TEMP TABLE meeting (hash UBIGINT)")
        db.executemany("INSERT INTO meeting VALUES (?)", [[int(each)] for each in meeting])
        rows = db.execute(
            """
            SELECT line FROM read_parquet(?) WHERE hash(line) IN (SELECT hash FROM meeting)
            GROUP BY line HAVING count(*) > 1 ORDER BY line
            """,
            [files],
        ).fetchall()
    return [line for (line,) in rows]


def _hashes(db: duckdb.DuckDBPyConnection, files: list[str]) -> Any:
    hashes, at = np.empty(sum(pq.read_metadata(file).num_rows for file in files), np.uint64), 0
    db.execute("SET preserve_insertion_order = false")
    for batch in db.sql("SELECT hash(line) FROM read_parquet(?)", params=[files]).to_arrow_reader(PIECE):
        hashes[at : at + batch.num_rows] = batch.column(0).to_numpy()
        at += batch.num_rows
    return hashes
