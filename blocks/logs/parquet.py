"""Log records as Parquet: columns class, project, ended_at, residency, body; a row becomes a line as JSON Lines are.

`class` is text or a list of texts, `ended_at` text or a timestamp with a zone, `body` a JSON value as text or bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from blocks.errors import Refused
from blocks.logs.records import LINE_BYTES

COLUMNS = ("class", "project", "ended_at", "residency", "body")
_ROWS = 1024
_BLOCK = 1024 * 1024
_GROUP_BYTES = 128 * 1024 * 1024
"""Of a row group, uncompressed: writers' usual size, and what is held at a time."""


def read_rows(path: Path) -> Iterator[list[bytes]]:
    """The rows of a file as lines, in blocks. Raises Refused for another shape, a damaged file or a bomb."""
    try:
        texts = _checked(pq.read_schema(path))
        with pq.ParquetFile(path, pre_buffer=False, read_dictionary=texts) as file:
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).total_byte_size > _GROUP_BYTES:
                    raise Refused("bomb", f"a row group holds more than {_GROUP_BYTES} bytes")
                for rows in file.iter_batches(_ROWS, row_groups=[group], columns=list(COLUMNS), use_threads=False):
                    yield from _blocks(rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Refused("unreadable", f"the Parquet file is cut off or damaged: {type(error).__name__}") from None


def _checked(schema: pa.Schema) -> list[str]:
    """The columns of texts. Raises Refused("columns") for columns that do not hold what they should."""
    texts: list[str] = []
    for name in COLUMNS:
        index = schema.get_field_index(name)
        if index < 0:
            raise Refused("columns", f"the columns are {', '.join(COLUMNS)}: {name} is missing, or there twice")
        if not _fits(name, schema.field(index).type):
            raise Refused("columns", f"{name}: cannot be {schema.field(index).type}")
        if not pa.types.is_list(schema.field(index).type) and not pa.types.is_timestamp(schema.field(index).type):
            texts.append(name)
    return texts


def _fits(name: str, kind: pa.DataType) -> bool:
    kind = _plain(kind)
    if name == "class" and pa.types.is_list(kind):
        kind = _plain(kind.value_type)
    if name == "ended_at" and pa.types.is_timestamp(kind):
        return bool(kind.tz)
    if name == "body" and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return True
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _blocks(rows: pa.RecordBatch) -> Iterator[list[bytes]]:
    columns = [_guarded(rows.column(name)) for name in COLUMNS]
    lines: list[bytes] = []
    size = 0
    for row in range(rows.num_rows):
        line = _line([column[row].as_py() for column in columns])
        lines.append(line)
        size += len(line)
        if size > _BLOCK:
            yield lines
            lines, size = [], 0
    yield lines


def _guarded(column: pa.Array) -> pa.Array:
    """A column whose texts are of a record's size: a dictionary may name a huge one in thousands of rows."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", "UTC"), safe=False)
    held = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not pa.types.is_list(held.type) and (pc.max(pc.binary_length(held)).as_py() or 0) > LINE_BYTES:
        raise Refused("records", "a value is longer than 1 MiB")
    return column


def _line(values: list[Any]) -> bytes:
    """A row as a line. A body that is no JSON makes a line that is none: `records` then tells of it by its number."""
    record = dict(zip(COLUMNS, values, strict=True))
    body = record["body"]
    if isinstance(record["ended_at"], datetime):
        record["ended_at"] = record["ended_at"].isoformat()
    if body is not None:
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            return b"?"
        told = body if isinstance(body, bytes) else body.encode()
        # Between the tokens of JSON alone can a line feed stand.
        record["body"] = orjson.Fragment(told.replace(b"\n", b" "))
    return orjson.dumps(record)
