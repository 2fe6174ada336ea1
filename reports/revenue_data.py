"""The data on invoices issued in a month (Данные по выставленным счетам, OCP-P5.2) as a workbook."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from blocks.terms.revenue import LineState
from blocks.terms.revenue_split import counts
from blocks.terms.revenue_views import DataLine, InvoiceData, TariffLine
from reports.format import midnight, month_title
from reports.words import LINE_STATES, said
from reports.workbook import EXACT_BELOW, INEXACT_NOTE, Book, Page, Sums, block

MOST_ROWS = 500_000
"""Lines up to which the workbook lists them; of more it holds the sums alone."""

_LINES = "Счета"
_SUMS = (
    ("№", 6),
    ("Услуга", 34),
    ("Тариф", 20),
    ("Название тарифа", 40),
    ("Состояние", 16),
    ("Строк", 11),
    ("Сумма без НДС, тенге", 20),
    ("НДС, тенге", 18),
    ("В доходе, тенге", 20),
)
_COLUMNS = (
    ("Строка", 15),
    ("Счёт", 14),
    ("Клиент", 22),
    ("Корзина", 12),
    ("Услуга", 22),
    ("Тариф", 14),
    ("С", 11),
    ("По", 11),
    ("Количество", 12),
    ("Цена без НДС, тенге", 14),
    ("Сумма без НДС, тенге", 16),
    ("Ставка НДС", 9),
    ("НДС, тенге", 14),
    ("В доходе, тенге", 16),
    ("Состояние", 15),
    ("Исправляет строку", 15),
    ("№ в сводке", 9),
)
_SUMS_HEADER, _LINES_HEADER = 7, 3
_FACTORS = {(state.value, corrects): counts(state, corrects) for state in LineState for corrects in (False, True)}


_KINDS = ("net_minor", "vat_minor", "income_minor")


def _cells(head: InvoiceData) -> tuple[int, int]:
    """The first and the last row of the table of lines, from 1."""
    return _LINES_HEADER + 2, _LINES_HEADER + 1 + max(head.lines, 1)


def _columns(head: InvoiceData) -> list[list[int]]:
    """The amounts of the rows of sums, a list for each of the three columns that are added up."""
    return [[getattr(row, kind) for row in head.sums] for kind in _KINDS]


def _line(page: Page, row: int, line: DataLine, number: int, income: int) -> None:
    page.texts(row, 0, line[:6])
    page.day(row, 6, line.begins_on)
    page.day(row, 7, line.ends_on)
    page.quantity(row, 8, line.quantity_milli)
    page.money(row, 9, line.price_minor)
    page.money(row, 10, line.net_minor)
    page.number(row, 11, line.vat_bp / 100, "rate")
    page.money(row, 12, line.vat_minor)
    page.money(row, 13, income)
    page.text(row, 14, said(LINE_STATES, line.state))
    page.text(row, 15, line.corrects)
    page.number(row, 16, number, "count")


def _check(head: InvoiceData, added: Sequence[Sequence[int]], *, exact: bool) -> None:
    """Whether the lines are those that the sums tell of. Raises ValueError."""
    if [tuple(row) for row in added] != [
        (row.lines, row.net_minor, row.vat_minor, row.income_minor) for row in head.sums
    ]:
        raise ValueError("the lines do not sum up to the sums above them")
    if not exact:
        raise ValueError("lines that are too large to be exact cancel each other out in a sum")


def _write_lines(page: Page, head: InvoiceData, lines: Iterable[DataLine], sums: Sums) -> None:
    """The table with its totals above it. Raises ValueError where the lines are not those that the sums tell of."""
    first, last = _cells(head)
    page.text(0, 0, f"Счета за {month_title(head.month)}", "title")
    page.text(1, 0, f"Итого, строк: {head.lines}", "strong")
    for column, letter, values in zip((10, 12, 13), "KMN", _columns(head), strict=True):
        sums.write(page, (1, column), f"=SUM({block(letter, first, last)})", sum(values), look="sum")
    page.header(_LINES_HEADER, _COLUMNS)
    numbers = {(row.service, row.tariff, row.state): number for number, row in enumerate(head.sums, 1)}
    added = [[0, 0, 0, 0] for _ in range(len(head.sums) + 1)]
    exact = True
    for row, line in enumerate(lines, _LINES_HEADER + 1):
        number = numbers.get((line.service, line.tariff, line.state), 0)
        income = _FACTORS[line.state, bool(line.corrects)] * line.net_minor
        _line(page, row, line, number, income)
        exact &= not sums.formulas or abs(line.net_minor) < EXACT_BELOW
        for place, value in enumerate((1, line.net_minor, line.vat_minor, income)):
            added[number - 1][place] += value
    if any(added.pop()):
        raise ValueError("a line is in none of the sums")
    _check(head, added, exact=exact)
    page.print_set_up(len(_COLUMNS), last - 1, header=_LINES_HEADER, frozen=1)


def _sum_row(page: Page, number: int, line: TariffLine, sums: Sums, cells: tuple[int, int] | None) -> None:
    """A row of sums: formulas over the lines beside, or figures alone where the lines are not in the workbook."""
    row = _SUMS_HEADER + number
    page.number(row, 0, number, "count")
    page.texts(row, 1, (line.service, line.tariff, line.title, said(LINE_STATES, line.state)))
    amounts = ((6, "K", line.net_minor), (7, "M", line.vat_minor), (8, "N", line.income_minor))
    if cells is None:
        page.number(row, 5, line.lines, "count")
        for column, _, value in amounts:
            page.money(row, column, value)
        return
    keys = f"{block('Q', *cells, _LINES)},$A{row + 1}"
    page.formula(row, 5, f"=COUNTIFS({keys})", line.lines, "count")
    for column, letter, value in amounts:
        sums.write(page, (row, column), f"=SUMIFS({block(letter, *cells, _LINES)},{keys})", value)


def _write_sums(page: Page, head: InvoiceData, sums: Sums, cells: tuple[int, int] | None) -> None:
    first, last = _SUMS_HEADER + 2, _SUMS_HEADER + 1 + max(len(head.sums), 1)
    title = f"Данные по выставленным счетам № {head.number}" if head.number else "Данные по выставленным счетам"
    page.text(0, 0, title, "title")
    for row, fact in enumerate(
        (
            f"Отчётный период: {month_title(head.month)}",
            f"Составлены: {head.dated:%d.%m.%Y}",
            f"Договор: {head.agreement}",
            f"Провайдер: {head.provider.name}. Оператор: {head.operator.name}",
        ),
        1,
    ):
        page.text(row, 0, fact, "note")
    note = "Строки счетов — в отдельном файле: их больше, чем вмещает таблица." if cells is None else ""
    if not sums.formulas:
        note += f" {INEXACT_NOTE}"
    page.text(5, 0, note.strip(), "note")
    page.text(6, 0, "Итого", "strong")
    page.formula(6, 5, f"=SUM({block('F', first, last)})", head.lines, "counted")
    for column, letter, values in zip((6, 7, 8), "GHI", _columns(head), strict=True):
        sums.write(page, (6, column), f"=SUM({block(letter, first, last)})", sum(values), look="sum")
    page.header(_SUMS_HEADER, _SUMS)
    for number, line in enumerate(head.sums, 1):
        _sum_row(page, number, line, sums, cells)
    page.print_set_up(len(_SUMS), last - 1, header=_SUMS_HEADER)


def data_xlsx(head: InvoiceData, lines: Iterable[DataLine]) -> bytes:
    """The workbook, the same bytes for the same data: sheet "Сводка" and, up to MOST_ROWS lines, sheet "Счета".

    Sums are formulas that agree with the values; a sum is written as marked text where a spreadsheet could not hold
    it exactly. More lines than MOST_ROWS are left unread. Raises ValueError where lines and sums disagree.
    """
    if sum(row.lines for row in head.sums) != head.lines:
        raise ValueError("the number of lines is not that of the sums")
    content = io.BytesIO()
    title = f"Данные по выставленным счетам за {month_title(head.month)}"
    sums, listed = Sums(*_columns(head)), head.lines <= MOST_ROWS
    with Book(content, title=title, created=midnight(head.dated), long=True, looks={}) as book:
        _write_sums(book.page("Сводка"), head, sums, _cells(head) if listed else None)
        if listed:
            _write_lines(book.page(_LINES), head, lines, sums)
    return content.getvalue()
