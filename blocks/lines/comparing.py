"""Our list and the Operator's compared line by line, without a join of millions.

Each side is added up by bucket of its line ids: how many lines, their income, and a 64-bit mix of what is compared of
each line. Counts and sums are exact, so what hides in buckets that agree cannot change the money; that differing lines
hide at all would take mixes that sum up alike by chance, about once in 10^18 pairs of buckets. Only lines in buckets
that differ are joined.

That a line stands twice in both lists, each time alike, would not be seen. It cannot be: our list has each line once,
for the intake refuses a repeated line there, and so does merge_lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb

from blocks.errors import Refused
from blocks.lines.engine import engine
from blocks.lines.totals import fitting
from blocks.terms.revenue import Cause, CauseTotal, Difference, Figures, Reconciliation

MOST = 200_000
"""Differences past which two lists are said not to belong together."""

BUCKETS = 2**18
"""A power of two, and more than MOST: as many differing buckets mean at least as many differing lines."""

_ORDER = {cause: place for place, cause in enumerate(Cause)}
_SIDES = ("ours", "theirs")
_FIGURES = ", ".join(Figures.model_fields)
INCOME = """CASE WHEN state = 'cancelled' THEN 0 WHEN state <> 'refunded' THEN net_minor
    WHEN corrects = '' THEN 0 ELSE -net_minor END"""
_LINES = f"(SELECT *, hash(line) AS id, {INCOME} AS income_minor FROM read_parquet($path))"  # noqa: S608


def reconcile(ours: Path, theirs: Path, *, month: str, key: str, scratch: Path) -> Reconciliation:
    """Two canonical lists compared; the order of their lines does not matter.

    Compared are counted income, first and last day, tariff and customer; issued against paid is no difference. A line
    that stands more than once on a side is a duplicate and nothing else. Raises Refused `unlike` past MOST
    differences, a duplicate counted as often as it stands, `too_large` where a side adds up to more than 64 bits.
    """
    with engine(scratch) as db:
        db.execute("SET preserve_insertion_order = false")
        sides = [_add_up(db, side, path, key) for side, path in zip(_SIDES, (ours, theirs), strict=True)]
        if _differing_buckets(db) > MOST:
            raise _unlike(sides)
        for side, path in zip(_SIDES, (ours, theirs), strict=True):
            _pick(db, side, path)
        if _differing_lines(db) > MOST:
            raise _unlike(sides)
        differences = tuple(_differences(db))
    (ours_lines, ours_minor), (theirs_lines, theirs_minor) = sides
    by_cause = tuple(_by_cause(differences))
    return Reconciliation(
        month=month,
        key=key,
        ours_lines=ours_lines,
        ours_minor=ours_minor,
        theirs_lines=theirs_lines,
        theirs_minor=theirs_minor,
        matched_lines=ours_lines - sum(len(each.ours) for each in differences),
        matched_minor=ours_minor - sum(each.ours_minor for each in by_cause),
        by_cause=by_cause,
        differences=differences,
    )


def _add_up(db: duckdb.DuckDBPyConnection, side: str, path: Path, key: str) -> tuple[int, int]:
    """Fills `<side>_buckets`, and gives the number of lines and their income."""
    salt = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
    db.execute(
        f"""
        CREATE TEMP TABLE {side}_buckets AS
        SELECT bucket, count(*) AS lines, sum(income_minor) AS income, sum(mix) AS mixes
        FROM (
            SELECT id & $mask::UBIGINT AS bucket, income_minor,
                (hash(hash($salt::UBIGINT, id, customer, tariff, begins_on, ends_on, income_minor)) >> 1)::BIGINT AS mix
            FROM {_LINES}
        )
        GROUP BY bucket
        """,  # noqa: S608
        {"path": str(path), "mask": BUCKETS - 1, "salt": salt},
    )
    [(lines, income)] = db.execute(
        f"SELECT coalesce(sum(lines), 0), coalesce(sum(income), 0) FROM {side}_buckets"  # noqa: S608
    ).fetchall()
    return int(lines), fitting(int(income))


def _differing_buckets(db: duckdb.DuckDBPyConnection) -> int:
    """Sets the variable `differing` to a bit for each bucket, and counts those that differ."""
    db.execute(
        f"""
        SET VARIABLE differing = (
            SELECT bitstring_agg(coalesce(o.bucket, t.bucket)::INTEGER, 0, {BUCKETS - 1})
            FROM ours_buckets o FULL JOIN theirs_buckets t USING (bucket)
            WHERE (o.lines, o.income, o.mixes) IS DISTINCT FROM (t.lines, t.income, t.mixes)
        )
        """  # noqa: S608
    )
    db.execute("DROP TABLE ours_buckets; DROP TABLE theirs_buckets")
    [(count,)] = db.execute("SELECT coalesce(bit_count(getvariable('differing')), 0)").fetchall()
    return int(count)


def _pick(db: duckdb.DuckDBPyConnection, side: str, path: Path) -> None:
    """Fills `<side>` with the lines in buckets that differ."""
    db.execute(
        f"""
        CREATE TEMP TABLE {side} AS
        SELECT line, {_FIGURES} FROM {_LINES}
        WHERE get_bit(getvariable('differing'), (hash(line) & $mask::UBIGINT)::INTEGER) = 1
        """,  # noqa: S608
        {"path": str(path), "mask": BUCKETS - 1},
    )


_SIDE = """
    SELECT line, count(*) AS times, any_value(customer) AS customer, any_value(tariff) AS tariff,
        any_value(begins_on) AS begins_on, any_value(ends_on) AS ends_on, any_value(income_minor) AS income_minor
    FROM {} GROUP BY line
