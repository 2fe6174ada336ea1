"""The weekly proposal: the queued works into the next Saturday that every agreement allows."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import select

from blocks.ledger import Work, WorkState, reading
from blocks.office import Office
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.ks import ZONE
from tasks.windows import Plan, plan_window
from tasks.works_forms import PlanForm

SATURDAY, OPENS, LASTS_MINUTES = 5, time(9), 120
"""KS-3.7's window."""
MARGIN_MINUTES = 5
"""Kept free at the end of a window: for closing it and for clocks that differ."""


def propose(office: Office, *, now: datetime, operator: str = "dogovor") -> PlanForm | None:
    """The next Saturday's window (KS-3.7) for the queued works, as many as fit, oldest first; None without works."""
    with reading(office.sessions) as session:
        waiting = session.scalars(select(Work).where(Work.state == WorkState.QUEUED).order_by(Work.id)).all()
    chosen: list[Work] = []
    minutes, undo = 0, 0
    for work in waiting:
        book = office.catalogue.runbook_of(work.runbook)
        needed = minutes + book.minutes + max(undo, book.undo_minutes) + MARGIN_MINUTES
        if needed <= LASTS_MINUTES:
            chosen.append(work)
            minutes, undo = minutes + book.minutes, max(undo, book.undo_minutes)
    if not chosen:
        return None
    today = local_date(now, ZONE)
    saturday = today + timedelta(days=(SATURDAY - today.weekday()) % 7 or 7)
    return PlanForm(
        starts_at=at_wall(saturday, OPENS, ZONE),
        minutes=minutes + undo + MARGIN_MINUTES,
        operator=operator,
        what="; ".join(work.title for work in chosen)[:500],
        works=tuple(work.number for work in chosen),
    )


def plan_proposal(office: Office, form: PlanForm, *, key: str, now: datetime, dry_run: bool) -> Plan:
    """Plan a proposal, or where an agreement forbids that Saturday, the nearest other time that passes."""
    plan = plan_window(office, form, key=key, now=now, dry_run=dry_run)
    if plan.verdict.accepted or not plan.verdict.suggestions:
        return plan
    moved = form.model_copy(update={"starts_at": plan.verdict.suggestions[0].start})
    return plan_window(office, moved, key=key, now=now, dry_run=dry_run)
