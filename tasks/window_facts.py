"""What bears on a plan of works: the agreements of its services, the other windows, the downtime under OT."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import Window, WindowState
from blocks.office import Office
from blocks.terms.intervals import Interval, Span, union
from blocks.terms.works import Kind, OtherWindow, WorksFacts
from tasks.effective import effective_outages
from tasks.works_forms import PlanForm

_HORIZON = timedelta(days=900)
_SOON = timedelta(hours=24)


def facts_of(
    office: Office,
    session: Session,
    form: PlanForm,
    services: Sequence[str],
    *,
    proposed_at: datetime,
    now: datetime,
    besides: int | None = None,
    agreed: bool | None = None,
) -> WorksFacts:
    """A plan with everything that bears on it. `proposed_at` is when notices can go out; outages last until `now`."""
    agreements = office.catalogue.agreements_of(frozenset(services))
    near = Span(form.starts_at - _HORIZON, form.starts_at + _HORIZON)
    rows = session.scalars(
        select(Window).where(Window.state != WindowState.CANCELLED, Window.starts_at.between(near.start, near.end))
    ).all()
    failed = (held.span(now) for held in effective_outages(session, near) if held.counts_for("OT"))
    return WorksFacts(
        kind=Kind(form.kind),
        start=form.starts_at,
        end=form.starts_at + timedelta(minutes=form.minutes),
        proposed_at=proposed_at,
        agreements=agreements,
        others=tuple(_other(row, now) for row in rows if row.id != besides and agreements & set(row.agreements)),
        downtime=tuple(Interval(start=span.start, end=span.end) for span in union(failed)),
        discovered_at=form.discovered_at,
        operator_agreed=agreed,
    )


def _other(row: Window, now: datetime) -> OtherWindow:
    """A window as it bears on others: as long as it was really open, or as it is planned."""
    start = row.opened_at or row.starts_at
    end = row.closed_at or (max(row.ends_at, now) if row.state is WindowState.OPEN else row.ends_at)
    return OtherWindow(
        number=row.number,
        kind=Kind(row.kind),
        start=start,
        end=max(end, start + timedelta(microseconds=1)),
        agreements=frozenset(row.agreements),
    )


def check_emergency(form: PlanForm, *, now: datetime) -> None:
    """An emergency is repaired at once: no rule holds it up, so it must be one. Raises Refused."""
    if form.discovered_at is None:
        return
    ends_at = form.starts_at + timedelta(minutes=form.minutes)
    if not form.discovered_at <= min(now, form.starts_at) or form.starts_at > now + _SOON or ends_at <= now:
        raise Refused("emergency", "an emergency was discovered before now, and its repair begins within a day of it")
