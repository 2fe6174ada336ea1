"""Canonical lists for the tests, and what they come to, reckoned line by line in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from blocks.lines.columns import SCHEMA
from blocks.terms.revenue import Cause, Figures
from blocks.terms.revenue_views import DataLine

GOOD = DataLine(
    line="L-1",
    invoice="INV-1",
    customer="anna@example.kz",
    cart="",
    service="Телевидение",
    tariff="TV-BASE",
    begins_on=date(2026, 10, 1),
    ends_on=date(2026, 10, 31),
    quantity_milli=1000,
    price_minor=149_000,
    net_minor=149_000,
    vat_bp=1600,
    vat_minor=23_840,
    state="issued",
    corrects="",
)


def line(name: str = "L-1", **changes: Any) -> DataLine:
    """A good line of October 2026 with changes."""
    return GOOD._replace(line=name, **changes)


def write(path: Path, lines: Sequence[DataLine], *, rows: int = 262_144) -> Path:
    """A canonical file of those lines in row groups of that many."""
    columns = list(zip(*lines, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path, row_group_size=rows)
    return path


def income(one: DataLine) -> int:
    """What a line adds to the income (OCP-P5.1)."""
    if one.state == "refunded":
        return -one.net_minor if one.corrects else 0
    return 0 if one.state == "cancelled" else one.net_minor


def figures(one: DataLine) -> Figures:
    """A line as a difference shows it."""
    held = {name: getattr(one, name) for name in Figures.model_fields if name != "income_minor"}
    return Figures(**held, income_minor=income(one))


Found = dict[str, tuple[tuple[Cause, ...], list[Figures], list[Figures]]]


def compared(ours: Sequence[DataLine], theirs: Sequence[DataLine]) -> Found:
    """Every line that differs, with its causes and what stands on each side, sorted by its text."""
    sides: list[dict[str, list[DataLine]]] = [defaultdict(list), defaultdict(list)]
    for side, lines in zip(sides, (ours, theirs), strict=True):
        for one in lines:
            side[one.line].append(one)
    found: Found = {}
    for name in {*sides[0], *sides[1]}:
        here, there = sides[0].get(name, []), sides[1].get(name, [])
        if causes := _causes(here, there):
            found[name] = (causes, sorted(map(figures, here), key=repr), sorted(map(figures, there), key=repr))
    return found


def _causes(here: Sequence[DataLine], there: Sequence[DataLine]) -> tuple[Cause, ...]:
    if len(here) > 1 or len(there) > 1:
        return (Cause.DUPLICATE,)
    if not there:
        return (Cause.MISSING_AT_THEM,)
    if not here:
        return (Cause.MISSING_AT_US,)
    [one], [other] = here, there
    differs = {
        Cause.AMOUNT: income(one) != income(other),
        Cause.TARIFF: one.tariff != other.tariff,
        Cause.PERIOD: (one.begins_on, one.ends_on) != (other.begins_on, other.ends_on),
        Cause.CUSTOMER: one.customer != other.customer,
    }
    return tuple(cause for cause, here in differs.items() if here)
