"""What a manager looks at: income by service and month, how it was shared, and why two lists differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from blocks.terms.revenue import Reconciliation
from blocks.terms.revenue_views import ActView, MonthShare, ReconciliationView, RevenuePicture
from reports.act import ACT_HEADER, act_title, by_month, row_cells, sum_cells
from reports.differences import CAUSES_HEADER, by_way, cause_rows, settled
from reports.format import (
    MONTHS_SHORT,
    count,
    long_day,
    midnight,
    minor,
    month_title,
    percent,
    plain,
    signed,
)
from reports.papers import wrapping
from reports.pdf import render_pdf
from reports.story import markdown_table
from reports.words import CAUSES

_MOST_MONTHS, _MOST_SERVICES = 12, 7
_REST = "прочие"
_UNITS = ((10**12, "трлн тенге"), (10**9, "млрд тенге"), (10**6, "млн тенге"), (10**3, "тыс. тенге"), (1, "тенге"))
_TICKS, _STEPS = 5, (1, 2, Decimal("2.5"), 5, 10)
_LONGEST_NAME = 60
_LABELLED_FROM = Fraction(1, 18)
"""The part of the picture's height from which a piece of a bar is high enough for its figure."""


def _short_month(month: str) -> str:
    return f"{MONTHS_SHORT[int(month[5:]) - 1]} {month[2:4]}"


def _drawn(part: Fraction) -> float:
    """A place in a picture of 1 by 1."""
    return round(float(part), 4)


def _with_comma(number: str) -> str:
    return number.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",").replace("-", "−")


