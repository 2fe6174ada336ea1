"""What the probes saw, kept as exact spans, and the outages that follow from it.

Only `up` and `down` are kept; what no span covers is unknown. A prober that is killed between two rounds loses nothing
of what it saw, and the time until it is back stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.clients.probes import Seen
from blocks.ledger import Outage, ProbeSpan, ProbeState, Window, WindowState, one_at_a_time, reading, transaction
from blocks.office import Office
from blocks.terms.base import Decision
from blocks.terms.intervals import Span
from blocks.terms.outages import MonitoringFacts, monitored
from blocks.terms.probes import Sample, State, StateSpan, agreed, agreed_down, extend
from tasks.outage_logs import send_owed_logs
from tasks.outage_notices import tell_closed, tell_opened, works_end
from tasks.outage_reports import link_tickets
from tasks.outages import end_outage, lock_outages, record_outage

_EVER, _FOREVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_LOOK_BACK = 2000
"""So many intervals back a judgement looks: far more than the rounds that a prober may keep unrecorded."""
Round = Mapping[tuple[str, str], tuple[bool, str]]
"""By service and vantage point: whether it was up, and what was seen."""


def service_seen(seen: Sequence[Seen]) -> tuple[bool, str]:
    """One word on a service from one vantage point: up when each of its targets is; else what the first one down said.

    A customer must be able to reach every port of the agreement (KS-3.13), so one that is shut is an outage.
    """
    down = [one.detail for one in seen if not one.up]
    return not down, (down or [one.detail for one in seen])[0][:300]


def record_round(office: Office, seen: Round, *, at: datetime, interval: timedelta) -> int:
    """Take one round of probes in, in one transaction; how many were new. A round that came before changes nothing."""
    with transaction(office.sessions) as session:
        one_at_a_time(session, "probes")
        return sum(
            _take(session, point, Sample(at, up), detail, interval) for point, (up, detail) in sorted(seen.items())
        )


def _take(session: Session, point: tuple[str, str], sample: Sample, detail: str, interval: timedelta) -> bool:
    service, vantage = point
    row = session.scalar(
        select(ProbeSpan)
        .where(ProbeSpan.service == service, ProbeSpan.vantage == vantage)
        .order_by(ProbeSpan.began_at.desc())
        .limit(1)
    )
    last = None
    if row is not None:
        last = StateSpan(State(row.state.value), row.began_at, row.until_at - interval, row.until_at)
        if sample.at <= last.seen:
            return False
    spans = [span for span in extend(last, sample, interval) if span.state is not State.UNKNOWN]
    if row is not None:
        row.until_at = spans.pop(0).end
    for span in spans:
        session.add(
            ProbeSpan(
                service=service,
                vantage=vantage,
                state=ProbeState(span.state.value),
                began_at=span.start,
                until_at=span.end,
                detail=detail[:300],
            )
        )
    return True


@dataclass(frozen=True)
class Judged:
    """The outages that were opened, closed and told of in one judgement, and the log files that were sent."""

    opened: tuple[str, ...]
    closed: tuple[str, ...]
    told: int
    logs: int

    @property
    def letters(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.told or self.logs)


def judge(office: Office, *, now: datetime) -> Judged:
    """Open and close outages by what the vantage points agree on, once each, and tell of them unless works silence it.

    An outage begins when `needed` vantage points agree that a service is down, and ends when so many see it up that
    the others cannot agree any more: unknown is not up.
    """
    opened: list[str] = []
    closed: list[str] = []
    told = 0
    with transaction(office.sessions) as session:
        lock_outages(session)
        for service in office.catalogue.service:
            if service.probe:
                changed = list(_judge_service(office, session, service.name, now))
                opened += [outage.number for outage in changed if outage.discovered_at == now]
                closed += [outage.number for outage in changed if outage.ended_at is not None]
                told += sum(_tell(office, session, outage, now) for outage in changed)
        link_tickets(session, now=now)
    return Judged(tuple(opened), tuple(closed), told, send_owed_logs(office, now=now))


def _judge_service(office: Office, session: Session, service: str, now: datetime) -> Iterator[Outage]:
    """The outages of a service that are open or were closed just now."""
    last = session.scalar(
        select(Outage)
        .where(Outage.service == service, Outage.source == "probe")
        .order_by(Outage.began_at.desc())
        .limit(1)
    )
    lasting = last if last is not None and last.ended_at is None else None
    since = (last.ended_at or last.began_at) if last is not None else _EVER
    unjudged = max(since, now - _LOOK_BACK * timedelta(seconds=office.catalogue.interval_seconds))
    needed = office.catalogue.needed
    down = [
        s for s in agreed_down(_spans(office, session, service, ProbeState.DOWN, unjudged), needed) if s.end > since
    ]
    if lasting is None and not down:
        return
    up = agreed(_spans(office, session, service, ProbeState.UP, unjudged), len(office.catalogue.vantage) - needed + 1)
    for began, ended in episodes(down, up, since, lasting.began_at if lasting else None):
        if lasting is None:
            what = _what(session, service, began)
            lasting = record_outage(
                office, session, service=service, source="probe", began_at=began, what=what, now=now
            )
        if ended is not None:
            end_outage(office, session, lasting, ended_at=ended, now=now)
        yield lasting
        lasting = None


def _spans(office: Office, session: Session, service: str, state: ProbeState, since: datetime) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {vantage.name: [] for vantage in office.catalogue.vantage}
    rows = session.execute(
        select(ProbeSpan.vantage, ProbeSpan.began_at, ProbeSpan.until_at).where(
            ProbeSpan.service == service,
            ProbeSpan.vantage.in_(found),
            ProbeSpan.state == state,
            ProbeSpan.until_at > since,
        )
    )
    for vantage, began, until in rows:
        found[vantage].append(Span(began, until))
    return found


def episodes(
    down: Iterable[Span], up: Iterable[Span], since: datetime, began: datetime | None
) -> Iterator[tuple[datetime, datetime | None]]:
    """Outages from what is agreed: each from the start of a down span to the start of the first up span after it.

    `began` is that of one which lasts already; the end of the last one is None while nothing shows it.
    """
    ups = list(up)
    for span in chain([] if began is None else [Span(began, _FOREVER)], down):
        if span.end <= since:
            continue
        start = max(span.start, since)
        ended = next((max(seen.start, start) for seen in ups if seen.end > start), None)
        yield start, ended
        if ended is None:
            return
        since = ended


def _what(session: Session, service: str, began: datetime) -> str:
    """What the vantage points saw at that moment."""
    rows = session.scalars(
        select(ProbeSpan)
        .where(ProbeSpan.service == service, ProbeSpan.state == ProbeState.DOWN)
        .where(ProbeSpan.began_at <= began, ProbeSpan.until_at > began)
        .order_by(ProbeSpan.vantage)
    )
    return "; ".join(f"{row.vantage}: {row.detail}" for row in rows)


def _tell(office: Office, session: Session, outage: Outage, now: datetime) -> bool:
    """Tell of an outage that was not told yet, and of its end where it is over, unless that is silenced."""
    if outage.told_at is not None:
        return outage.ended_at is not None
    if _silenced(office, session, outage, now):
        return False
    tell_opened(office, session, outage, now=now)
    if outage.ended_at is not None:
        tell_closed(office, session, outage, now=now)
    return True


def _silenced(office: Office, session: Session, outage: Outage, now: datetime) -> bool:
    """Whether works that cover the service account for it, or another outage of the service is told already.

    A window counts up to one probe interval after its closing, or after the end of its plan where that comes first:
    what was seen before that says nothing of the time after it.
    """
    grace = timedelta(seconds=office.catalogue.interval_seconds)
    windows = session.scalars(
        select(Window).where(
            Window.state.in_([WindowState.OPEN, WindowState.CLOSED]),
            Window.opened_at <= now,
            Window.ends_at >= outage.discovered_at - grace,
        )
    )
    until = outage.ended_at or now
    for window in windows:
        over = window.closed_at is not None and window.closed_at < outage.discovered_at
        if outage.service in window.services and not over and until <= works_end(window) + grace:
            return True
    others = select(Outage.id).where(Outage.service == outage.service, Outage.id != outage.id)
    return session.scalar(others.where(Outage.told_at.is_not(None), Outage.ended_at.is_(None)).limit(1)) is not None


@dataclass(frozen=True)
class Silence:
    """A service that nobody probes as OCP-P3.5 wants it, and when it was probed last."""

    service: str
    last_probe_at: datetime | None
    decision: Decision


def stale_probes(office: Office, *, now: datetime) -> list[Silence]:
    """The services whose last round is too long ago (OCP-P3.5); none where nothing is to be probed."""
    interval = timedelta(seconds=office.catalogue.interval_seconds)
    with reading(office.sessions) as session:
        rows = session.execute(select(ProbeSpan.service, func.max(ProbeSpan.until_at)).group_by(ProbeSpan.service))
        newest = {service: until - interval for service, until in rows}
    found = []
    for service in office.catalogue.service:
        if service.probe:
            last = newest.get(service.name)
            decision = monitored(MonitoringFacts(last_probe_at=last, now=now))
            if not decision.allowed:
                found.append(Silence(service.name, last, decision))
    return found
