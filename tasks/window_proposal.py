"""The weekly proposal: the queued works into the next Saturday, or the nearest other time, that every agreement allows.

A work whose agreements forbid that Saturday keeps no other back: it gets a window of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import select

from blocks.catalogue import Runbook
from blocks.errors import NotFound
from blocks.ledger import Work, WorkState, reading
from blocks.office import Office
from blocks.terms.deadlines import at_wall, local_date
from blocks.terms.ks import ZONE
from tasks.windows import MARGIN_MINUTES, Plan, check_window, plan_window
from tasks.works_forms import PlanForm

log = logging.getLogger("dogovor.windows")
SATURDAY, OPENS, LASTS_MINUTES = 5, time(9), 120
"""KS-3.7's window."""
MOST_WINDOWS = 6
Waiting = Sequence[tuple[Work, Runbook]]


def plan_proposals(
    office: Office, *, key: str, now: datetime, dry_run: bool = False, operator: str = "dogovor"
) -> list[Plan]:
    """Plan windows for the queued works, oldest first; a work that no date suits is returned as a refused plan.

    A dry run stops at the first window: the next ones depend on it.
    """
    plans: list[Plan] = []
    waiting = list(_queued(office))
    starts_at = _next_saturday(now)
    while waiting and len(plans) < MOST_WINDOWS:
        draft_key = f"{key}:{len(plans)}"
        chosen = _fitting(office, waiting, starts_at, key=draft_key, now=now)
        form = _form(chosen or waiting[:1], starts_at, operator)
        if not chosen:
            alone = check_window(office, form, key=draft_key, now=now)
            dates = alone.verdict.suggestions
            if dates:
                together = _fitting(office, waiting, dates[0].start, key=draft_key, now=now)
                form = _form(together or waiting[:1], dates[0].start, operator)
        plan = plan_window(office, form, key=draft_key, now=now, dry_run=dry_run)
        plans.append(plan)
        waiting = [row for row in waiting if row[0].number not in plan.form.works]
        if dry_run:
            break
    return plans


def _next_saturday(now: datetime) -> datetime:
    today = local_date(now, ZONE)
    return at_wall(today + timedelta(days=(SATURDAY - today.weekday()) % 7 or 7), OPENS, ZONE)


def _queued(office: Office) -> Waiting:
    with reading(office.sessions) as session:
        works = session.scalars(select(Work).where(Work.state == WorkState.QUEUED).order_by(Work.id)).all()
    found = []
    for work in works:
        try:
            found.append((work, office.catalogue.runbook_of(work.runbook)))
        except NotFound:
            log.warning("%s waits: the catalogue has no runbook %s any more", work.number, work.runbook)
    return found


def _fitting(office: Office, waiting: Waiting, starts_at: datetime, *, key: str, now: datetime) -> Waiting:
    """As many works, oldest first, as fit into one window that every agreement allows at that time."""
    chosen: list[tuple[Work, Runbook]] = []
    for row in waiting:
        form = _form([*chosen, row], starts_at, "dogovor")
        if form.minutes > LASTS_MINUTES and chosen:
            continue
        if check_window(office, form, key=key, now=now, suggest=0).verdict.accepted:
            chosen.append(row)
    return chosen


def _form(chosen: Waiting, starts_at: datetime, operator: str) -> PlanForm:
    minutes = sum(book.minutes + book.check_minutes for _, book in chosen)
    undo = max(book.undo_minutes for _, book in chosen)
    return PlanForm(
        starts_at=starts_at,
        minutes=minutes + undo + MARGIN_MINUTES,
        operator=operator,
        what="; ".join(work.title for work, _ in chosen)[:500],
        works=tuple(work.number for work, _ in chosen),
    )
