"""The journal of unavailability (журнал фактов недоступности сервиса) as a workbook."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from blocks.terms.service_views import JournalLine
from blocks.terms.zones import MOSCOW
from reports.format import wall, zone_label
from reports.workbook import Book, Page

_HEADER_ROW = 4
_LOOKS: dict[str, dict[str, Any]] = {
    "moment": {"num_format": "dd.mm.yyyy hh:mm:ss", "valign": "top", "align": "left"},
    "seconds": {"num_format": "#,##0.##", "valign": "top"},
    "length": {"num_format": "[h]:mm:ss", "valign": "top"},
    "lengths": {"num_format": "[h]:mm:ss", "bold": True, "align": "left"},
    "cases": {"num_format": "0", "bold": True, "align": "left"},
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


class _Journal:
    """The worksheet, on the clock of a zone."""

    def __init__(self, page: Page, zone: str) -> None:
        self.page = page
        self.zone = ZoneInfo(zone)

    def moment(self, row: int, column: int, at: datetime | None, absent: str) -> None:
        if at is None:
            self.page.text(row, column, absent)
        else:
            local = at.astimezone(self.zone).replace(tzinfo=None)
            self.page.sheet.write_datetime(row, column, local, self.page.looks["moment"])

    def line(self, row: int, line: JournalLine) -> None:
        texts = {0: line.number, 1: line.service, 2: line.group, 3: ", ".join(line.agreements), 8: line.cause}
        texts |= {9: line.source, 10: "да" if line.counted else "нет", 11: line.decided_by, 12: line.reason}
        for column, value in texts.items():
            self.page.text(row, column, value)
        self.moment(row, 4, line.began_at, "")
        self.moment(row, 5, line.ended_at, "продолжается")
        self.moment(row, 13, line.notified_at, "")
        if line.seconds is not None:
            self.page.number(row, 6, float(line.seconds), "seconds")
            self.page.number(row, 7, float(line.seconds) / 86_400, "length")


def _sums(page: Page, lines: Sequence[JournalLine], last: int) -> None:
    """The sums above the table, so that a longer journal does not move them."""
    first = _HEADER_ROW + 2
    lengths, counted = (f"{letter}{first}:{letter}{last + 1}" for letter in (_LENGTH, _COUNTED))
    every = sum((line.seconds or Decimal(0) for line in lines), Decimal(0))
    ours = sum((line.seconds or Decimal(0) for line in lines if line.counted), Decimal(0))
    for column, label, formula, look, value in (
        (0, "Случаев:", f"=COUNTA(A{first}:A{last + 1})", "cases", len(lines)),
        (4, "Недоступность всего:", f"=SUM({lengths})", "lengths", float(every) / 86_400),
        (8, "Из неё засчитано:", f'=SUMIFS({lengths},{counted},"да")', "lengths", float(ours) / 86_400),
    ):
        page.text(2, column, label, "note")
        page.formula(2, column + 1, formula, value, look)


def journal_xlsx(lines: Sequence[JournalLine], *, as_of: datetime, title: str, zone: str = MOSCOW) -> bytes:
    """The workbook, the same bytes for the same lines. Dates stand on the clock of `zone`, which the header names.

    Lengths are counted from the instants, not from the cells: a wall clock repeats an hour in autumn.
    """
    content = io.BytesIO()
    last = _HEADER_ROW + max(len(lines), 1)
    with Book(content, title=title, created=as_of.astimezone(UTC), long=False, looks=_LOOKS) as book:
        page = book.page("Журнал")
        page.text(0, 0, title, "title")
        page.text(1, 0, f"По состоянию на {wall(as_of, zone)}", "note")
        _sums(page, lines, last)
        page.header(_HEADER_ROW, [(name.format(zone=zone_label(zone)), width) for name, width in _COLUMNS])
        journal = _Journal(page, zone)
        for row, line in enumerate(lines, _HEADER_ROW + 1):
            journal.line(row, line)
        page.print_set_up(len(_COLUMNS), last, header=_HEADER_ROW, frozen=1)
    return content.getvalue()
