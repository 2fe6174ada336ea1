"""Rows of the ledger into the canonical Parquet form: the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from blocks.lines.columns import SCHEMA

GROUP = 65_536
"""Rows in a row group, which is all that memory ever holds."""


def write_rows(rows: Iterable[tuple[Any, ...]], target: Path) -> int:
    """Write rows with the values of SCHEMA's columns, in their order; how many there were.

    The file is written beside `target` and renamed when it is whole.
    """
    draft, count, left = target.with_name(f".{target.name}.draft"), 0, iter(rows)
    try:
        with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            while group := list(islice(left, GROUP)):
                values = zip(*group, strict=True)
                columns = [pa.array(column, field.type) for column, field in zip(values, SCHEMA, strict=True)]
                writer.write_batch(pa.record_batch(columns, schema=SCHEMA), row_group_size=GROUP)
                count += len(group)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return count
