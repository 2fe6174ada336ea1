"""The statement of differences as a workbook: the sums, and every difference with what both sides hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import zip_longest

from blocks.terms.revenue import Figures, Reconciliation
from blocks.terms.revenue_views import Party, ReconciliationView
from reports.differences import CLOSING, Settled, by_way, causes_of, settled
from reports.format import midnight, month_title
from reports.papers import titled
from reports.words import CAUSES, LINE_STATES, said
from reports.workbook import A3, INEXACT_NOTE, Book, Page, Sums, block

_FIGURES = (("Клиент", 18), ("Тариф", 12), ("С", 11), ("По", 11), ("Состояние", 14))
_COLUMNS = (
    ("№", 8),
    ("Строка", 15),
    ("Счёт", 14),
    ("Услуга", 18),
    ("Причина", 19),
    ("Все причины", 20),
    *((f"{name} у Провайдера", width) for name, width in _FIGURES),
    ("Доход у Провайдера, тенге", 16),
    *((f"{name} у Оператора", width) for name, width in _FIGURES),
    ("Доход у Оператора, тенге", 16),
    ("Разница, тенге", 14),
    ("Решение", 14),
    ("Кто", 12),
    ("Почему", 30),
)
_MOST_ROWS = 1_000_000
_LISTED = "Расхождения"
_SUMMARY = (("", 44), ("Строк", 12), ("У Провайдера, тенге", 24), ("У Оператора, тенге", 24), ("Разница, тенге", 24))
_NUMBERS, _CAUSE, _WAY = "A", "E", "T"
_MONEY = (("L", "ours_minor"), ("R", "theirs_minor"), ("S", "delta_minor"))


def _write_figures(page: Page, row: int, column: int, one: Figures | None) -> None:
    if one is None:
        page.texts(row, column, [""] * (len(_FIGURES) + 1))
        return
    page.texts(row, column, (one.customer, one.tariff))
    page.day(row, column + 2, one.begins_on)
    page.day(row, column + 3, one.ends_on)
    page.text(row, column + 4, said(LINE_STATES, one.state))
    page.money(row, column + 5, one.income_minor)


def _write_difference(page: Page, row: int, number: int, told: Settled) -> int:
    """A difference on as many rows as a side holds figures; its number stands on the first. Returns the next row."""
    one, word = told
    settling = (told.way, word.who if word else "", word.reason if word else "")
    for ours, theirs in zip_longest(one.ours, one.theirs):
        either = ours or theirs
        page.text(row, 0, "")
        if number:
            page.number(row, 0, number, "count")
        page.texts(row, 1, (one.line, either.invoice, either.service, CAUSES[one.cause], causes_of(one)))
        _write_figures(page, row, 6, ours)
        _write_figures(page, row, 12, theirs)
        page.money(row, 18, (theirs.income_minor if theirs else 0) - (ours.income_minor if ours else 0))
        page.texts(row, 19, settling)
        row, number = row + 1, 0
    return row


def _write_differences(page: Page, told: Sequence[Settled]) -> None:
    page.header(0, _COLUMNS)
    row = 1
    for number, one in enumerate(told, 1):
        row = _write_difference(page, row, number, one)
    page.print_set_up(len(_COLUMNS), max(row - 1, 1), header=0, frozen=2, paper=A3)


class _Summary:
    """The first worksheet, written from the top down, over `rows` rows of differences on the other one."""

    def __init__(self, page: Page, view: ReconciliationView, rows: int) -> None:
        result = view.result
        self.sums = Sums(*_amounts_of(result), [result.ours_minor], [result.theirs_minor], [result.matched_minor])
        self.page, self.view, self.result = page, view, result
        self.cells = (2, 1 + max(rows, 1))
        self.row = 0

    def fact(self, text: str, look: str = "note") -> None:
        self.page.text(self.row, 0, text, look)
        self.row += 1

    def counted(self, keys: str, lines: int) -> None:
        numbers = block(_NUMBERS, *self.cells, _LISTED)
        self.page.formula(self.row, 1, f'=COUNTIFS({keys},{numbers},">0")', lines, "count")

    def by_cause(self) -> tuple[int, int]:
        """What matched, and the differences by cause. Returns the first and the last row, from 1."""
        page, result, first = self.page, self.result, self.row + 1
        page.text(self.row, 0, "совпало")
        page.number(self.row, 1, result.matched_lines, "count")
        for column, value in ((2, result.matched_minor), (3, result.matched_minor), (4, 0)):
            page.money(self.row, column, value)
        for one in result.by_cause:
            self.row += 1
            page.text(self.row, 0, CAUSES[one.cause])
            keys = f"{block(_CAUSE, *self.cells, _LISTED)},$A{self.row + 1}"
            self.counted(keys, one.lines)
            for column, (letter, kind) in enumerate(_MONEY, 2):
                formula = f"=SUMIFS({block(letter, *self.cells, _LISTED)},{keys})"
                self.sums.write(page, (self.row, column), formula, getattr(one, kind))
        self.row += 1
        return first, self.row

    def equation(self, first: int, last: int) -> None:
        """The sums of both lists from the lines above, and beside them what the lists themselves hold."""
        page, result = self.page, self.result
        delta = result.theirs_minor - result.ours_minor
        page.text(self.row, 0, "Всего", "strong")
        for column, letter, value in ((2, "C", result.ours_minor), (3, "D", result.theirs_minor), (4, "E", delta)):
            self.sums.write(page, (self.row, column), f"=SUM({block(letter, first, last)})", value, look="sum")
        total = self.row + 1
        self.row += 2
        for name, lines, value in (
            ("Список Провайдера", result.ours_lines, result.ours_minor),
            ("+ расхождения (Оператор минус Провайдер)", len(result.differences), delta),
            ("= список Оператора", result.theirs_lines, result.theirs_minor),
        ):
            page.text(self.row, 0, name)
            page.number(self.row, 1, lines, "count")
            if name.startswith("+"):
                self.sums.write(page, (self.row, 2), f"=E{total}", value)
            else:
                page.money(self.row, 2, value)
            self.row += 1
        if self.sums.formulas:
            row = self.row
            formula = f'=IF(ROUND(C{row - 2}+C{row - 1}-C{row},2)=0,"сходится","НЕ СХОДИТСЯ")'
            page.formula(row - 1, 3, formula, "сходится", "check")

    def ways(self, told: Sequence[Settled]) -> None:
        """How much is settled in each way."""
        self.row += 1
        for name, way, lines, delta in by_way(told):
            keys = f'{block(_WAY, *self.cells, _LISTED)},"{way}"'
            self.page.text(self.row, 0, name)
            self.counted(keys, lines)
            self.page.texts(self.row, 2, ("", ""))
            self.sums.write(self.page, (self.row, 4), f"=SUMIFS({block('S', *self.cells, _LISTED)},{keys})", delta)
            self.row += 1

    def signatures(self, *parties: tuple[str, Party]) -> None:
        self.row += 1
        self.fact(CLOSING)
        for role, party in parties:
            self.row += 1
            self.fact(f"{role}: {party.name}", "strong")
            self.fact(f"{party.signatory} ____________________   М.П.   «___» ____________ 20__ г.".strip())


def _amounts_of(result: Reconciliation) -> tuple[list[int], ...]:
    """All amounts of the other worksheet: ours, the Operator's and their difference, row by row."""
    rows = [
        (ours.income_minor if ours else 0, theirs.income_minor if theirs else 0)
        for one in result.differences
        for ours, theirs in zip_longest(one.ours, one.theirs)
    ]
    return [ours for ours, _ in rows], [theirs for _, theirs in rows], [theirs - ours for ours, theirs in rows]


