"""Lists as Parquet: with the headings of a list as columns, or in the canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from blocks.errors import Refused
from blocks.lines.columns import SCHEMA
from blocks.lines.headings import OPTIONAL, Batch, english

_ROWS = 65_536
_LONGEST = 64 * 1024
"""Bytes of a text that are read at all: a dictionary may name one text in millions of rows."""
_CANONICAL = {
    "begins_on": "from",
    "ends_on": "to",
    "quantity_milli": "quantity",
    "price_minor": "price",
    "net_minor": "net",
    "vat_bp": "vat_rate",
    "vat_minor": "vat",
}
_PLACES = {"quantity": 3, "price": 2, "net": 2, "vat_rate": 2, "vat": 2}


@dataclass(frozen=True)
class ParquetList:
    """A list as Parquet: English heading by column, and whether its whole numbers are minor units."""

    source: Path
    keys: dict[str, str]
    canonical: bool

    def batches(self) -> Iterator[Batch]:
        """Its records. Raises Refused where the file is damaged."""
        row = 1
        try:
            with pq.ParquetFile(self.source, pre_buffer=False) as file, self._by_dictionary() as words:
                for group in range(file.num_row_groups):
                    _look_at_words(words, group)
                    for records in file.iter_batches(_ROWS, row_groups=[group], use_threads=False):
                        yield self._batch(records, row)
                        row += records.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from None

    def _by_dictionary(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.source, pre_buffer=False, read_dictionary=list(self.keys))

    def _batch(self, records: pa.RecordBatch, row: int) -> Batch:
        columns: dict[str, pa.Array] = {}
        faults: dict[tuple[int, str], str] = {}
        for key, column in zip(self.keys.values(), records.columns, strict=True):
            columns[key], absent = _text(column, _PLACES.get(key, 0) if self.canonical else 0)
            if key not in OPTIONAL:
                faults |= {(row + int(at), key): "null" for at in absent}
        return Batch(np.arange(row, row + records.num_rows), columns, faults)


def open_parquet(source: Path) -> ParquetList:
    """Read the foot of a file. Raises Refused for what is no list."""
    try:
        schema = pq.read_schema(source)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error) from None
    canonical = schema.names == SCHEMA.names
    names = [_CANONICAL.get(name, name) for name in schema.names] if canonical else schema.names
    keys = english(names)
    for key, column in zip(keys, schema, strict=True):
        _check_type(key, column.type, whole=canonical)
    return ParquetList(source, dict(zip(schema.names, keys, strict=True)), canonical)


def _damaged(error: Exception) -> Refused:
    return Refused("unreadable", f"the Parquet file is cut off or damaged: {str(error)[:200]}")


def _check_type(key: str, kind: pa.DataType, *, whole: bool) -> None:
    """Raise Refused for a type that cannot hold what the column means exactly."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if key in _PLACES and pa.types.is_floating(kind):
        raise Refused("columns", f"{key}: a float cannot hold money: give decimals, whole numbers or text")
    if key in {"from", "to"}:
        fits = _is_text(kind) or pa.types.is_date32(kind)
    elif key in _PLACES:
        most = 3 if key == "quantity" else 2
        fits = pa.types.is_integer(kind) or (
            not whole and (_is_text(kind) or (pa.types.is_decimal(kind) and 0 <= kind.scale <= most))
        )
    else:
        fits = _is_text(kind) or pa.types.is_integer(kind) or (key in OPTIONAL and pa.types.is_null(kind))
    if not fits:
        raise Refused("columns", f"{key}: cannot be {kind}")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _look_at_words(words: pq.ParquetFile, group: int) -> None:
    """Refuse a dictionary of huge texts before it is multiplied by the rows that name them."""
    first = next(words.iter_batches(1, row_groups=[group], use_threads=False), None)
    for column in first.columns if first is not None else ():
        held = column.dictionary if pa.types.is_dictionary(column.type) else column
        if _is_text(held.type) and (pc.max(pc.binary_length(held.cast(pa.string()))).as_py() or 0) > _LONGEST:
            raise Refused("unreadable", f"a text of more than {_LONGEST} bytes")


def _text(column: pa.Array, places: int) -> tuple[pa.Array, NDArray[np.intp]]:
    """A column as text without nulls, and where its nulls were."""
    absent = (
        np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)) if column.null_count else np.empty(0, np.intp)
    )
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type) or pa.types.is_null(column.type):
        text = column.cast(pa.string())
        return (text.fill_null("") if text.null_count else text), absent
    encoded = column.dictionary_encode(null_encoding="encode")
    cells = pa.array([_cell(value, places) for value in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, cells), absent


def _cell(value: int | Decimal | date | None, places: int) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        value = Decimal(value).scaleb(-places)
    return f"{value:f}" if isinstance(value, Decimal) else value.isoformat()
