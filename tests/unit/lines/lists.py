"""Lists for the tests: rows as people write them, and the files that hold them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from blocks.lines.checks import Side
from blocks.lines.faults import BadList
from blocks.lines.reading import ReadList, read_list
from blocks.terms.ocp_tariffs import TariffTable, read_tariffs

Row = dict[str, str]
KEYS = (
    "line", "invoice", "customer", "cart", "service", "tariff", "from", "to", "quantity", "price", "net", "vat_rate",
    "vat", "state", "corrects", "currency",
)  # fmt: skip
RUSSIAN = (
    "ID строки", "Номер счёта", "Конечный пользователь", "Корзина", "Сервис", "Тариф", "Начало периода",
    "Конец периода", "Количество", "Цена без НДС", "Сумма без НДС", "Ставка НДС, %", "Сумма НДС", "Состояние",
    "Исправляет строку", "Валюта",
)  # fmt: skip
TARIFFS: TariffTable = read_tariffs("""
[[tariff]]
code = "TV"
title = "Телевидение"
[[tariff.version]]
since = 2025-03-10
price = "100.00"
[[tariff.version]]
since = 2026-10-16
price = "120.05"

[[tariff]]
code = "SETUP"
title = "Подключение"
[[tariff.version]]
since = 2024-01-01
""")
_MONEY = {"quantity": 3, "price": 2, "net": 2, "vat_rate": 2, "vat": 2}


def row(**changes: str) -> Row:
    """A good row of October 2026 with changes."""
    good = dict(
        zip(
            KEYS,
            ("L-1", "INV-1", "Пётр «Ёж» ТОО", "c-1", "Телевидение", "TV", "2026-10-01", "2026-10-15", "1.500", "100.00",
             "150.00", "16.00", "24.00", "issued", "", "KZT"),
            strict=True,
        )
    )  # fmt: skip
    return good | {key.rstrip("_"): value for key, value in changes.items()}


def some_rows() -> list[Row]:
    """Good rows of every kind."""
    untaxed = {"tariff": "SETUP", "vat_rate": "0.00", "vat": "0.00"}
    before = {"from_": "2025-12-01", "to": "2025-12-31", "vat_rate": "12.00", "vat": "18.00", "corrects": "L-0"}
    later = {"from_": "2026-10-16", "to": "2026-10-31", "price": "120.05", "net": "120.05", "vat": "19.21"}
    huge = {"price": "999999999999.99", "quantity": "999.999", "net": "999998999999990.00"}
    return [
        row(),
        row(line="L-2", quantity="2", net="200.00", vat="32.00", state="paid", cart=""),
        row(line="L-3", state="cancelled", customer='=cmd|"/c calc"!A1; ТОО, два'),
        row(line="L-4", quantity="1.000", **later),
        row(line="L-5", state="refunded", **before),
        row(line="L-6", state="correction", quantity="-1.500", net="-150.00", vat="-24.00", corrects="L-1"),
        row(line="100045", price="98765.43", quantity="1.000", net="98765.43", **untaxed),
        row(line="L-8", **huge, **untaxed),
    ]


def write_csv(
    path: Path, rows: Sequence[Row], *, encoding: str = "utf-8", delimiter: str = ",", heads: Sequence[str] = KEYS
) -> Path:
    """Rows as CSV: with a semicolon as the Russian Excel writes them, decimal comma and day first."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n" if delimiter == ";" else "\n")
    writer.writerow(heads)
    for one in rows:
        writer.writerow([_local(key, one[key]) if delimiter == ";" else one[key] for key in KEYS])
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def _local(key: str, text: str) -> str:
    if key in _MONEY:
        return text.replace(".", ",")
    return f"{text[8:]}.{text[5:7]}.{text[:4]}" if key in {"from", "to"} else text


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    """Rows as Parquet with exact types."""
    columns: dict[str, pa.Array] = {}
    for key in KEYS:
        texts = [one[key] for one in rows]
        if key in _MONEY:
            columns[key] = pa.array([Decimal(text) for text in texts], pa.decimal128(20, _MONEY[key]))
        elif key in {"from", "to"}:
            columns[key] = pa.array([date.fromisoformat(text) for text in texts], pa.date32())
        else:
            columns[key] = pa.array(texts, pa.string())
    pq.write_table(pa.table(columns), path)
    return path


def write_xlsx(path: Path, rows: Sequence[Row]) -> Path:
    """Rows as a workbook with number and date cells; a sum too large for those as text."""
    with xlsxwriter.Workbook(path) as book:
        sheet, days = book.add_worksheet("Строки"), book.add_format({"num_format": "dd.mm.yyyy"})
        sheet.write_row(0, 0, RUSSIAN)
        for at, one in enumerate(rows, 1):
            for place, key in enumerate(KEYS):
                text = one[key]
                if key in {"from", "to"}:
                    sheet.write_datetime(at, place, date.fromisoformat(text), days)
                elif (key in _MONEY and Decimal(text) < 10**12) or (key == "line" and text.isdigit()):
                    sheet.write_number(at, place, float(text))
                elif text:
                    sheet.write_string(at, place, text)
        book.add_worksheet("Пустой")
    return path


def read(source: Path, *, month: str = "2026-10", side: Side = "ours") -> ReadList:
    """Read a list; its canonical form lies beside it as `canonical.parquet`."""
    target = source.with_name("canonical.parquet")
    return read_list(source, target, month=month, tariffs=TARIFFS, side=side, scratch=source.parent)


def faults(source: Path) -> list[tuple[int, str, str]]:
    """What is wrong with a list. Nothing but the list is left in its folder."""
    before = set(source.parent.iterdir())
    bad = None
    try:
        read(source)
    except BadList as raised:
        bad = raised
    if bad is None:
        return []
    assert set(source.parent.iterdir()) == before
    assert bad.count == len(bad.faults)
    return [(one.row, one.column, one.reason) for one in bad.faults]


def lines(folder: Path) -> list[dict[str, object]]:
    """The canonical lines that were read."""
    return pq.read_table(folder / "canonical.parquet").to_pylist()  # type: ignore[no-any-return]
