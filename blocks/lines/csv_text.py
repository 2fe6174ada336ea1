"""Lists as text: UTF-8 or Windows-1251, comma or semicolon, read strictly.

The CSV reader of Arrow is quick and lenient, so each piece of a file is first seen to be strict: quotes stand around
whole cells and nowhere else but doubled, lines end with LF or CRLF, and rows are even.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from blocks.errors import Refused
from blocks.lines.cells import TEXTS
from blocks.lines.csv_form import BOM, encoding_of, strict, widths
from blocks.lines.headings import Batch, english

PIECE = 4 * 1024 * 1024
"""Bytes read at once; a row is shorter."""
_HEAD = 64 * 1024
_CR = 0x0D
_ENDLESS = "the row does not end within 4 MB"


@dataclass(frozen=True)
class CsvList:
    """A list as CSV: how it is written, where its rows begin, and its columns in order."""

    source: Path
    encoding: str
    start: int
    delimiter: str
    keys: tuple[str, ...]

    def batches(self) -> Iterator[Batch]:
        """Its rows. A fault of the form after which no row is certain ends them."""
        row = 2
        for piece in _pieces(self.source, self.start):
            text, wrong = self._strict_rows(piece)
            if text:
                batch = self.parsed(text, row)
                yield batch
                row += len(batch.rows) + len(batch.faults)
            if wrong:
                yield Batch(np.empty(0, np.int64), self._no_rows(), {(row, ""): wrong})
                return

    def _strict_rows(self, piece: bytes) -> tuple[bytes, str]:
        """The strict rows that a piece begins with, as UTF-8, and what is wrong with the next, or ''."""
        text, wrong = _utf8(piece, self.encoding)
        fault = strict(text, self.delimiter)
        if fault is not None:
            return text[: _record_end(text, 0, fault[0], last=True)], fault[1]
        if text and not text.endswith(b"\n"):
            return b"", _ENDLESS
        return text, wrong

    def _no_rows(self) -> dict[str, pa.Array]:
        return {key: pa.array([], pa.string()) for key in self.keys}

    def parsed(self, text: bytes, row: int) -> Batch:
        """The rows of a strict piece, of which the first is that `row`; uneven ones are faults."""
        try:
            table = self._read(text)
        except pa.ArrowInvalid:
            return self._uneven(text, row)
        return Batch(np.arange(row, row + table.num_rows), _columns(table))

    def _uneven(self, text: bytes, row: int) -> Batch:
        """A piece in which some rows are uneven: they are faults, and the others are read."""
        ends, counts = widths(text, self.delimiter)
        rows = [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        even = (counts == len(self.keys)) | np.array([row in {b"\n", b"\r\n"} for row in rows])
        kept = b"".join(rows[at] for at in np.flatnonzero(even))
        columns = _columns(self._read(kept)) if kept else self._no_rows()
        faults = {
            (row + int(at), ""): f"{counts[at]} cells, and the heading has {len(self.keys)}"
            for at in np.flatnonzero(~even)
        }
        return Batch(row + np.flatnonzero(even), columns, faults)

    def _read(self, text: bytes) -> pa.Table:
        text = BOM + text if text.startswith(BOM) else text  # the reader drops one
        types = {key: pa.string() if key in TEXTS else pa.dictionary(pa.int32(), pa.string()) for key in self.keys}
        return arrow_csv.read_csv(
            pa.BufferReader(text),
            arrow_csv.ReadOptions(column_names=list(self.keys), block_size=len(text) + 1, use_threads=False),
            arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            arrow_csv.ConvertOptions(column_types=types, check_utf8=False),
        )


def open_csv(source: Path) -> CsvList:
    """Look through a text and read its heading. Raises Refused for what is no list."""
    encoding = encoding_of(source)
    with source.open("rb") as file:
        head = file.read(_HEAD)
    skip = len(BOM) if head.startswith(BOM) else 0
    line = head[skip : _record_end(head, skip, len(head)) or len(head)]
    if not line:
        raise Refused("unreadable", "the file is empty")
    if len(line) + skip == _HEAD:
        raise Refused("unreadable", "row 1: not a heading, it is too long")
    text = line.decode(encoding, "replace")
    delimiter = ";" if ";" in "".join(text.split('"')[::2]) else ","
    fault = strict(line, delimiter)
    if fault is not None:
        raise Refused("unreadable", f"row 1: {fault[1]}")
    cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    return CsvList(source, encoding, skip + len(line), delimiter, tuple(english(cells)))


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    return {key: table[key].combine_chunks() for key in table.column_names}


def _utf8(piece: bytes, encoding: str) -> tuple[bytes, str]:
    """The rows before one that holds a byte of no encoding, and what is said of that one, or ''."""
    if encoding == "utf-8":
        return piece, ""
    try:
        return piece.decode(encoding).encode(), ""
    except UnicodeDecodeError as error:
        before = piece[: _record_end(piece, 0, error.start, last=True)]
        return before.decode(encoding).encode(), "a byte that is neither UTF-8 nor Windows-1251"


def _pieces(source: Path, start: int) -> Iterator[bytes]:
    """A file from `start` in pieces of whole rows, each row with its line end; empty lines at the end are left out.

    A row longer than a piece comes as a piece without an end.
    """
    rest = b""
    with source.open("rb") as file:
        file.seek(start)
        while True:
            read = file.read(PIECE - len(rest))
            data = rest + read
            if len(data) < PIECE:
                break
            end = _record_end(data, 0, len(data), last=True)
            if not end:
                yield data
                return
            end = _without_empty(data, end, at_least=end // 2)
            yield data[:end]
            rest = data[end:]
    data = data if data.endswith(b"\n") else data + b"\n"
    data = data[: _without_empty(data, len(data))]
    if data.strip(b"\r\n"):
        yield data


def _without_empty(data: bytes, end: int, *, at_least: int = 0) -> int:
    """Where the last row that is not empty ends, or some empty one before `at_least`."""
    while end > at_least and data.endswith((b"\n\n", b"\n\r\n"), 0, end):
        end -= 2 if data[end - 2] == _CR else 1
    return end


def _record_end(data: bytes, start: int, stop: int, *, last: bool = False) -> int:
    """Where the first or the last row ends between two places: after a line feed outside quotes; 0 if nowhere."""
    quotes = data.count(b'"', start, stop) if last else 0
    at = stop if last else start
    while True:
        found = data.rfind(b"\n", start, at) if last else data.find(b"\n", at, stop)
        if found < 0:
            return 0
        quotes += -data.count(b'"', found, at) if last else data.count(b'"', at, found)
        if quotes % 2 == 0:
            return found + 1
        at = found if last else found + 1
