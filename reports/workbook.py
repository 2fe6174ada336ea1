"""What workbooks share: text that stays text, exact amounts, dates, sums that agree, the set-up for printing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

from xlsxwriter import Workbook

from reports.format import minor, thousandths

LONGEST_CELL = 32_767
"""Characters that a cell can hold."""

EXACT_BELOW = 10**15
"""Minor units, or thousandths, from which an amount is written as text: a spreadsheet shows fifteen digits."""

INEXACT = "*"
"""The mark of an amount that is written as text."""

INEXACT_NOTE = f"Суммы со знаком {INEXACT} записаны текстом: число в таблице не хранит столько цифр точно."

A4, A3 = 9, 8
"""Sizes of paper as workbooks number them."""

_DAY_ZERO = date(1899, 12, 30)
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
_MONEY = "#,##0.00;[Red]−#,##0.00"
_CELL: dict[str, Any] = {"valign": "top", "bottom": 7, "bottom_color": "#C8CED4"}
_TEXT = _CELL | {"text_wrap": True, "align": "left", "indent": 1}
_LOOKS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "note": {"font_color": "#555555"},
    "header": {
        "bold": True,
        "bg_color": "#E8EDF2",
        "border": 1,
        "text_wrap": True,
        "valign": "vcenter",
        "align": "center",
    },
    "text": _TEXT,
    "quoted": _TEXT | {"quote_prefix": True},
    "strong": {"bold": True},
    "count": _CELL | {"num_format": "#,##0"},
    "counted": {"num_format": "#,##0", "bold": True},
    "quantity": _CELL | {"num_format": "#,##0.###"},
    "rate": _CELL | {"num_format": '0.##"\N{NO-BREAK SPACE}%"'},
    "day": _CELL | {"num_format": "dd.mm.yyyy", "align": "center"},
    "money": _CELL | {"num_format": _MONEY},
    "sum": {"num_format": _MONEY, "bold": True},
    "check": {"bold": True, "align": "center"},
    "inexact": _CELL | {"align": "right"},
}
_LINE_HEIGHT, _HIGHEST_ROW = 15, 409
_ARROW, _INDENT = 3, 2
"""Characters that a filter's arrow and a cell's indent take of a column's width."""


