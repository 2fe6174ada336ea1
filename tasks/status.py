"""What anyone may see: how the services are, which works are coming, what happened lately. No names of people."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.catalogue import WatchedService
from blocks.ledger import Outage, ProbeSpan, ProbeState, Window, WindowState, reading
from blocks.office import Office
from blocks.terms.intervals import Span
from blocks.terms.service_views import ServiceNow, StatusPage
from tasks.availability import journal_line
from tasks.effective import effective_outages
from tasks.outage_notices import works_end
from tasks.window_views import window_lines

_WINDOWS_BACK, _JOURNAL_BACK = timedelta(days=30), timedelta(days=90)


def status_view(office: Office, *, now: datetime) -> StatusPage:
    """The status page as it stands."""
    with reading(office.sessions) as session:
        windows = _shown_windows(session, now)
        lately = list(effective_outages(session, Span(now - _JOURNAL_BACK, now)))
        services = tuple(_service_now(office, session, service, windows, now) for service in office.catalogue.service)
        lines = window_lines(office, session, windows)
    told = [holds for holds in lately if holds.outage.told_at is not None]
    public = (
        journal_line(office, holds, None, now).model_copy(
            update={"cause": holds.public_cause, "decided_by": "", "reason": ""}
        )
        for holds in sorted(told, key=lambda holds: holds.began_at, reverse=True)
    )
    return StatusPage(
        as_of=now,
        provider=office.settings.provider_name,
        services=services,
        windows=lines,
        journal=tuple(public),
    )


def _shown_windows(session: Session, now: datetime) -> list[Window]:
    """What goes on or is coming, and what was within the last month; cancelled ones while they would be ahead."""
    back = Window.ends_at > now - _WINDOWS_BACK
    rows = session.scalars(select(Window).where((Window.state == WindowState.OPEN) | back).order_by(Window.starts_at))
    return [row for row in rows if row.state is not WindowState.CANCELLED or row.ends_at > now]


def _service_now(
    office: Office, session: Session, service: WatchedService, windows: list[Window], now: datetime
) -> ServiceNow:
    """Down when an outage was told of; else at work when works within their plan cover it; else as it is seen."""
    state, since = _seen(office, session, service, now)
    lasting = session.scalars(select(Outage).where(Outage.service == service.name, Outage.ended_at.is_(None))).all()
    grace = timedelta(seconds=office.catalogue.interval_seconds)
    running = (w for w in windows if w.state is WindowState.OPEN and now <= works_end(w) + grace)
    working = [w.opened_at for w in running if service.name in w.services]
    if lasting and (not working or any(outage.told_at for outage in lasting)):
        state, since = "down", min(outage.began_at for outage in lasting)
    elif working:
        state, since = "works", working[0]
    return ServiceNow.model_validate(
        {
            "name": service.name,
            "title": service.title,
            "state": state,
            "since": since,
            "agreements": tuple(sorted(service.agreements)),
        }
    )


def _seen(office: Office, session: Session, service: WatchedService, now: datetime) -> tuple[str, datetime | None]:
    """Up since so many vantage points have seen it without a break; otherwise nothing is known."""
    late = timedelta(seconds=office.catalogue.interval_seconds) / 2
    began = session.scalars(
        select(ProbeSpan.began_at)
        .where(ProbeSpan.service == service.name, ProbeSpan.state == ProbeState.UP)
        .where(ProbeSpan.until_at > now - late, ProbeSpan.began_at <= now)
        .order_by(ProbeSpan.began_at)
    ).all()
    needed = office.catalogue.needed
    return ("up", began[needed - 1]) if len(began) >= needed else ("unknown", None)
