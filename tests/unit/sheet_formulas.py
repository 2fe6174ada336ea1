"""Works out the few formulas that our workbooks use, from their cells, to hold them against the values beside them."""

from __future__ import annotations

import io
import re
from typing import Any

from openpyxl import load_workbook

_RANGE = r"(?:'([^']+)'!)?\$([A-Z]+)\$(\d+):\$[A-Z]+\$(\d+)"
_SUM = re.compile(rf"=SUM\({_RANGE}\)")
_CONDITION = rf'{_RANGE},(\$A\d+|"[^"]*")'


def _cells(book: Any, page: Any, sheet: str | None, column: str, first: str, last: str) -> list[Any]:
    held = book[sheet] if sheet else page
    cells = [held[f"{column}{row}"] for row in range(int(first), int(last) + 1)]
    return [_worked_out(book, held, cell.value) if cell.data_type == "f" else cell.value for cell in cells]


def _holds(value: Any, criterion: Any) -> bool:
    if criterion == ">0":
        return isinstance(value, int | float) and value > 0
    return bool(value == criterion)


def _worked_out(book: Any, page: Any, formula: str) -> float:
    if plain := _SUM.fullmatch(formula):
        return float(sum(value for value in _cells(book, page, *plain.groups()) if isinstance(value, int | float)))
    if same := re.fullmatch(r"=([A-Z]+\d+)", formula):
        return _worked_out(book, page, page[same[1]].value)
    name, inside = re.fullmatch(r"=(SUMIFS|COUNTIFS)\((.*)\)", formula).groups()  # type: ignore[union-attr]
    added = re.match(rf"{_RANGE},", inside) if name == "SUMIFS" else None
    conditions = re.findall(_CONDITION, inside[added.end() if added else 0 :])
    counted = []
    for *where, asked in conditions:
        criterion = page[asked.replace("$", "")].value if asked.startswith("$") else asked.strip('"')
        counted.append([_holds(value, criterion) for value in _cells(book, page, where[0] or None, *where[1:])])
    rows = [all(row) for row in zip(*counted, strict=True)]
    if added is None:
        return float(sum(rows))
    amounts = _cells(book, page, *added.groups())
    return float(sum(amount for amount, row in zip(amounts, rows, strict=True) if row and amount is not None))


def disagreements(content: bytes) -> tuple[int, list[str]]:
    """How many sums are formulas, and those whose value in the file is not what the formula gives."""
    formulas, values = load_workbook(io.BytesIO(content)), load_workbook(io.BytesIO(content), data_only=True)
    found, wrong = 0, []
    for page in formulas:
        for cell in (cell for row in page.iter_rows() for cell in row if cell.data_type == "f"):
            if "IF(ROUND" in cell.value:
                continue
            found += 1
            held = values[page.title][cell.coordinate].value
            if round(_worked_out(formulas, page, cell.value), 2) != round(held, 2):
                wrong.append(f"{page.title}!{cell.coordinate} {cell.value}: {held}")
    return found, wrong
