"""The cells of a workbook as text. Run as a program of its own, so that no workbook can take the memory of another.

`python -m blocks.lines.sheet_cells SOURCE TARGET` writes an Arrow stream: columns by English heading, `row`, and
`faults` with what cannot be text, as JSON by column. What refuses the workbook is JSON on the standard output.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from blocks.errors import Refused
from blocks.lines.headings import english

MEMORY = 4 * 1024**3
"""Bytes of address space: a full sheet takes about half."""
_ROWS = 16_384
_EXACT = 2**53 / 1000
_NUMBERS = frozenset({"quantity", "price", "net", "vat_rate", "vat"})
_DAYS = frozenset({"from", "to"})


def cell(key: str, value: Any) -> tuple[str, str]:
    """A cell as text, and what is wrong with it or ''."""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, bool):
        return "", "a truth value"
    if isinstance(value, (int, float)):
        return _number(key, value)
    if type(value) is date and key in _DAYS:
        return value.isoformat(), ""
    if type(value) is date:
        return "", "a date; write it as text"
    return "", "a time; only whole days count"


def _number(key: str, value: float) -> tuple[str, str]:
    """A number cell, which is a binary float: taken where its shortest form is what a person typed."""
    if key in _DAYS:
        return "", "a number; format the cell as a date"
    if abs(value) >= _EXACT:
        return "", "too large for a number cell; write it as text"
    exact = Decimal(repr(value))
    whole = exact == exact.to_integral_value()
    if key not in _NUMBERS and not whole:
        return "", "a number with a fraction; write it as text"
    return (str(int(exact)) if whole else f"{exact:f}"), ""


def rows_of(source: Path) -> Iterator[list[Any]]:
    """The rows of the only sheet that holds anything, from row 1. Raises Refused."""
    with CalamineWorkbook.from_path(str(source)) as workbook:
        kinds = [
            (at, one.name) for at, one in enumerate(workbook.sheets_metadata) if one.typ == SheetTypeEnum.WorkSheet
        ]
        full = [(name, sheet) for at, name in kinds if (sheet := workbook.get_sheet_by_index(at)).height]
        if len(full) != 1:
            named = ", ".join(name[:40] for name, _ in full[:10]) or "none"
            raise Refused("unreadable", f"one sheet must hold the list, and the others nothing; with data: {named}")
        sheet = full[0][1]
        margin = [""] * (sheet.start[1] if sheet.start else 0)
        yield from (margin + row if margin else row for row in sheet.iter_rows())


def text_rows(rows: Iterator[list[Any]], keys: Sequence[str]) -> Iterator[list[Any]]:
    """Each row below the heading as its number, its texts and its faults; empty rows at the end are left out."""
    empty: list[list[Any]] = []
    for number, values in enumerate(rows, 2):
        found = [cell(key, value) for key, value in zip(keys, values, strict=False)]
        faults = {key: fault for key, (_, fault) in zip(keys, found, strict=True) if fault}
        if any(value != "" for value in values[len(keys) :]):
            faults[""] = "a value in a column without a heading"
        row = [number, *(text for text, _ in found), json.dumps(faults) if faults else ""]
        if not faults and not any(text for text, _ in found):
            empty.append(row)
            continue
        yield from empty
        yield row
        empty.clear()


def write(source: Path, target: Path) -> None:
    """Write the rows of a workbook as an Arrow stream. Raises Refused, CalamineError."""
    rows = rows_of(source)
    heading = next(rows)
    while heading and heading[-1] == "":
        heading.pop()
    keys = english([value if isinstance(value, str) else repr(value) for value in heading])
    schema = pa.schema([("row", pa.int64()), *((key, pa.string()) for key in keys), ("faults", pa.string())])
    texts = text_rows(rows, keys)
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        while some := list(islice(texts, _ROWS)):
            stream.write_batch(pa.record_batch(list(zip(*some, strict=True)), schema=schema))


def main() -> None:
    """Do what the command line says, within bounds of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        write(Path(sys.argv[1]), Path(sys.argv[2]))
    except Refused as refused:
        sys.stdout.write(json.dumps([refused.reason, str(refused)]))
    except CalamineError as error:
        sys.stdout.write(json.dumps(["unreadable", f"the workbook is damaged: {str(error)[:200]}"]))


if __name__ == "__main__":
    main()
