"""Availability under an agreement for a period: what is promised, what is spent of it, and every day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from blocks.terms.service_views import AvailabilityReport, DayCell, JournalLine, ServiceAvailability, TargetLine
from reports.format import MONTHS_SHORT, duration, percent, plain, plural, span, wall
from reports.pdf import render_pdf
from reports.story import markdown_table

_DARKER_FROM = (1, 300, 1_800, 10_800)
"""Seconds of downtime a day from which a cell takes each of its four colours."""

_HEADER = ("Пункт", "Обязательство", "Допустимо", "Израсходовано", "Остаток", "Прогноз на конец", "Итог")


def _verdict(target: TargetLine) -> str:
    if not target.kept:
        return "нарушено"
    return "под угрозой" if target.at_risk else "соблюдается"


def _target_row(target: TargetLine) -> tuple[str, ...]:
    forecast = "—" if target.forecast_seconds is None else duration(target.forecast_seconds)
    figures = (duration(seconds) for seconds in (target.allowed_seconds, target.spent_seconds, target.left_seconds))
    return target.clause, target.title, *figures, forecast, _verdict(target)


def _outage_row(line: JournalLine, zone: str) -> tuple[str, ...]:
    if line.ended_at is None or line.seconds is None:
        when, length = f"с {wall(line.began_at, zone)}", "продолжается"
    else:
        when, length = span(line.began_at, line.ended_at, zone), duration(line.seconds)
    return line.number, line.service, when, length, line.cause or "выясняется", "да" if line.counted else "нет"


def _period(report: AvailabilityReport) -> tuple[date, date]:
    """The first and the last day of the period on the agreement's calendar."""
    zone = ZoneInfo(report.zone)
    last = report.ends_at - timedelta(microseconds=1)
    return report.starts_at.astimezone(zone).date(), last.astimezone(zone).date()


def _cell(day: date, cell: DayCell | None) -> dict[str, Any]:
    """A square: its column, its colour, and whether works or unknown time stand beside what gave the colour."""
    if cell is None:
        return {"day": day.day, "look": "ahead", "works": False, "unknown": False}
    level = sum(cell.down_seconds >= bound for bound in _DARKER_FROM)
    look = f"down{level}" if level else "works" if cell.planned_seconds else "unknown" if cell.unknown_seconds else "up"
    return {
        "day": day.day,
        "look": look,
        "works": bool(cell.planned_seconds) and look != "works",
        "unknown": bool(cell.unknown_seconds) and look != "unknown",
    }


def _months(days: Iterable[DayCell], first: date, last: date) -> list[dict[str, Any]]:
    """Every day of the period in rows of months."""
    known = {cell.day: cell for cell in days}
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [
        {"label": f"{MONTHS_SHORT[month - 1]} {year}", "cells": [_cell(day, known.get(day)) for day in month_days]}
        for (year, month), month_days in groupby(every, key=lambda day: (day.year, day.month))
    ]


def _left(seconds: Decimal) -> str:
    return f"Осталось {duration(seconds)}" if seconds >= 0 else f"Перерасход {duration(-seconds)}"


def _burn(service: ServiceAvailability, first: date, last: date) -> dict[str, Any] | None:
    """The burn-down in a box of 1 by 1, from the whole budget at the top to zero, or below it when overspent."""
    budget = service.budget_seconds
    if not budget or not service.burn:
        return None
    total = (last - first).days + 1
    end = None if service.forecast_seconds is None else budget - service.forecast_seconds
    lowest = max(min([Decimal(0), *(left for _, left in service.burn), *([] if end is None else [end])]), -budget)

    def height(left: Decimal) -> float:
        return round(float((budget - left) / (budget - lowest)), 4)

    points = [[0.0, 0.0], *([round(((day - first).days + 1) / total, 4), height(left)] for day, left in service.burn)]
    starts = [first, *(day for n in range(1, total) if (day := first + timedelta(days=n)).day == 1)]
    levels = [budget, budget / 2, Decimal(0), *([lowest] if height(Decimal(0)) < 0.93 else [])]
    return {
        "points": points,
        "forecast": None if end is None else [points[-1], [1.0, height(end)]],
        "zero": height(Decimal(0)),
        "levels": [{"y": height(level), "label": duration(level)} for level in levels],
        "months": [{"x": round((day - first).days / total, 4), "label": MONTHS_SHORT[day.month - 1]} for day in starts],
        "left": _left(service.burn[-1][1]),
        "end": "" if end is None else _left(end),
    }


def _service(service: ServiceAvailability, first: date, last: date) -> dict[str, Any]:
    times = plural(service.count, "случай", "случая", "случаев")
    return {
        "title": service.title,
        "group": service.group,
        "shares": [
            ["По договору", percent(service.percent_counted)],
            ["Вместе с плановыми работами", percent(service.percent_with_planned)],
            ["В худшем случае", percent(service.percent_worst)],
        ],
        "figures": [
            ["Недоступность", f"{duration(service.down_seconds)}, {service.count} {times}"],
            ["Самый долгий случай", duration(service.longest_seconds) if service.count else "—"],
            ["Плановые работы", duration(service.planned_seconds)],
            ["Нет данных", duration(service.unknown_seconds)],
        ],
        "months": _months(service.days, first, last),
        "burn": _burn(service, first, last),
    }


def availability_pdf(report: AvailabilityReport) -> bytes:
    """The report on A4, the same bytes for the same view."""
    first, last = _period(report)
    data = {
        "agreement": report.agreement,
        "period": report.period_title,
        "span": span(report.starts_at, report.ends_at, report.zone),
        "as_of": wall(report.as_of, report.zone),
        "targets": [_target_row(target) for target in report.targets],
        "target_header": _HEADER,
        "services": [_service(service, first, last) for service in report.services],
        "outages": [_outage_row(line, report.zone) for line in report.outages],
    }
    return render_pdf("availability", data, dated=report.as_of)


def availability_markdown(report: AvailabilityReport) -> str:
    """The same figures as Markdown, for the Prefect UI; without pictures."""
    shares = (
        (
            plain(service.title),
            *map(percent, (service.percent_counted, service.percent_with_planned, service.percent_worst)),
            duration(service.down_seconds),
            service.count,
        )
        for service in report.services
    )
    targets = (tuple(map(plain, _target_row(target))) for target in report.targets)
    outages = (tuple(map(plain, _outage_row(line, report.zone))) for line in report.outages)
    header = ("Сервис", "По договору", "С плановыми работами", "В худшем случае", "Недоступность", "Случаев")
    parts = [
        f"# Доступность по договору {plain(report.agreement)}: {plain(report.period_title)}",
        f"По состоянию на {wall(report.as_of, report.zone)}",
        "## Обязательства",
        markdown_table(_HEADER, targets) if report.targets else "Обязательств с мерой времени нет.",
        "## Сервисы",
        markdown_table(header, shares) if report.services else "Сервисов нет.",
        "## Случаи недоступности",
        markdown_table(("Номер", "Сервис", "Когда", "Сколько", "Причина", "Засчитано"), outages)
        if report.outages
        else "Случаев не было.",
    ]
    return "\n\n".join(parts) + "\n"
