"""The statement of differences between our list and the Operator's for a month (Акт сверки)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from blocks.terms.revenue import Cause, Difference, Figures, Reconciliation
from blocks.terms.revenue_views import ReconciliationView
from reports.differences import CAUSES_HEADER, CLOSING, Settled, by_way, cause_rows, causes_of, settled
from reports.format import count, days, long_day, midnight, minor, month_title, plural, signed
from reports.papers import side, titled, wrapping
from reports.pdf import render_pdf
from reports.reconciliation_book import statement_xlsx
from reports.words import LINE_STATES, said

__all__ = ["MOST_SHOWN", "statement_pdf", "statement_xlsx"]

MOST_SHOWN = 300
"""Differences that the PDF lists; the workbook lists all."""

_MOST_HELD = 5
_HEADER = ("№", "Строка", "Причина", "У Провайдера", "У Оператора", "Разница, тенге", "Урегулирование")
_WHOLE = (Cause.DUPLICATE, Cause.MISSING_AT_THEM, Cause.MISSING_AT_US)


def _differs(difference: Difference, kind: str) -> bool:
    """Whether a column is worth showing: a line that stands at one side alone, or several times, shows all."""
    return difference.cause in _WHOLE or kind in difference.causes


def _figures(difference: Difference, one: Figures) -> str:
    """What a side holds of a line: its income, and whatever else the difference is about."""
    parts: Sequence[tuple[str, Callable[[Figures], str]]] = (
        (Cause.TARIFF, lambda held: held.tariff),
        (Cause.PERIOD, lambda held: days(held.begins_on, held.ends_on)),
        (Cause.CUSTOMER, lambda held: held.customer),
    )
    shown = [minor(one.income_minor), said(LINE_STATES, one.state)]
    return ", ".join([*shown, *(wrapping(tell(one)) for kind, tell in parts if _differs(difference, kind))])


def _side(difference: Difference, held: Sequence[Figures]) -> str:
    told = [_figures(difference, one) for one in held[:_MOST_HELD]]
    if len(held) > _MOST_HELD:
        told.append(f"и ещё {count(len(held) - _MOST_HELD)}")
    return "\n".join(told) or "—"


def _row(number: int, told: Settled) -> tuple[str, ...]:
    one, word = told
    invoice = next(held.invoice for held in (*one.ours, *one.theirs))
    how = told.way if word is None else f"{told.way}: {word.reason} ({word.who})"
    sides = (_side(one, one.ours), _side(one, one.theirs))
    line = wrapping(f"{one.line}\nсчёт {invoice}")
    return str(number), line, causes_of(one), *sides, signed(one.delta_minor), wrapping(how)


def _equation(result: Reconciliation) -> list[tuple[str, str, str]]:
    """Ours plus the differences is theirs, with the counts of lines."""
    delta = result.theirs_minor - result.ours_minor
    return [
        ("Список Провайдера", count(result.ours_lines), minor(result.ours_minor)),
        ("+ расхождения (Оператор минус Провайдер)", count(len(result.differences)), signed(delta)),
        ("= список Оператора", count(result.theirs_lines), minor(result.theirs_minor)),
    ]


def _more(hidden: int) -> str:
    if hidden <= 0:
        return ""
    return f"…и ещё {count(hidden)} {plural(hidden, 'расхождение', 'расхождения', 'расхождений')} — в файле XLSX."


def statement_pdf(view: ReconciliationView) -> bytes:
    """The statement on A4, the same bytes for the same view; of many differences the first MOST_SHOWN.

    Raises ValueError as `settled` does.
    """
    told, result = settled(view), view.result
    total = ("Всего", "", minor(result.ours_minor), minor(result.theirs_minor))
    data: dict[str, Any] = {
        "title": titled("Акт сверки", view.number, draft=not view.number),
        "draft": not view.number,
        "dated": long_day(view.dated),
        "agreement": view.agreement,
        "period": month_title(view.month),
        "parties": [side("Провайдер", view.provider), side("Оператор", view.operator)],
        "equation": _equation(result),
        "causes-header": CAUSES_HEADER,
        "causes": cause_rows(result),
        "causes-sum": (*total, signed(result.theirs_minor - result.ours_minor)),
        "ways": [(name, count(lines), signed(delta)) for name, _, lines, delta in by_way(told)],
        "header": _HEADER,
        "rows": [_row(number, one) for number, one in enumerate(told[:MOST_SHOWN], 1)],
        "more": _more(len(told) - MOST_SHOWN),
        "key": view.result.key,
        "closing": CLOSING,
    }
    return render_pdf("reconciliation", data, dated=midnight(view.dated))