"""


def _differing_lines(db: duckdb.DuckDBPyConnection) -> int:
    """Fills `differing` with each line that differs and its causes, and counts them as often as a side has them."""
    db.execute(
        f"""
        CREATE TEMP TABLE differing AS
        SELECT line, CASE
            WHEN o.times > 1 OR t.times > 1 THEN ['{Cause.DUPLICATE}']
            WHEN t.line IS NULL THEN ['{Cause.MISSING_AT_THEM}']
            WHEN o.line IS NULL THEN ['{Cause.MISSING_AT_US}']
            ELSE list_filter([
                CASE WHEN o.income_minor <> t.income_minor THEN '{Cause.AMOUNT}' END,
                CASE WHEN o.tariff <> t.tariff THEN '{Cause.TARIFF}' END,
                CASE WHEN o.begins_on <> t.begins_on OR o.ends_on <> t.ends_on THEN '{Cause.PERIOD}' END,
                CASE WHEN o.customer <> t.customer THEN '{Cause.CUSTOMER}' END
            ], lambda cause: cause IS NOT NULL) END AS causes,
            greatest(coalesce(o.times, 0), coalesce(t.times, 0)) AS times
        FROM ({_SIDE.format("ours")}) o FULL JOIN ({_SIDE.format("theirs")}) t USING (line)
        WHERE len(causes) > 0
        """  # noqa: S608
    )
    [(count,)] = db.execute("SELECT coalesce(sum(times), 0) FROM differing").fetchall()
    return int(count)


def _differences(db: duckdb.DuckDBPyConnection) -> list[Difference]:
    """By cause and line. Several figures of a line on a side come in an order that does not hang on the list's."""
    figures = {side: _figures(db, side) for side in _SIDES}
    found = [
        Difference(
            line=line,
            causes=tuple(map(Cause, causes)),
            ours=figures["ours"].get(line, ()),
            theirs=figures["theirs"].get(line, ()),
        )
        for line, causes in db.execute("SELECT line, causes FROM differing").fetchall()
    ]
    return sorted(found, key=lambda each: (_ORDER[each.cause], each.line))


def _figures(db: duckdb.DuckDBPyConnection, side: str) -> dict[str, tuple[Figures, ...]]:
    rows = db.execute(
        f"SELECT line, {_FIGURES} FROM {side} SEMI JOIN differing USING (line) ORDER BY ALL"  # noqa: S608
    ).fetchall()
    return {line: tuple(map(_of_row, same)) for line, same in groupby(rows, itemgetter(0))}


def _of_row(row: Sequence[Any]) -> Figures:
    return Figures(**dict(zip(Figures.model_fields, row[1:], strict=True)))


def _by_cause(differences: Sequence[Difference]) -> Iterable[CauseTotal]:
    for cause, same in groupby(differences, lambda each: each.cause):
        counted = list(same)
        yield CauseTotal(
            cause=cause,
            lines=len(counted),
            ours_minor=sum(one.income_minor for each in counted for one in each.ours),
            theirs_minor=sum(one.income_minor for each in counted for one in each.theirs),
        )


def _unlike(sides: Sequence[tuple[int, int]]) -> Refused:
    (ours_lines, ours_minor), (theirs_lines, theirs_minor) = sides
    return Refused(
        "unlike",
        f"more than {MOST} lines differ or repeat, so the lists do not belong together: ours has {ours_lines} lines "
        f"and {ours_minor} tiyn, the Operator's {theirs_lines} lines and {theirs_minor} tiyn",
    )
