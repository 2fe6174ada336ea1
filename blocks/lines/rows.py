"""Rows of the ledger into the canonical Parquet form: the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from blocks.lines.columns import SCHEMA
from blocks.lines.writing import canonical_file

BATCH = 65_536


def write_rows(rows: Iterable[tuple[Any, ...]], target: Path) -> int:
    """Write rows with the values of SCHEMA's columns, in their order; how many there were."""
    count, left = 0, iter(rows)
    with canonical_file(target) as file:
        while batch := list(islice(left, BATCH)):
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*batch, strict=True), SCHEMA, strict=True)
            ]
            file.add(pa.Table.from_arrays(columns, schema=SCHEMA))
            count += len(batch)
    return count