class _Scale:
    """A vertical axis over whole minor units, with round marks and one unit for every figure."""

    def __init__(self, highest: int, lowest: int) -> None:
        self.top, self.low = max(highest, 1), min(lowest, 0)
        span = max(self.top, -self.low)
        self.unit, self.name = next((unit, name) for unit, name in _UNITS if span >= 100 * unit or unit == 1)
        whole = Decimal(self.top - self.low) / _TICKS
        power = Decimal(1).scaleb(whole.adjusted())
        self.step = max(next(int(power * n) for n in _STEPS if power * n >= whole), 1)

    def at(self, value: int) -> Fraction:
        """How far below the top a value stands."""
        return Fraction(self.top - value, self.top - self.low)

    def figure(self, value: int) -> str:
        """A value in the axis' unit, to a tenth."""
        return _with_comma(f"{self._major(value):,.1f}")

    def marks(self) -> list[dict[str, Any]]:
        """The marks from the lowest to the highest."""
        first = -(-self.low // self.step)
        values = [n * self.step for n in range(first, self.top // self.step + 1)]
        return [
            {"y": _drawn(self.at(value)), "label": _with_comma(f"{self._major(value):.2f}".rstrip("0").rstrip("."))}
            for value in values
        ]

    def _major(self, value: int) -> Decimal:
        return Decimal(value).scaleb(-2) / self.unit


def _by_service(picture: RevenuePicture) -> tuple[list[str], dict[str, dict[str, int]]]:
    """The services in order of income, the small ones as one; and the income of each month by service."""
    totals: dict[str, int] = defaultdict(int)
    for one in picture.services:
        totals[one.service] += abs(one.income_minor)
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    named = ordered if len(ordered) <= _MOST_SERVICES + 1 else ordered[:_MOST_SERVICES]
    months: dict[str, dict[str, int]] = {}
    for one in picture.services:
        place = one.service if one.service in named else _REST
        month = months.setdefault(one.month, {})
        month[place] = month.get(place, 0) + one.income_minor
    return [*named, *([_REST] if len(named) < len(ordered) else [])], dict(sorted(months.items())[-_MOST_MONTHS:])


def _bar(month: str, held: dict[str, int], names: Sequence[str], scale: _Scale) -> dict[str, Any]:
    """A month's bar: income stacked up from zero, what was taken back stacked down."""
    up = down = 0
    pieces = []
    for colour, name in enumerate(names):
        value = held.get(name, 0)
        start = up if value > 0 else down
        edges = scale.at(start + value), scale.at(start)
        up, down = up + max(value, 0), down + min(value, 0)
        high = abs(edges[1] - edges[0])
        label = scale.figure(value) if high >= _LABELLED_FROM else ""
        if value:
            pieces.append({"y": _drawn(min(edges)), "height": _drawn(high), "colour": colour, "label": label})
    total = scale.figure(sum(held.values()))
    return {"month": _short_month(month), "pieces": pieces, "top": _drawn(scale.at(up)), "total": total}


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _income(picture: RevenuePicture) -> dict[str, Any] | None:
    names, months = _by_service(picture)
    if not months:
        return None
    highest = max(sum(value for value in held.values() if value > 0) for held in months.values())
    lowest = min(sum(value for value in held.values() if value < 0) for held in months.values())
    scale = _Scale(highest, lowest)
    return {
        "unit": scale.name,
        "names": [wrapping(_shortened(name)) for name in names],
        "marks": scale.marks(),
        "zero": _drawn(scale.at(0)),
        "bars": [_bar(month, held, names, scale) for month, held in months.items()],
    }


def _tenths(share: MonthShare) -> int | None:
    """The Operator's part of a month in tenths of a percent, half up; None where the sums are no parts of a whole."""
    if not 0 <= share.fee_minor <= share.income_minor or not share.income_minor:
        return None
    return (2_000 * share.fee_minor + share.income_minor) // (2 * share.income_minor)


def _said(tenths: int | None) -> str:
    return "—" if tenths is None else percent(f"{tenths // 10}.{tenths % 10}")


def _shares(picture: RevenuePicture) -> list[dict[str, Any]]:
    held = sorted(picture.shares, key=lambda one: one.month)[-_MOST_MONTHS:]
    parts = [(one.month, _tenths(one)) for one in held]
    return [
        {
            "month": _short_month(month),
            "fee": None if tenths is None else tenths / 1_000,
            "label": _said(tenths),
            "rest": "" if tenths is None else _said(1_000 - tenths),
        }
        for month, tenths in parts
    ]


def _differences(result: Reconciliation) -> list[dict[str, Any]]:
    most = max((one.lines for one in result.by_cause), default=0) or 1
    widest = max((abs(one.delta_minor) for one in result.by_cause), default=0) or 1
    return [
        {
            "name": CAUSES[one.cause],
            "lines": count(one.lines),
            "wide": _drawn(Fraction(one.lines, most)),
            "delta": signed(one.delta_minor),
            "shift": _drawn(Fraction(one.delta_minor, widest)),
        }
        for one in result.by_cause
    ]


def _told_of(result: Reconciliation | None) -> str:
    """What stands in place of the bars, or above them."""
    if result is None:
        return "Сверки ещё не было: нет списка Оператора."
    if not result.by_cause:
        return f"Расхождений нет, совпало строк: {count(result.matched_lines)}."
    return f"Совпало строк: {count(result.matched_lines)}; расхождений: {count(len(result.differences))}."


def picture_pdf(view: RevenuePicture) -> bytes:
    """One page, the same bytes for the same view. Services beyond the seven largest are drawn as one."""
    result = view.reconciliation
    data = {
        "title": f"Доходы ОЦП: {month_title(view.month)}",
        "note": f"{view.provider} · составлено {long_day(view.dated)} · доход в тенге без НДС",
        "income": _income(view),
        "shares": _shares(view),
        "differences": [] if result is None else _differences(result),
        "told": _told_of(result),
    }
    return render_pdf("revenue_picture", data, dated=midnight(view.dated))


def _table_of_act(view: ActView) -> str:
    rows = [
        (month_title(month), *map(plain, row_cells(row, view.titles))) for month, held in by_month(view) for row in held
    ]
    sums = ("**Итого**", "", "", *(f"**{value}**" if value else "" for value in sum_cells(view.rows)))
    return markdown_table(("Месяц", *ACT_HEADER[1:]), [*rows, sums])


def _table_of_differences(view: ReconciliationView) -> str:
    ways = [f"{name}: {count(lines)} ({signed(delta)})." for name, _, lines, delta in by_way(settled(view))]
    sums = f"Наши {minor(view.result.ours_minor)} + расхождения "
    sums += f"{signed(view.result.theirs_minor - view.result.ours_minor)} = Оператора {minor(view.result.theirs_minor)}"
    return "\n\n".join([markdown_table(CAUSES_HEADER, cause_rows(view.result)), sums, " ".join(ways)])


def revenue_markdown(view: ActView, statement: ReconciliationView | None, obstacles: Sequence[str]) -> str:
    """The month for the Prefect UI: what hinders the act, its rows, and the differences by cause."""
    parts = [
        f"# {plain(act_title(view))}: {month_title(view.month)}",
        *(["## Что мешает оформить акт", "\n".join(f"- {plain(text)}" for text in obstacles)] if obstacles else []),
        "## Раздел дохода",
        _table_of_act(view) if view.rows else "Строк, изменяющих доход, нет.",
        "## Сверка",
        _table_of_differences(statement) if statement else "Списка Оператора нет.",
    ]
    return "\n\n".join(parts) + "\n"
