"""Downtime as the ledger has it: what counts under an agreement, and the works that were allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Window, WindowState
from blocks.terms.intervals import Span, clip, subtract, total, union
from blocks.terms.ks_liability import Outage
from blocks.terms.works import Kind
from tasks.effective import Effective, effective_outages

_ALLOWED = (Kind.PLANNED, Kind.DAILY)


@dataclass(frozen=True)
class Episode:
    """Outages that overlap or touch, of whatever services: one for whoever is served.

    `parts` are what of each counts, by its number, without allowed works. While one of them lasts, all of it does.
    """

    parts: Mapping[str, Sequence[Span]]
    lasts: bool

    def within(self, served: Span) -> Outage | None:
        """As a customer had it who was served then: one outage, which works shorten; None where nothing counts."""
        mine = {number: list(clip(spans, served)) for number, spans in self.parts.items()}
        down = list(union(chain.from_iterable(mine.values())))
        if self.lasts or not down:
            return None
        began, ended = down[0].start, down[-1].end
        numbers = tuple(sorted(number for number, spans in mine.items() if spans))
        return Outage(began_at=began, ended_at=ended, works=ended - began - total(down), numbers=numbers)


def episodes(session: Session, agreement: str, now: datetime) -> list[Episode]:
    """What counts under an agreement as it holds now, put together over its services."""
    counted = sorted(
        (holds for holds in effective_outages(session) if holds.counts_for(agreement)), key=lambda one: one.began_at
    )
    works = works_of(session, now) if counted else {}
    found: list[Episode] = []
    group: list[Effective] = []
    until = datetime.max.replace(tzinfo=UTC)
    for holds in counted:
        span = holds.span(now)
        if group and span.start > until:
            found.append(_episode(group, works, now))
            group = []
        until = max(until, span.end) if group else span.end
        group.append(holds)
    return [*found, _episode(group, works, now)] if group else found


def _episode(group: Sequence[Effective], works: Mapping[str, Sequence[Span]], now: datetime) -> Episode:
    parts = {
        holds.outage.number: list(subtract([holds.span(now)], works.get(holds.outage.service, ()))) for holds in group
    }
    return Episode(parts, lasts=any(holds.ended_at is None for holds in group))


def works_of(session: Session, now: datetime, kinds: tuple[Kind, ...] = _ALLOWED) -> dict[str, list[Span]]:
    """By service, the works of those kinds as they were done: from opening to closing, cut to their plan."""
    found: dict[str, list[Span]] = {}
    rows = session.scalars(
        select(Window).where(
            Window.kind.in_([kind.value for kind in kinds]),
            Window.opened_at.is_not(None),
            Window.state.in_([WindowState.OPEN, WindowState.CLOSED]),
        )
    )
    for row in rows:
        done = Span(row.opened_at or row.starts_at, row.closed_at or now)
        for span in clip([done], Span(row.starts_at, row.ends_at)):
            for service in row.services:
                found.setdefault(service, []).append(span)
    return found
