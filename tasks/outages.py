"""Outages: recorded once, told to everybody who stands on the service, ended, and decided on by people.

What was recorded first stays as it is; decisions are added, and `tasks.effective` says what holds after them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import Outage, OutageDecision, ProbeSpan, ProbeState, Ticket, one_at_a_time, transaction
from blocks.office import Office
from blocks.terms.base import Verdict
from blocks.terms.intervals import Span
from blocks.terms.outages import ExclusionFacts, UnavailabilityFacts, excluded, unavailability
from blocks.terms.probes import agreed_down
from tasks.effective import decisions_on, holding
from tasks.numbering import add_numbered, by_number
from tasks.outage_forms import OutageDecisionForm, OutageEnding, OutageForm, OutageReportForm
from tasks.outage_logs import find_outage, send_owed_logs
from tasks.outage_notices import REPORT_OWED, owe_logs, tell_closed, tell_opened, tell_partner


def lock_outages(session: Session) -> None:
    """Outages are opened and closed one after the other, whoever does it."""
    one_at_a_time(session, "outages")


def record_outage(
    office: Office,
    session: Session,
    *,
    service: str,
    source: str,
    began_at: datetime,
    what: str,
    now: datetime,
    ended_at: datetime | None = None,
) -> Outage:
    """Put an outage on record, once by source, service and beginning; the same again returns the first."""
    key = f"{source}:{service}:{began_at.isoformat()}"
    found = session.scalar(select(Outage).where(Outage.key == key))
    if found is not None:
        return found
    outage = Outage(
        key=key,
        service=service,
        agreements=sorted(office.catalogue.agreements_of(frozenset({service}))),
        source=source,
        began_at=began_at,
        discovered_at=now,
        ended_at=ended_at,
        what=what,
    )
    add_numbered(session, outage, now=now)
    return outage


def open_outage(office: Office, form: OutageForm, *, now: datetime) -> str:
    """Open an outage that people make known, and tell of it; its number. An open one of the service takes the tickets.

    Raises NotFound, Refused, and TermsViolated where an ОЦП service lacks what OCP-P3.2.10 names.
    """
    agreements = office.catalogue.agreements_of(frozenset({form.service}))
    with transaction(office.sessions) as session:
        lock_outages(session)
        tickets = [_ticket(session, number, form.service, agreements) for number in form.tickets]
        outage = session.scalar(select(Outage).where(Outage.service == form.service, Outage.ended_at.is_(None)))
        if outage is None:
            began = _beginning(form, [ticket.received_at for ticket in tickets], ocp="OCP" in agreements)
            if began > now:
                raise Refused("times", "an outage does not begin in the future")
            source = "ticket" if tickets else "operator"
            outage = record_outage(
                office, session, service=form.service, source=source, began_at=began, what=form.what, now=now
            )
            if outage.ended_at is not None:
                raise Refused("state", f"{outage.number} began at that moment and is over")
            _By(session, outage, form.operator, form.what, now).decide("began_at", began.isoformat())
        elif not tickets:
            raise Refused("state", f"{outage.number} is open for {form.service} already")
        for ticket in tickets:
            if ticket.outage_id not in (None, outage.id):
                raise Refused("ticket", f"{ticket.number} is about another outage already")
            ticket.outage_id = outage.id
        if outage.told_at is None:
            tell_opened(office, session, outage, now=now)
        return outage.number


def _ticket(session: Session, number: str, service: str, agreements: frozenset[str]) -> Ticket:
    """A ticket that may be about an outage of the service. Raises NotFound, Refused."""
    found = by_number(session, Ticket, number, lock=True)
    if found.agreement not in agreements:
        raise Refused("ticket", f"{number} is of {found.agreement}, under which {service} is not served")
    if found.service not in (None, service):
        raise Refused("ticket", f"{number} is about {found.service}")
    return found


def _beginning(form: OutageForm, arrivals: Sequence[datetime], *, ocp: bool) -> datetime:
    if not ocp:
        return form.began_at or min(arrivals)
    facts = UnavailabilityFacts(
        logs_down_at=form.began_at if form.by_logs else None, reports=tuple(arrivals), confirmed=form.confirmed
    )
    decision = unavailability(facts)
    if not decision.allowed:
        raise TermsViolated(decision.clause, decision.what)
    return datetime.fromisoformat(str(decision.values["from"]))


def end_outage(office: Office, session: Session, outage: Outage, *, ended_at: datetime, now: datetime) -> None:
    """An outage is over; whoever was told of it is told, and under ОЦП its log file is owed in any case."""
    outage.ended_at = ended_at
    owe_logs(office, session, outage, now=now)
    if outage.told_at is not None:
        tell_closed(office, session, outage, now=now)


def close_outage(office: Office, form: OutageEnding, *, now: datetime) -> str:
    """A person says when an outage ended. One that the probes opened they close themselves, unless they lost sight.

    Raises NotFound, Refused.
    """
    with transaction(office.sessions) as session:
        lock_outages(session)
        outage = find_outage(session, form.outage, lock=True)
        if outage.ended_at is not None:
            raise Refused("state", f"{form.outage} is over already: correct its end by a decision")
        if outage.source == "probe":
            _probes_lost_sight(office, session, outage, form.ended_at, now)
        if not outage.began_at <= form.ended_at <= now:
            raise Refused("times", "an outage ends after it began and not in the future")
        by = _By(session, outage, form.operator, form.note, now)
        by.decide("ended_at", form.ended_at.isoformat(), clause="OCP-P3.2.10")
        end_outage(office, session, outage, ended_at=form.ended_at, now=now)
    send_owed_logs(office, now=now)
    return f"{form.outage} ended at {form.ended_at.isoformat()}"


def _probes_lost_sight(office: Office, session: Session, outage: Outage, ended_at: datetime, now: datetime) -> None:
    """Refused while enough vantage points look at the service, and for an end at which they agreed that it was down."""
    watched = office.catalogue.services.get(outage.service)
    if watched is None or not watched.probe:
        return
    points = [vantage.name for vantage in office.catalogue.vantage]
    needed = office.catalogue.needed
    spans = session.scalars(
        select(ProbeSpan).where(
            ProbeSpan.service == outage.service, ProbeSpan.vantage.in_(points), ProbeSpan.until_at > outage.began_at
        )
    ).all()
    fresh = now - timedelta(seconds=office.catalogue.interval_seconds)
    if len({span.vantage for span in spans if span.until_at > fresh}) >= len(points) - needed + 1:
        raise Refused("state", f"the probes close {outage.number} when they see {outage.service} up")
    down: dict[str, list[Span]] = {point: [] for point in points}
    for span in spans:
        if span.state is ProbeState.DOWN:
            down[span.vantage].append(Span(span.began_at, span.until_at))
    last = max((span.end for span in agreed_down(down, needed)), default=outage.began_at)
    if ended_at < last:
        raise Refused("times", f"the probes saw {outage.service} down until {last.isoformat()}")


@dataclass(frozen=True)
class _By:
    """Who decides on an outage, why, and when."""

    session: Session
    outage: Outage
    who: str
    why: str
    now: datetime

    def decide(self, kind: str, value: str, *, clause: str | None = None, why: str | None = None) -> None:
        about, reason = self.outage.id, why or self.why
        self.session.add(
            OutageDecision(
                outage_id=about, at=self.now, kind=kind, value=value, who=self.who, reason=reason, clause=clause
            )
        )


def decide_outage(office: Office, form: OutageDecisionForm, *, now: datetime) -> str:
    """Add a person's decisions on an outage; the newest of each kind holds, the earlier ones stay readable.

    Raises NotFound; Refused where the times do not follow; TermsViolated where KS-3.9 does not allow it.
    """
    with transaction(office.sessions) as session:
        lock_outages(session)
        outage = find_outage(session, form.outage, lock=True)
        if form.ended_at is not None and outage.ended_at is None:
            raise Refused("state", f"{form.outage} goes on: close it first")
        by = _By(session, outage, form.operator, form.reason, now)
        for kind, moment in (("began_at", form.began_at), ("ended_at", form.ended_at)):
            if moment is not None:
                by.decide(kind, moment.isoformat())
        for kind, words in (("cause", form.cause), ("public_cause", form.public_cause)):
            if words is not None:
                by.decide(kind, words)
        if form.counted is not None:
            by.decide("counted", form.counted, clause="KS-3.9", why=_ground(outage, form))
        session.flush()
        holds = holding(session, outage)
        if holds.began_at > now or (holds.ended_at is not None and not holds.began_at <= holds.ended_at <= now):
            raise Refused("times", "an outage ends after it began and not in the future")
    return f"{form.outage}: {'counted' if holds.counted else 'not counted'}, from {holds.began_at.isoformat()}"


def _ground(outage: Outage, form: OutageDecisionForm) -> str:
    """Why it is counted or not, as KS-3.9 lets a named person say it."""
    if "KS" not in outage.agreements:
        raise TermsViolated("KS-3.9", f"{outage.service} is not served under KS")
    if form.excluded_for is None:
        return form.reason
    decision = excluded(ExclusionFacts(cause=form.excluded_for, decided_by=form.operator, reason=form.reason))
    if decision.verdict is not Verdict.ALLOWED:
        raise TermsViolated("KS-3.9", decision.what)
    return f"{form.excluded_for}: {form.reason}"


def file_report(office: Office, form: OutageReportForm, *, now: datetime) -> str:
    """The detailed report on an ended outage goes to the ОЦП Operator; its delivery fulfils OCP-P3.2.7c.

    Raises NotFound, Refused.
    """
    with transaction(office.sessions) as session:
        outage = find_outage(session, form.outage, lock=True)
        if "OCP" not in outage.agreements or outage.ended_at is None or outage.told_at is None:
            raise Refused("state", f"{form.outage} is not an ended emergency of the ОЦП that was told")
        last = next((d for d in reversed(decisions_on(session, outage)) if d.kind == "cause"), None)
        if last is None or last.value != form.cause:
            by = _By(session, outage, form.operator, "as reported to the Operator", now)
            by.decide("cause", form.cause, clause="OCP-P3.2.7c")
        extra = {
            "cause": form.cause,
            "measures": [*form.measures, f"База знаний обновлена: {form.knowledge_base}"],
            "advice": list(form.advice),
        }
        about = hashlib.sha256(form.model_dump_json().encode()).hexdigest()[:12]
        tell_partner(office, session, outage, kind="outage_report", extra=extra, owed=REPORT_OWED, now=now, about=about)
    return f"the report on {form.outage} goes to the Operator"
