"""Availability as the ledger knows it: the journal of unavailability, and an agreement's figures for a period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import accumulate

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.catalogue import WatchedService
from blocks.errors import NotFound
from blocks.ledger import ProbeSpan, Ticket, reading
from blocks.office import Office
from blocks.terms.availability import Availability, Kind, Standing, Target, budget, measure, period, standing
from blocks.terms.deadlines import end_of_day, local_date
from blocks.terms.intervals import Span, clip, exact_seconds, subtract, total, union
from blocks.terms.outages import ot_counted
from blocks.terms.probes import agreed_unknown
from blocks.terms.service_views import AvailabilityReport, DayCell, JournalLine, ServiceAvailability, TargetLine
from blocks.terms.targets import KS_TARGET, OCP_TARGETS, OT_TARGET, Resource
from blocks.terms.works import Kind as WorkKind
from blocks.terms.zones import ZONES
from tasks.downtime import works_of
from tasks.effective import Effective, effective_outages

_SOURCES = {"probe": "наблюдение", "ticket": "обращения", "operator": "оператор"}
_TITLES: dict[Kind, str] = {"month": "{number:02d}.{year}", "quarter": "{number} квартал {year}", "year": "{year} год"}
_NOT_COUNTED: dict[str, tuple[WorkKind, ...]] = {
    "KS": (WorkKind.PLANNED, WorkKind.DAILY),
    "QS": (WorkKind.PLANNED, WorkKind.DAILY),
    "OCP": (WorkKind.PLANNED, WorkKind.DAILY, WorkKind.URGENT),
    "OT": (),
}
"""The works whose downtime each agreement leaves out of its figures (KS-3.7, OCP-P3.3); OT makes no exception."""
_SECOND = timedelta(seconds=1)


def journal(office: Office, agreement: str | None, within: Span, *, now: datetime) -> tuple[JournalLine, ...]:
    """The outages that touch a time, as they hold now, of one agreement or of all, in the order of their beginning."""
    with reading(office.sessions) as session:
        found = [h for h in effective_outages(session, within) if agreement in (None, *h.outage.agreements)]
    return tuple(journal_line(office, holds, agreement, now) for holds in sorted(found, key=lambda h: h.began_at))


def journal_line(office: Office, holds: Effective, agreement: str | None, now: datetime) -> JournalLine:
    """An outage as a line of the journal; whether it counts is said for the agreement."""
    outage, service = holds.outage, office.catalogue.services.get(holds.outage.service)
    return JournalLine(
        number=outage.number,
        service=office.catalogue.title_of(outage.service),
        group=service.group if service else "",
        agreements=tuple(outage.agreements),
        began_at=holds.began_at,
        ended_at=holds.ended_at,
        seconds=exact_seconds(holds.span(now).length) if holds.ended_at else None,
        cause=holds.cause,
        source=_SOURCES[outage.source],
        counted=holds.counted if agreement is None else holds.counts_for(agreement),
        decided_by=holds.decided_by,
        reason=holds.reason,
        notified_at=outage.told_at,
    )


def availability_view(
    office: Office, agreement: str, kind: Kind, year: int, number: int, *, as_of: datetime
) -> AvailabilityReport:
    """An agreement's availability in a month, a quarter or a year, as far as it had come at `as_of`.

    Raises NotFound for an agreement without services, ValueError for a period that does not exist.
    """
    services = [s for s in office.catalogue.service if agreement in s.agreements]
    if not services:
        raise NotFound("service under agreement", agreement)
    zone = ZONES[agreement]
    within = period(kind, year, number, zone)
    with reading(office.sessions) as session:
        asked = _Asked(office, session, agreement, within, as_of)
        records = [asked.record(service) for service in services]
    pairs = [(record, _target(record.service, agreement, within, kind, zone)) for record in records]
    return AvailabilityReport(
        agreement=agreement,
        period_title=_TITLES[kind].format(number=number, year=year),
        starts_at=within.start,
        ends_at=within.end,
        as_of=as_of,
        zone=zone,
        services=tuple(record.view(target, zone) for record, target in pairs),
        targets=tuple(record.line(target) for record, target in pairs if target is not None),
        outages=journal(office, agreement, Span(within.start, max(within.start, min(within.end, as_of))), now=as_of),
    )


def _target(service: WatchedService, agreement: str, within: Span, kind: Kind, zone: str) -> Target | None:
    """What is promised for this service and this kind of period, by the day on which the period ends."""
    day = local_date(within.end - _SECOND, zone)
    target = None
    if agreement == "KS":
        target = KS_TARGET.on(day)
    elif agreement == "OT":
        target = OT_TARGET.on(day)
    elif agreement == "OCP" and service.indicator:
        target = OCP_TARGETS.on(day)[Resource(service.indicator)]
    return target if target is not None and target.kind == kind else None


@dataclass(frozen=True)
class _Record:
    """What is on record of a service in a period, under one agreement."""

    service: WatchedService
    within: Span
    as_of: datetime
    down: Sequence[Span]
    works: Sequence[Span]
    not_counted: Sequence[Span]
    unknown: Sequence[Span]
    planned: Sequence[Span]

    @property
    def found(self) -> Availability:
        """By the agreement."""
        return measure(
            self.within, self.as_of, self.down, planned=self.planned, excluded=self.not_counted, unknown=self.unknown
        )

    def line(self, target: Target) -> TargetLine:
        """The promise held against the record."""
        found = self.found
        spending, stands = budget(target, found), standing(target, found)
        return TargetLine(
            clause=target.clause,
            title=self.service.title,
            allowed_seconds=exact_seconds(spending.allowed),
            spent_seconds=exact_seconds(spending.spent),
            left_seconds=exact_seconds(spending.left),
            forecast_seconds=exact_seconds(spending.forecast),
            kept=stands is not Standing.BROKEN,
            at_risk=stands is Standing.AT_RISK,
        )

    def view(self, target: Target | None, zone: str) -> ServiceAvailability:
        """The figures, every day, and what is left of the budget at the end of each."""
        found = self.found
        plain = measure(self.within, self.as_of, self.down, excluded=self.not_counted, unknown=self.unknown)
        spending = budget(target, found) if target else None
        days = list(self._days(zone))
        spent = accumulate(length for _, length in days)
        return ServiceAvailability(
            name=self.service.name,
            title=self.service.title,
            group=self.service.group,
            percent_counted=found.percent() or "—",
            percent_with_planned=plain.percent() or "—",
            percent_worst=plain.percent(worst=True) or "—",
            down_seconds=exact_seconds(found.down),
            planned_seconds=exact_seconds(total(union(clip(self.works, self._elapsed)))),
            unknown_seconds=exact_seconds(found.unknown),
            count=found.count,
            longest_seconds=exact_seconds(found.longest),
            days=tuple(cell for cell, _ in days),
            budget_seconds=exact_seconds(spending.allowed) if spending else None,
            forecast_seconds=exact_seconds(spending.forecast) if spending else None,
            burn=tuple(
                (cell.day, exact_seconds(spending.allowed - gone)) for (cell, _), gone in zip(days, spent, strict=True)
            )
            if spending
            else (),
        )

    @property
    def _elapsed(self) -> Span:
        return Span(self.within.start, max(self.within.start, min(self.within.end, self.as_of)))

    def _days(self, zone: str) -> Iterator[tuple[DayCell, timedelta]]:
        """The days that have begun, each with its exact downtime."""
        counted = list(subtract(self.down, [*self.planned, *self.not_counted]))
        works = list(union(self.works))
        unknown = list(subtract(self.unknown, [*self.down, *works, *self.not_counted]))
        start = self._elapsed.start
        while start < self._elapsed.end:
            day = local_date(start, zone)
            bounds = Span(start, min(end_of_day(day, zone), self._elapsed.end))
            down = total(clip(counted, bounds))
            yield _cell(day, down, total(clip(works, bounds)), total(clip(unknown, bounds))), down
            start = bounds.end


def _cell(day: date, down: timedelta, planned: timedelta, unknown: timedelta) -> DayCell:
    """Whole seconds; a second that has begun counts."""
    return DayCell(
        day=day,
        down_seconds=-(-down // _SECOND),
        planned_seconds=-(-planned // _SECOND),
        unknown_seconds=-(-unknown // _SECOND),
    )


@dataclass(frozen=True)
class _Asked:
    """What is asked for, and where it is read."""

    office: Office
    session: Session
    agreement: str
    within: Span
    as_of: datetime

    @cached_property
    def outages(self) -> list[Effective]:
        """The outages under the agreement that had begun by then.

        Under OT a ticket may begin one earlier (OT-3): one that our monitoring saw after the period may touch it.
        """
        until = max(self.within.end, self.as_of) if self.agreement == "OT" else self.within.end
        touching = effective_outages(self.session, Span(self.within.start, until))
        return [h for h in touching if self.agreement in h.outage.agreements and h.began_at < self.as_of]

    @cached_property
    def planned(self) -> dict[str, list[Span]]:
        """By service, the works that the agreement leaves out."""
        return works_of(self.session, self.as_of, _NOT_COUNTED[self.agreement])

    @cached_property
    def works(self) -> dict[str, list[Span]]:
        """By service, all works but emergencies."""
        return works_of(self.session, self.as_of, (WorkKind.PLANNED, WorkKind.DAILY, WorkKind.URGENT))

    def record(self, service: WatchedService) -> _Record:
        """What is on record of a service."""
        outages = [h for h in self.outages if h.outage.service == service.name]
        counted = list(self._down(h for h in outages if h.counts_for(self.agreement)))
        away = [h.span(self.as_of) for h in outages if not h.counts_for(self.agreement)]
        return _Record(
            service=service,
            within=self.within,
            as_of=self.as_of,
            down=[*counted, *away],
            works=self.works.get(service.name, []),
            planned=self.planned.get(service.name, []),
            not_counted=list(subtract(away, counted)),
            unknown=self._unknown(service) if self.agreement != "OT" else [],
        )

    def _down(self, outages: Iterable[Effective]) -> Iterator[Span]:
        """The spans of outages; under OT each from the first ticket about it (OT-3), and none without a ticket."""
        for holds in outages:
            span = holds.span(self.as_of)
            if self.agreement == "OT":
                about = (Ticket.outage_id == holds.outage.id) & (Ticket.agreement == "OT")
                first = select(func.min(Ticket.received_at)).where(about)
                counted = ot_counted(span, self.session.scalar(first))
                if counted is not None:
                    yield counted
            else:
                yield span

    def _unknown(self, service: WatchedService) -> list[Span]:
        """The time since the first probe ever of which too few vantage points know anything."""
        first = select(func.min(ProbeSpan.began_at)).where(ProbeSpan.service == service.name)
        began = self.session.scalar(first)
        if began is None or not service.probe:
            return []
        since = Span(max(began, self.within.start), min(self.as_of, self.within.end))
        known: dict[str, list[Span]] = {}
        rows = self.session.execute(
            select(ProbeSpan.vantage, ProbeSpan.began_at, ProbeSpan.until_at).where(
                ProbeSpan.service == service.name,
                ProbeSpan.until_at > since.start,
                ProbeSpan.began_at < since.end,
            )
        )
        for vantage, start, until in rows:
            known.setdefault(vantage, []).append(Span(start, until))
        return list(agreed_unknown(known, self.office.catalogue.needed, since))
