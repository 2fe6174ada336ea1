"""The public page of services and maintenance, and its calendar for subscribers."""

from __future__ import annotations

from datetime import timedelta

from icalendar import Calendar, Event

from blocks.terms.service_views import StatusPage, WindowLine
from reports.format import plural, span
from reports.pages import page_templates
from reports.words import SERVICE_STATES, WINDOW_KINDS, WINDOW_STATES, said


def _headline(view: StatusPage) -> tuple[str, str]:
    """The worst state of all services, and what to say of it."""
    states = [service.state for service in view.services]
    if down := states.count("down"):
        return "down", f"{down} {plural(down, 'сервис недоступен', 'сервиса недоступны', 'сервисов недоступны')}"
    if "works" in states:
        return "works", "Идут работы"
    if "unknown" in states or not states:
        return "unknown", "О части сервисов нет данных" if states else "Пока нет данных о сервисах"
    return "up", "Все сервисы работают"


def status_page(view: StatusPage) -> str:
    """The page as HTML, escaped: services now, coming and past works, the journal of unavailability."""
    state, headline = _headline(view)
    return (
        page_templates()
        .get_template("status.html")
        .render(
            view=view,
            state=state,
            headline=headline,
            coming=[window for window in view.windows if window.state != "closed"],
            done=[window for window in view.windows if window.state == "closed"],
            states=SERVICE_STATES,
            window_states=WINDOW_STATES,
            kinds=WINDOW_KINDS,
        )
    )


def _event(window: WindowLine, view: StatusPage) -> Event:
    cancelled = window.state == "cancelled"
    kind, services = said(WINDOW_KINDS, window.kind), ", ".join(window.services)
    told = [window.what, span(window.starts_at, window.ends_at, window.zone), f"Работы {WINDOW_STATES[window.state]}."]
    event = Event()
    event.add("uid", f"{window.number}@dogovor")
    event.add("dtstamp", window.changed_at or view.as_of)
    event.add("sequence", window.revision)
    event.add("dtstart", window.starts_at)
    event.add("dtend", window.ends_at)
    event.add("summary", f"{'Отменено: ' if cancelled else ''}{kind}: {services}")
    event.add("description", "\n".join(line for line in (*told, window.result) if line))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    return event


def windows_calendar(view: StatusPage) -> bytes:
    """All windows as iCalendar (RFC 5545) in UTC: a window keeps its UID, so a change reaches who has subscribed."""
    calendar = Calendar()
    calendar.add("prodid", "-//Dogovor//Maintenance//RU")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"{view.provider}: работы")
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for window in view.windows:
        calendar.add_component(_event(window, view))
    content: bytes = calendar.to_ical()
    return content
