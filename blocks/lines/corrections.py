"""Lines that reach back, held against those that they name: counted once, never more taken back than was there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from blocks.lines.comparing import INCOME
from blocks.lines.engine import engine
from blocks.terms.revenue import Month

Why = Literal["counted", "unknown", "overdrawn"]


class Doubt(NamedTuple):
    """A correcting line that cannot be right, and the month of the list that says so.

    `counted`: it stands in that month's list already. `unknown`: that month's list has no such line to correct.
    `overdrawn`: all that corrects the line that it names takes back more than the line brought in.
    """

    line: str
    why: Why
    month: Month


_BACK = f"""
    CREATE TEMP TABLE back AS
    SELECT line, corrects, strftime(begins_on, '%Y-%m') AS span, {INCOME} AS income
    FROM read_parquet($path) WHERE corrects <> ''
"""  # noqa: S608 - a constant


def earliest(path: Path, *, scratch: Path) -> Month | None:
    """The first month that a list's correcting lines reach back into; None when it has none."""
    with engine(scratch) as db:
        [(first,)] = db.execute(
            "SELECT strftime(min(begins_on), '%Y-%m') FROM read_parquet($path) WHERE corrects <> ''",
            {"path": str(path)},
        ).fetchall()
    return None if first is None else str(first)


def doubts(path: Path, month: str, others: Mapping[str, Path], *, scratch: Path) -> tuple[Doubt, ...]:
    """What is wrong with the correcting lines of a list of `month`, by line.

    `others` are the whole lists of other months, from the first that is reached back into. Of a month whose list is
    not among them nothing is known, and nothing is said.
    """
    with engine(scratch) as db:
        db.execute(_BACK, {"path": str(path)})
        db.execute("CREATE TEMP TABLE named AS SELECT DISTINCT corrects AS line, span FROM back")
        db.execute("CREATE TEMP TABLE known (month VARCHAR)")
        db.execute("CREATE TEMP TABLE originals (line VARCHAR, span VARCHAR, income BIGINT)")
        db.execute("CREATE TEMP TABLE elsewhere (month VARCHAR, line VARCHAR, corrects VARCHAR, income BIGINT)")
        for of_month, list_of_month in {**others, month: path}.items():
            bound = {"path": str(list_of_month), "month": of_month}
            db.execute("INSERT INTO known VALUES ($month)", {"month": of_month})
            db.execute(
                f"INSERT INTO originals SELECT line, span, {INCOME} FROM read_parquet($path) "  # noqa: S608
                "JOIN named USING (line) WHERE span = $month AND corrects = ''",
                bound,
            )
            if of_month != month:
                db.execute(
                    f"INSERT INTO elsewhere SELECT $month, line, corrects, {INCOME} "  # noqa: S608
                    "FROM read_parquet($path) WHERE corrects <> ''",
                    bound,
                )
        rows = db.execute(_DOUBTS).fetchall()
    return tuple(Doubt(line, why, of_month) for line, why, of_month in rows)


_DOUBTS = """
    WITH taken AS (
        SELECT corrects AS line, sum(income) AS income
        FROM (SELECT corrects, income FROM back UNION ALL SELECT corrects, income FROM elsewhere) GROUP BY corrects
    ), overdrawn AS (
        SELECT line, span FROM originals JOIN taken USING (line)
        WHERE originals.income >= 0 AND originals.income + taken.income < 0
    )
    SELECT line, 'counted' AS why, elsewhere.month FROM back JOIN elsewhere USING (line)
    UNION
    SELECT back.line, 'unknown', span FROM back
    WHERE span IN (SELECT month FROM known)
        AND NOT EXISTS (SELECT 1 FROM originals o WHERE o.line = back.corrects AND o.span = back.span)
    UNION
    SELECT back.line, 'overdrawn', back.span FROM back JOIN overdrawn o ON o.line = back.corrects AND o.span = back.span
    ORDER BY ALL
"""
