"""A ticket with its clocks as Markdown: every stretch, running or paused, and why."""

from __future__ import annotations

from blocks.terms.service_views import SegmentView, TicketView, TimerView
from reports.format import duration, plain, span, wall
from reports.story import markdown_table
from reports.words import TICKET_KINDS, TICKET_STATES, said


def _segment_row(segment: SegmentView, zone: str) -> tuple[str, ...]:
    if segment.end is None:
        when, length = f"с {wall(segment.start, zone)}", "продолжается"
    else:
        when = span(segment.start, segment.end, zone)
        length = duration((segment.end - segment.start).total_seconds())
    return "идёт" if segment.running else "стоит", when, length, plain(segment.why)


def _timer(timer: TimerView, zone: str) -> str:
    if timer.met_at:
        state = f"{'сделано с опозданием' if timer.breached else 'сделано'} {wall(timer.met_at, zone)}"
    else:
        state = "**срок нарушен**" if timer.breached else "открыто"
    due = wall(timer.due, zone) if timer.due else "определяет человек"
    allowed = f" из {duration(timer.allowed_seconds)}" if timer.allowed_seconds else ""
    parts = [
        f"### {plain(timer.clause)}: {plain(timer.name)}",
        f"Срок: {due}. Состояние: {state}. Израсходовано {duration(timer.spent_seconds)}{allowed}.",
    ]
    if timer.segments:
        rows = (_segment_row(segment, zone) for segment in timer.segments)
        parts.append(markdown_table(("Часы", "Когда", "Сколько", "Почему"), rows))
    return "\n\n".join(parts)


def ticket_markdown(view: TicketView) -> str:
    """The ticket, for the Prefect UI. What its customer wrote makes no link, image or heading."""
    row = (view.agreement, view.customer, said(TICKET_KINDS, view.kind), view.priority or "—")
    events = [(wall(event.at, view.zone), plain(event.who), plain(event.what)) for event in view.events]
    parts = [
        f"# {plain(view.number)}: {said(TICKET_STATES, view.state)}",
        f"**{plain(view.subject)}**",
        markdown_table(
            ("Договор", "Заказчик", "Вид", "Приоритет", "Получено"),
            [(*map(plain, row), wall(view.received_at, view.zone))],
        ),
        "## Сроки",
        *([_timer(timer, view.zone) for timer in view.timers] or ["Сроков нет."]),
        "## События",
        markdown_table(("Когда", "Кто", "Что"), events) if events else "Событий нет.",
    ]
    return "\n\n".join(parts) + "\n"
