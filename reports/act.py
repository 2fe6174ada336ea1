"""The act of services rendered in a month (OCP-P5.4), a correction act, and the invoice for the Provider's reward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from blocks.terms.revenue import SplitRow, first_day, last_day
from blocks.terms.revenue_views import ActView
from reports.format import days, long_day, midnight, minor, month_title, rate, signed, tenge_in_words
from reports.papers import runs, side, titled, wrapping
from reports.pdf import render_pdf

ACT_HEADER = (
    "№",
    "Тарифная строка",
    "Дни действия",
    "Доход без НДС, тенге",
    "Ставка абонентской платы",
    "Абонентская плата Оператора, тенге",
    "Вознаграждение Провайдера, тенге",
    "НДС справочно, тенге",
)
_LEAD = "Доход по счетам, выставленным за отчётный период, без НДС, и его раздел между сторонами:"
_LEAD_CORRECTION = "Настоящим актом изменяются суммы ранее оформленных актов. Изменения со знаком:"
_EMPTY = "Строк, изменяющих доход, нет."
_CLOSING = "Стороны подтверждают суммы этого акта. Суммы указаны в тенге без НДС."


def row_cells(row: SplitRow, titles: dict[str, str]) -> tuple[str, ...]:
    """A row of an act without its number, as people read it."""
    title = titles.get(row.tariff, "")
    return (
        wrapping(f"{row.tariff} {title}".strip()),
        days(row.since, row.until),
        minor(row.income_minor),
        rate(row.fee_bp),
        minor(row.fee_minor),
        minor(row.reward_minor),
        minor(row.vat_minor),
    )


def sum_cells(rows: Iterable[SplitRow]) -> tuple[str, ...]:
    """The sums of rows under the five last columns; a rate has none."""
    held = list(rows)
    income, fee, reward, vat = (
        minor(sum(getattr(row, kind) for row in held))
        for kind in ("income_minor", "fee_minor", "reward_minor", "vat_minor")
    )
    return income, "", fee, reward, vat


def by_month(view: ActView) -> Iterator[tuple[str, list[SplitRow]]]:
    """The rows by the month that they belong to, in the act's order."""
    for month, rows in groupby(view.rows, key=lambda row: row.month_of):
        yield month, list(rows)


def rounding_note(rows: Sequence[SplitRow]) -> str:
    """Which rows bear their month's rounding, numbered from 1: округление: +0,01 на строке 2. Empty for none."""
    shifts = sorted({row.rounding_minor for row in rows} - {0}, reverse=True)
    parts = []
    for shift in shifts:
        numbers = [number for number, row in enumerate(rows, 1) if row.rounding_minor == shift]
        where = f"строке {numbers[0]}" if len(numbers) == 1 else f"строках {runs(numbers)}"
        parts.append(f"{signed(shift)} на {where}")
    if not parts:
        return ""
    return f"Абонентская плата за месяц округлена один раз; округление: {'; '.join(parts)}."


def _groups(view: ActView) -> list[dict[str, Any]]:
    """The month's own rows, then the corrections of each earlier month under its name; numbers run on."""
    numbered = iter(range(1, len(view.rows) + 1))
    months = list(by_month(view))
    groups = []
    for month, rows in months:
        own = month == view.month
        title = "" if own and not view.edition else f"Исправление за {month_title(month)}"
        groups.append(
            {
                "title": title,
                "rows": [(str(next(numbered)), *row_cells(row, view.titles)) for row in rows],
                "total": f"Итого за {month_title(month)}",
                "sums": sum_cells(rows) if len(months) > 1 else None,
            }
        )
    return groups


def act_title(view: ActView) -> str:
    """The title of an act: what it is and its number."""
    return titled("Корректировочный акт" if view.edition else "Акт оказанных услуг", view.number, draft=view.draft)


def _words(view: ActView) -> list[tuple[str, str, str]]:
    names = ("Доход", "Абонентская плата Оператора", "Вознаграждение Провайдера")
    amounts = (view.income_minor, view.fee_minor, view.reward_minor)
    return [(name, minor(value), tenge_in_words(value)) for name, value in zip(names, amounts, strict=True)]


def act_pdf(view: ActView) -> bytes:
    """The act on A4, the same bytes for the same view. A draft has a watermark instead of a number."""
    subtitle = f"к акту за {month_title(view.month)}, исправление {view.edition}" if view.edition else ""
    data = {
        "title": act_title(view),
        "subtitle": subtitle,
        "draft": view.draft,
        "dated": long_day(view.dated),
        "agreement": view.agreement,
        "period": f"{month_title(view.month)} ({days(first_day(view.month), last_day(view.month))})",
        "parties": [side("Провайдер", view.provider), side("Оператор", view.operator)],
        "facts": [("Причина исправления", view.reason)] if view.reason else [],
        "lead": _LEAD_CORRECTION if view.edition else _LEAD,
        "header": ACT_HEADER,
        "groups": _groups(view),
        "empty": _EMPTY,
        "sums": sum_cells(view.rows),
        "rounding": rounding_note(view.rows),
        "words": _words(view),
        "closing": _CLOSING,
    }
    return render_pdf("act", data, dated=midnight(view.dated))


def _invoice_lines(view: ActView, sign: int) -> list[dict[str, str]]:
    """The reward by month. A correction's months are told apart from the act's own."""
    lines = []
    for month, rows in by_month(view):
        own = month == view.month and not view.edition
        what = "Вознаграждение Провайдера" if own else "Исправление вознаграждения Провайдера"
        amount = minor(sign * sum(row.reward_minor for row in rows))
        lines.append({"what": f"{what} за {month_title(month)}", "amount": amount})
    return lines or [{"what": f"Вознаграждение Провайдера за {month_title(view.month)}", "amount": minor(0)}]


def _payment(view: ActView) -> dict[str, Any]:
    """Who pays whom. A reward that is not positive is no payment to the Provider: it goes back, or nothing is paid."""
    provider, operator = side("Провайдер", view.provider), side("Оператор", view.operator)
    kind, sign, total, payee, payer = "Счёт на оплату", 1, "Всего к оплате", provider, operator
    terms = "Срок оплаты: 3 рабочих дня после того, как обе стороны подписали акт и счёт."
    if view.reward_minor < 0:
        kind, sign, total, payee, payer = "Корректировочный счёт", -1, "Сумма к возврату Оператору", operator, provider
        terms = "Вознаграждение по акту отрицательное: Провайдер возвращает указанную сумму Оператору."
    elif view.reward_minor == 0:
        kind, terms = "Корректировочный счёт", "Вознаграждение по акту равно нулю: платёж не требуется."
    return {
        "title": titled(kind, view.number, draft=view.draft),
        "lines": _invoice_lines(view, sign),
        "total-name": total,
        "total": minor(sign * view.reward_minor),
        "words": tenge_in_words(sign * view.reward_minor),
        "payee": payee,
        "payer": payer,
        "terms": terms,
        "parties": [provider, operator],
    }


def reward_invoice_pdf(view: ActView) -> bytes:
    """The invoice to an act, in tenge without VAT (OCP-P5.4). A negative reward makes it a note of what is returned."""
    act = act_title(view)
    data = _payment(view) | {
        "draft": view.draft,
        "dated": long_day(view.dated),
        "subtitle": f"к документу «{act}»",
        "agreement": view.agreement,
        "facts": [("Период", month_title(view.month))],
    }
    return render_pdf("reward_invoice", data, dated=midnight(view.dated))
