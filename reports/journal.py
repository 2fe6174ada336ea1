"""The journal of unavailability (журнал фактов недоступности сервиса) as a workbook."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook

from blocks.terms.service_views import JournalLine
from blocks.terms.zones import MOSCOW
from reports.format import wall, zone_label

_HEADER_ROW = 4
_LONGEST_CELL = 32_767
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "note": {"font_color": "#555555"},
    "header": {"bold": True, "bg_color": "#E8EDF2", "border": 1, "text_wrap": True, "valign": "vcenter"},
    "text": {"text_wrap": True, "valign": "top"},
    "quoted": {"text_wrap": True, "valign": "top", "quote_prefix": True},
    "moment": {"num_format": "dd.mm.yyyy hh:mm:ss", "valign": "top", "align": "left"},
    "seconds": {"num_format": "#,##0.##", "valign": "top"},
    "length": {"num_format": "[h]:mm:ss", "valign": "top"},
    "sum": {"num_format": "[h]:mm:ss", "bold": True, "align": "left"},
    "count": {"num_format": "0", "bold": True, "align": "left"},
}
_COLUMNS = (
    ("Номер", 12),
    ("Сервис", 22),
    ("Группа", 14),
    ("Договоры", 11),
    ("Начало ({zone})", 20),
    ("Окончание ({zone})", 18.5),
    ("Секунд", 10),
    ("Ч:мин:с", 10),
    ("Причина", 34),
    ("Источник", 18),
    ("Засчитано", 11),
    ("Кто решил", 16),
    ("Основание", 28),
    ("Уведомлено ({zone})", 18.5),
)
_LENGTH, _COUNTED = "H", "K"


class _Sheet:
    """One worksheet with its formats; every text goes in as text, whatever it starts with."""

    def __init__(self, book: Workbook, zone: str) -> None:
        self.page = book.add_worksheet("Журнал")
        self.formats = {name: book.add_format(look) for name, look in _FORMATS.items()}
        self.zone = ZoneInfo(zone)

    def text(self, row: int, column: int, value: str, look: str = "text") -> None:
        name = "quoted" if look == "text" and value.startswith(_FORMULA_SIGNS) else look
        self.page.write_string(row, column, value[:_LONGEST_CELL], self.formats[name])

    def moment(self, row: int, column: int, at: datetime | None, absent: str) -> None:
        if at is None:
            self.text(row, column, absent)
        else:
            local = at.astimezone(self.zone).replace(tzinfo=None)
            self.page.write_datetime(row, column, local, self.formats["moment"])

    def line(self, row: int, line: JournalLine) -> None:
        texts = {0: line.number, 1: line.service, 2: line.group, 3: ", ".join(line.agreements), 8: line.cause}
        texts |= {9: line.source, 10: "да" if line.counted else "нет", 11: line.decided_by, 12: line.reason}
        for column, value in texts.items():
            self.text(row, column, value)
        self.moment(row, 4, line.began_at, "")
        self.moment(row, 5, line.ended_at, "продолжается")
        self.moment(row, 13, line.notified_at, "")
        if line.seconds is not None:
            self.page.write_number(row, 6, float(line.seconds), self.formats["seconds"])
            self.page.write_number(row, 7, float(line.seconds) / 86_400, self.formats["length"])


def _sums(sheet: _Sheet, lines: Sequence[JournalLine], last: int) -> None:
    """The sums above the table, so that a longer journal does not move them."""
    first = _HEADER_ROW + 2
    lengths, counted = (f"{letter}{first}:{letter}{last + 1}" for letter in (_LENGTH, _COUNTED))
    every = sum((line.seconds or Decimal(0) for line in lines), Decimal(0))
    ours = sum((line.seconds or Decimal(0) for line in lines if line.counted), Decimal(0))
    for column, label, formula, look, value in (
        (0, "Случаев:", f"=COUNTA(A{first}:A{last + 1})", "count", len(lines)),
        (4, "Недоступность всего:", f"=SUM({lengths})", "sum", float(every) / 86_400),
        (8, "Из неё засчитано:", f'=SUMIFS({lengths},{counted},"да")', "sum", float(ours) / 86_400),
    ):
        sheet.text(2, column, label, "note")
        sheet.page.write_formula(2, column + 1, formula, sheet.formats[look], value)


def _set_up(sheet: _Sheet, last: int) -> None:
    page, columns = sheet.page, len(_COLUMNS) - 1
    page.freeze_panes(_HEADER_ROW + 1, 1)
    page.autofilter(_HEADER_ROW, 0, last, columns)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    page.repeat_rows(_HEADER_ROW)
    page.print_area(0, 0, last, columns)
    page.set_footer("&L&A&RЛист &P из &N")


def journal_xlsx(lines: Sequence[JournalLine], *, as_of: datetime, title: str, zone: str = MOSCOW) -> bytes:
    """The workbook, the same bytes for the same lines. Dates stand on the clock of `zone`, which the header names.

    Lengths are counted from the instants, not from the cells: a wall clock repeats an hour in autumn.
    """
    content = io.BytesIO()
    last = _HEADER_ROW + max(len(lines), 1)
    with Workbook(content, _OPTIONS) as book:
        book.set_properties({"title": title, "created": as_of.astimezone(UTC)})
        sheet = _Sheet(book, zone)
        sheet.text(0, 0, title, "title")
        sheet.text(1, 0, f"По состоянию на {wall(as_of, zone)}", "note")
        _sums(sheet, lines, last)
        for column, (name, width) in enumerate(_COLUMNS):
            sheet.page.set_column(column, column, width)
            sheet.text(_HEADER_ROW, column, name.format(zone=zone_label(zone)), "header")
        for row, line in enumerate(lines, _HEADER_ROW + 1):
            sheet.line(row, line)
        _set_up(sheet, last)
    return content.getvalue()