def _lines(text: str, width: float) -> int:
    """How many lines a text takes in a cell that is so many characters wide."""
    lines, used = 1, 0
    for word in text.split():
        if used and used + 1 + len(word) > width:
            lines, used = lines + 1, -1
        used += 1 + len(word)
        lines, used = lines + int(used // width), int(used % width)
    return lines


class Page:
    """One worksheet with the formats of its book. Every text goes in as text, whatever it starts with."""

    def __init__(self, book: Workbook, name: str, looks: Mapping[str, Any]) -> None:
        self.sheet = book.add_worksheet(name)
        self.looks = looks
        self._widths: list[float] = []
        self._grown = (0, 1)

    def text(self, row: int, column: int, value: str, look: str = "text") -> None:
        """A text, cut to what a cell can hold; an empty one leaves a blank cell."""
        if not value:
            self.sheet.write_blank(row, column, None, self.looks[look])
            return
        name = "quoted" if look == "text" and value.startswith(_FORMULA_SIGNS) else look
        self.sheet.write_string(row, column, value[:LONGEST_CELL], self.looks[name])
        if look == "text" and column < len(self._widths) and len(value) > self._widths[column]:
            self._grow(row, _lines(value, self._widths[column]))

    def _grow(self, row: int, lines: int) -> None:
        """Make a row as high as its highest text: not every program does it by itself."""
        if self._grown[0] != row or lines > self._grown[1]:
            self._grown = (row, lines)
            self.sheet.set_row(row, min(_LINE_HEIGHT * lines, _HIGHEST_ROW))

    def texts(self, row: int, column: int, values: Sequence[str], look: str = "text") -> None:
        """Texts side by side."""
        for place, value in enumerate(values, column):
            self.text(row, place, value, look)

    def quantity(self, row: int, column: int, value_milli: int) -> None:
        """Thousandths as a number of pieces, or as marked text where a number is not exact."""
        if abs(value_milli) < EXACT_BELOW:
            self.number(row, column, value_milli / 1000, "quantity")
        else:
            self.text(row, column, f"{thousandths(value_milli)}{INEXACT}", "inexact")

    def number(self, row: int, column: int, value: float, look: str) -> None:
        """A number that is not money."""
        self.sheet.write_number(row, column, value, self.looks[look])

    def day(self, row: int, column: int, day: date) -> None:
        """A day as a date cell."""
        self.sheet.write_number(row, column, (day - _DAY_ZERO).days, self.looks["day"])

    def money(self, row: int, column: int, value_minor: int, look: str = "money") -> None:
        """Minor units as a number of whole units with hundredths, or as marked text where a number is not exact."""
        if abs(value_minor) < EXACT_BELOW:
            self.sheet.write_number(row, column, value_minor / 100, self.looks[look])
        else:
            self.text(row, column, f"{minor(value_minor)}{INEXACT}", "inexact")

    def formula(self, row: int, column: int, formula: str, value: float | str, look: str) -> None:
        """A formula with the value that it has."""
        self.sheet.write_formula(row, column, formula, self.looks[look], value)

    def header(self, row: int, columns: Sequence[tuple[str, float]]) -> None:
        """The headings of a table, with the widths of its columns in characters."""
        self._grow(row, max(_lines(name, width - _ARROW) for name, width in columns))
        for place, (name, width) in enumerate(columns):
            self.sheet.set_column(place, place, width)
            self.text(row, place, name, "header")
        self._widths = [width - _INDENT for _, width in columns]

    def print_set_up(
        self, columns: int, last: int, *, header: int | None = None, frozen: int = 0, paper: int = A4
    ) -> None:
        """Landscape, one page wide, numbered; a table under `header` is filtered, and its headings stay in sight."""
        sheet = self.sheet
        if header is not None:
            sheet.freeze_panes(header + 1, frozen)
            sheet.autofilter(header, 0, last, columns - 1)
            sheet.repeat_rows(header)
        sheet.set_landscape()
        sheet.set_paper(paper)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.print_area(0, 0, last, columns - 1)
        sheet.set_footer("&L&A&RЛист &P из &N")


class Sums:
    """Writes sums of money as formulas, or as plain amounts where a part is too large for a number to be exact."""

    def __init__(self, *columns: Sequence[int]) -> None:
        self.formulas = all(abs(part) < EXACT_BELOW for column in columns for part in (*column, sum(column)))

    def write(self, page: Page, at: tuple[int, int], formula: str, value_minor: int, *, look: str = "money") -> None:
        """The sum of some parts of a column."""
        if self.formulas:
            page.formula(*at, formula, value_minor / 100, look)
        else:
            page.money(*at, value_minor, look)


class Book:
    """A workbook, closed at the end of its `with`. A `long` one is written from the top down, in little memory."""

    def __init__(self, target: Any, *, title: str, created: datetime, long: bool, looks: Mapping[str, Any]) -> None:
        memory = "constant_memory" if long else "in_memory"
        self._book = Workbook(target, {memory: True})
        self._book.set_properties({"title": title, "created": created})
        self._looks = {name: self._book.add_format(look) for name, look in (_LOOKS | dict(looks)).items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.close()

    def page(self, name: str) -> Page:
        """A new worksheet."""
        return Page(self._book, name, self._looks)


def block(letter: str, first: int, last: int, sheet: str = "") -> str:
    """A column's cells from row to row (from 1), absolute: 'Счета'!$K$7:$K$106."""
    where = f"'{sheet}'!" if sheet else ""
    return f"{where}${letter}${first}:${letter}${last}"
