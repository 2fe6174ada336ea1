"""The certificates of one domain ahead: who is told when, which serves when, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from blocks.terms.certificate_facts import Replacement
from blocks.terms.certificate_year import YearPlan
from blocks.terms.deadlines import at_wall, local_date, months_later
from blocks.terms.intervals import Span
from blocks.terms.zones import MOSCOW
from reports.format import MONTHS_SHORT, long_day, moscow, plain, plural, span, wall
from reports.papers import wrapping
from reports.pdf import Drawing, render_drawing, render_pdf
from reports.story import markdown_table

_HEADER = ("№", "Заказать", "Объявить не позднее", "Замена", "Прежний хранится до", "Новый действует до", "Обещание")
_MOST_ROWS = 28
_DAY = timedelta(days=1)


class _Row(NamedTuple):
    """A certificate in the picture: its validity, its announcement and its service; and how it came into service."""

    valid: Span
    told: Span | None
    serves: Span
    begun_by: Replacement | None


def _promise(made: Replacement) -> str:
    if made.emergency:
        return "срочная замена"
    broken = [what for kept, what in ((made.noticed, "меньше месяца"), (made.in_window, "вне окна")) if not kept]
    return f"**нарушено: {', '.join(broken)}**" if broken else "соблюдено"


def _days(length: timedelta) -> str:
    days = round(length / _DAY)
    return f"{days} {plural(days, 'день', 'дня', 'дней')}"


def _remarks(view: YearPlan) -> list[str]:
    """What a reader of the table or the picture should know at once."""
    made = view.replacements
    if not made:
        return ["Замен за это время нет."]
    broken = sum(not one.kept and not one.emergency for one in made)
    overlaps = sum(later.announce_at < earlier.swap.start for earlier, later in pairwise(made))
    times = plural(len(made), "замена", "замены", "замен")
    told = [f"{len(made)} {times}; обещание {f'нарушено: {broken}' if broken else 'соблюдено в каждой'}."]
    if any(not one.noticed and not one.emergency for one in made):
        least = f"{view.least_days} {plural(view.least_days, 'дня', 'дней', 'дней')}"
        told.append(f"Месяц предупреждения есть всегда при сроке не меньше {least}; иначе нужно согласие клиента.")
    if overlaps:
        told.append(f"Объявления перекрываются: следующий объявлен до замены предыдущего, случаев: {overlaps}.")
    return told


def _title(view: YearPlan, domain: str) -> str:
    first, last = local_date(view.begins_at, MOSCOW), local_date(view.ends_at, MOSCOW)
    return f"План замены сертификатов {domain}: {long_day(first)} — {long_day(last)}"


def plan_table(view: YearPlan) -> str:
    """The plan as Markdown in Russian, on Moscow's clock: each replacement with its moments, and what stands out."""
    rows = [
        (
            number,
            moscow(made.issue_at),
            moscow(made.announce_by),
            span(made.swap.start, made.swap.end, MOSCOW),
            moscow(made.retire_at),
            moscow(made.successor.end),
            _promise(made),
        )
        for number, made in enumerate(view.replacements, start=2)
    ]
    validity = view.first.span
    first = f"Первый действует до {moscow(validity.end)} ({_days(validity.length)})."
    parts = [f"# {_title(view, plain(view.domain))}", " ".join([first, *_remarks(view)])]
    return "\n\n".join([*parts, *([markdown_table(_HEADER, rows)] if rows else [])]) + "\n"


def _rows(view: YearPlan) -> list[_Row]:
    made = view.replacements
    starts = [view.first.start, *(one.swap.start for one in made), view.ends_at]
    served = [Span(start, max(start, end)) for start, end in pairwise(starts)]
    rows = [_Row(view.first.span, None, served[0], None)]
    for one, serves in zip(made, served[1:], strict=True):
        rows.append(_Row(one.successor.span, Span(one.announce_at, one.swap.start), serves, one))
    return rows


def _ticks(shown: Span) -> Iterator[tuple[datetime, date]]:
    """The first of each month in Moscow within a span."""
    day = local_date(shown.start, MOSCOW).replace(day=1)
    while (start := at_wall(day, time(), MOSCOW)) < shown.end:
        if start >= shown.start:
            yield start, day
        day = months_later(day, 1)


def _chart(rows: Sequence[_Row], first_number: int, shown: Span) -> dict[str, Any]:
    """A part of the picture: places are parts of its width, from 0 to 1; what lies outside of it is cut."""

    def at(moment: datetime) -> float:
        return round(min(max((moment - shown.start) / shown.length, 0), 1), 4)

    def bar(part: Span | None) -> dict[str, float] | None:
        if part is None or part.end <= shown.start or part.start >= shown.end:
            return None
        return {"x": at(part.start), "width": round(at(part.end) - at(part.start), 4)}

    return {
        "ticks": [
            {"x": at(moment), "label": f"{MONTHS_SHORT[day.month - 1]} {day:%y}"} for moment, day in _ticks(shown)
        ],
        "rows": [
            {
                "number": str(number),
                "since": wall(row.serves.start, MOSCOW)[:10],
                "days": str(round(row.valid.length / _DAY)),
                "valid": bar(row.valid),
                "told": bar(row.told),
                "serves": bar(row.serves),
                "swap": at(row.serves.start) if row.begun_by else None,
                "kept": row.begun_by is None or row.begun_by.kept,
            }
            for number, row in enumerate(rows, start=first_number)
        ],
    }


def _charts(view: YearPlan) -> Iterator[dict[str, Any]]:
    """One chart for all, or several of which each shows its own time where there are too many certificates for one."""
    rows = _rows(view)
    for first in range(0, len(rows), _MOST_ROWS):
        part = rows[first : first + _MOST_ROWS]
        shown = Span(view.begins_at, view.ends_at)
        if len(rows) > _MOST_ROWS:
            shown = Span(min(row.valid.start for row in part), max(row.serves.end for row in part))
        yield _chart(part, first + 1, shown)


def _drawn(view: YearPlan) -> dict[str, Any]:
    return {
        "title": _title(view, wrapping(view.domain)),
        "note": "KS-3.8: о замене объявлено за календарный месяц, новый сертификат опубликован; время московское",
        "told": " ".join(_remarks(view)),
        "charts": list(_charts(view)),
    }


def picture_pdf(view: YearPlan) -> bytes:
    """The timeline as PDF, a page for every 28 certificates; the same bytes for the same view."""
    return render_pdf("certificate_plan", {**_drawn(view), "tall": False}, dated=view.begins_at.astimezone(UTC))


def picture(view: YearPlan, kind: Drawing) -> bytes:
    """The same as one drawing without pages."""
    return render_drawing("certificate_plan", {**_drawn(view), "tall": True}, kind=kind)