def _write_summary(page: Page, view: ReconciliationView, told: Sequence[Settled], rows: int) -> None:
    summary = _Summary(page, view, rows)
    summary.fact(titled("Акт сверки", view.number, draft=not view.number), "title")
    summary.fact(f"Отчётный период: {month_title(view.month)}, составлен {view.dated:%d.%m.%Y}")
    summary.fact(f"Договор: {view.agreement}")
    summary.fact(f"Провайдер: {view.provider.name}. Оператор: {view.operator.name}")
    summary.fact(f"Ключ сверки (SHA-256 двух списков): {view.result.key}")
    summary.fact("" if summary.sums.formulas else INEXACT_NOTE)
    page.header(summary.row, _SUMMARY)
    summary.row += 1
    summary.equation(*summary.by_cause())
    summary.ways(told)
    summary.signatures(("Провайдер", view.provider), ("Оператор", view.operator))
    page.print_set_up(len(_SUMMARY), summary.row - 1)


def statement_xlsx(view: ReconciliationView) -> bytes:
    """The statement as a workbook of every difference, the same bytes for the same view. Sums are formulas that agree.

    Raises ValueError as `settled` does, and where repeated lines are more than a worksheet holds.
    """
    told, content = settled(view), io.BytesIO()
    rows = sum(max(len(one.difference.ours), len(one.difference.theirs)) for one in told)
    if rows > _MOST_ROWS:
        raise ValueError("the differences take more rows than a worksheet holds")
    title = f"Акт сверки за {month_title(view.month)}"
    with Book(content, title=title, created=midnight(view.dated), long=True, looks={}) as book:
        _write_summary(book.page("Сводка"), view, told, rows)
        _write_differences(book.page(_LISTED), told)
    return content.getvalue()
