"""Views of service at their fullest and at their emptiest, for the tests of the reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from blocks.terms.service_views import (
    ApprovalLine,
    AvailabilityReport,
    DayCell,
    JournalLine,
    NoticeLine,
    SegmentView,
    ServiceAvailability,
    ServiceNow,
    StatusPage,
    StoryLine,
    TargetLine,
    TicketView,
    TimerView,
    WindowLine,
    WindowReport,
    WorkLine,
)

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> & \"ООО\" '#import' *и* $x$"


def journal_line(
    number: str = "O-2026-0007", *, began: datetime = NOW, seconds: Decimal | None = Decimal("2345.5"), **other: object
) -> JournalLine:
    fields: dict[str, object] = {
        "number": number,
        "service": "Комплекс связи",
        "group": "XMPP",
        "agreements": ("KS", "OCP"),
        "began_at": began,
        "ended_at": None if seconds is None else began + timedelta(seconds=float(seconds)),
        "seconds": seconds,
        "cause": "Отказ диска на основном узле, переход на запасной",
        "source": "наблюдение, два узла",
        "counted": True,
        "decided_by": "правило",
        "reason": "два узла наблюдения из трёх",
        "notified_at": began + timedelta(minutes=12),
    }
    return JournalLine.model_validate(fields | other)


def windows() -> tuple[WindowLine, ...]:
    start = datetime(2026, 11, 21, 6, tzinfo=UTC)
    common = {"zone": "Europe/Moscow", "what": "Обновление ядра, затем перезапуск служб по очереди", "result": ""}

    def window(number: str, state: str, **other: object) -> WindowLine:
        line = {"number": number, "starts_at": start, "ends_at": start + timedelta(hours=2), "state": state}
        services = ("Комплекс связи", "Обмен данными")
        return WindowLine.model_validate(common | line | {"kind": "planned", "services": services} | other)

    return (
        window("MW-2026-0011", "planned"),
        window(
            "MW-2026-0012",
            "open",
            zone="Asia/Almaty",
            kind="urgent",
            ends_at=start + timedelta(hours=14),
            services=("Витрина ОЦП",),
        ),
        window("MW-2026-0010", "cancelled", revision=2, changed_at=NOW - timedelta(days=1)),
        window(
            "MW-2026-0009",
            "closed",
            starts_at=start - timedelta(days=7),
            ends_at=start - timedelta(days=6, hours=23),
            result="Сделано за 40 минут",
        ),
    )


def status(*, empty: bool = False) -> StatusPage:
    if empty:
        return StatusPage(as_of=NOW, provider="ООО «Пример»", services=(), windows=(), journal=())
    titles = {"xmpp": "Комплекс связи", "qs": "Обмен данными", "ocp": "Витрина ОЦП", "pbx": "Автодозвон", "x": HOSTILE}
    states = ("up", "down", "works", "unknown", "up")
    services = tuple(
        ServiceNow.model_validate(
            {
                "name": name,
                "title": title,
                "state": state,
                "since": None if name == "x" else NOW - timedelta(minutes=95),
                "agreements": ("KS",),
            }
        )
        for (name, title), state in zip(titles.items(), states, strict=True)
    )
    journal = (
        journal_line("O-2026-0008", began=NOW - timedelta(minutes=20), seconds=None, cause=""),
        journal_line(),
        journal_line("O-2026-0006", began=NOW - timedelta(days=40), counted=False, cause="Доступ заказчика в Интернет"),
    )
    return StatusPage(as_of=NOW, provider="ООО «Пример»", services=services, windows=windows(), journal=journal)


def _days(first: date, count: int) -> tuple[DayCell, ...]:
    """Days with a bit of everything, always the same."""
    down = {17: 95, 58: 400, 101: 2_500, 130: 12_000, 206: 60, 207: 250, 255: 1_200, 290: 7_000}
    return tuple(
        DayCell(
            day=first + timedelta(days=number),
            down_seconds=down.get(number, 0),
            planned_seconds=5_400 if number % 28 == 17 else 0,
            unknown_seconds=900 if number % 61 == 40 else 0,
        )
        for number in range(count)
    )


def _service(name: str, title: str, group: str, budget: Decimal | None, spent_a_day: Decimal) -> ServiceAvailability:
    days = _days(date(2026, 1, 1), 324)
    left = budget or Decimal(0)
    burn = []
    for cell in days:
        left -= spent_a_day * cell.down_seconds
        burn.append((cell.day, left))
    spent = (budget or Decimal(0)) - left
    return ServiceAvailability(
        name=name,
        title=title,
        group=group,
        percent_counted="99.99912",
        percent_with_planned="99.79",
        percent_worst="99.41",
        down_seconds=Decimal("23505.5"),
        planned_seconds=Decimal(64_800),
        unknown_seconds=Decimal(4_500),
        count=22,
        longest_seconds=Decimal(12_000),
        days=days,
        budget_seconds=budget,
        forecast_seconds=spent / 324 * 365,
        burn=tuple(burn),
    )


def availability(*, empty: bool = False) -> AvailabilityReport:
    start, end = datetime(2025, 12, 31, 21, tzinfo=UTC), datetime(2026, 12, 31, 21, tzinfo=UTC)
    targets = (
        TargetLine(
            clause="KS-3.1",
            title="Доступность 99,999 % за календарный год",
            allowed_seconds=Decimal("315.36"),
            spent_seconds=Decimal("23505.5"),
            left_seconds=Decimal("-23190.14"),
            forecast_seconds=Decimal("26479.9"),
            kept=False,
            at_risk=True,
        ),
        TargetLine(
            clause="OT-1",
            title="Не более 8 часов за год",
            allowed_seconds=Decimal(28_800),
            spent_seconds=Decimal(23_505),
            left_seconds=Decimal(5_295),
            forecast_seconds=Decimal(29_480),
            kept=True,
            at_risk=True,
        ),
        TargetLine(
            clause="OCP-P3.T1",
            title="Плановые работы: не более 10 часов за год",
            allowed_seconds=Decimal(36_000),
            spent_seconds=Decimal(3_600),
            left_seconds=Decimal(32_400),
            forecast_seconds=None,
            kept=True,
            at_risk=False,
        ),
    )
    outages = tuple(
        journal_line(f"O-2026-{number:04d}", began=start + timedelta(days=9 * number), counted=number % 4 != 0)
        for number in range(1, 36)
    )
    services = (
        _service("xmpp", "Комплекс связи " + HOSTILE, "XMPP", Decimal("315.36"), Decimal("0.02")),
        _service("pbx", "Контакт-центр", "Автодозвон", Decimal(28_800), Decimal("1.4")),
        _service("web", "Сайт", "", None, Decimal(0)),
    )
    return AvailabilityReport(
        agreement="KS",
        period_title="2026 год",
        starts_at=start,
        ends_at=end,
        as_of=NOW,
        zone="Europe/Moscow",
        services=() if empty else services,
        targets=() if empty else targets,
        outages=() if empty else (*outages, journal_line("O-2026-0099", seconds=None, cause="")),
    )


def window_report(*, empty: bool = False) -> WindowReport:
    start = datetime(2026, 11, 21, 19, tzinfo=UTC)
    hour = timedelta(hours=1)
    works = (
        WorkLine(
            number="1",
            title="Обновление ядра",
            state="done",
            began_at=start,
            ended_at=start + hour / 2,
            seconds=Decimal(1_260),
            detail="6.1.0-30, узлы по очереди",
        ),
        WorkLine(
            number="2",
            title=HOSTILE,
            state="failed",
            began_at=start + hour / 2,
            ended_at=None,
            seconds=None,
            detail="Вернули прежнюю версию",
        ),
    )
    notices = (
        NoticeLine(
            audience="operator",
            recipient="noc@operator.example",
            clause="OCP-P3.2.6",
            latest=start - 24 * hour,
            sent_at=start - 120 * hour,
            state="delivered",
        ),
        NoticeLine(
            audience="customers",
            recipient="218 адресов",
            clause="OCP-3.2.8",
            latest=start - 120 * hour,
            sent_at=start - 119 * hour,
            state="sent",
        ),
        NoticeLine(
            audience="customers",
            recipient="an***@customer.example",
            clause="KS-3.12",
            latest=start - hour,
            sent_at=None,
            state="failed",
        ),
    )
    story = (
        StoryLine(at=start - 130 * hour, who="анна", what="Запланированы"),
        StoryLine(at=start, who="прогон", what="Начаты"),
        StoryLine(at=start + hour, who="пётр", what="Завершены: сделано всё, кроме одного"),
    )
    return WindowReport(
        number="MW-2026-0012",
        kind="planned",
        starts_at=start,
        ends_at=start + 6 * hour,
        opened_at=None if empty else start,
        closed_at=None if empty else start + hour,
        zone="Asia/Almaty",
        services=() if empty else ("Витрина ОЦП", "Вход пользователей"),
        agreements=() if empty else ("OCP",),
        works=() if empty else works,
        notices=() if empty else notices,
        approval=None if empty else ApprovalLine(who="Оператор", at=start - 48 * hour, proof="письмо № 118"),
        story=() if empty else story,
    )


def ticket(*, empty: bool = False) -> TicketView:
    start = datetime(2026, 11, 20, 15, 50, tzinfo=UTC)
    hour = timedelta(hours=1)
    segments = (
        SegmentView(start=start, end=start + hour / 6, running=True, why="рабочее время"),
        SegmentView(start=start + hour / 6, end=start + 63 * hour, running=False, why="выходные"),
        SegmentView(start=start + 63 * hour, end=None, running=True, why="заказчик ответил"),
    )
    timers = (
        TimerView(
            clause="OT-4",
            name="Реакция",
            due=start + 64 * hour,
            met_at=None,
            breached=False,
            spent_seconds=Decimal(600),
            allowed_seconds=Decimal(1_200),
            segments=segments,
        ),
        TimerView(
            clause="OT-6",
            name="Ответ",
            due=None,
            met_at=start,
            breached=True,
            spent_seconds=Decimal(0),
            allowed_seconds=Decimal(0),
            segments=(),
        ),
    )
    return TicketView(
        number="T-2026-000042",
        agreement="OT",
        kind="technical",
        priority="" if empty else "1",
        state="open",
        subject="![x](http://evil.example/p.png)\n# <b>Не звонит</b>",
        customer="ООО «Заказчик»",
        received_at=start,
        zone="Europe/Kyiv",
        timers=() if empty else timers,
        events=() if empty else (StoryLine(at=start, who="заказчик", what="Не | звонит"),),
    )
