"""Who is told of an outage, and the obligations that its beginning and its end open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Obligation, Outage, Window
from blocks.office import Office
from blocks.terms.base import Decision
from blocks.terms.ks import ZONE
from blocks.terms.outages import JournalFacts, journal
from blocks.terms.targets import seconds
from blocks.terms.works import Kind, WorksFacts
from blocks.terms.works_ocp import emergency_report, emergency_told, operator_knows
from blocks.terms.zones import ZONES
from tasks import audience
from tasks.effective import Effective, holding
from tasks.notices import queue, queue_operator_notice
from tasks.obligations import open_obligation

LOGS_OWED = "the log files go to the Operator"
REPORT_OWED = "a detailed report with advice, and the knowledge base brought up to date"
NO_CAUSE_YET = "уточняется"
_INSTANT = timedelta(microseconds=1)


def works_end(window: Window) -> datetime:
    """When works stop accounting for what is down: at their closing, and not later than their plan says."""
    return min(window.closed_at or window.ends_at, window.ends_at)


def tell_opened(office: Office, session: Session, outage: Outage, *, now: datetime) -> None:
    """Tell everybody who stands on the service, and our operator; the ОЦП Operator and its users under their clocks."""
    letters = _Letters(office, session, outage, now)
    known = _known_from(session, outage)
    emergency = _emergency(known, now)
    for agreement in sorted(outage.agreements):
        for address in audience.customers(session, office.settings, agreement):
            whom = f"tell end user {_short(address)}"
            clock = letters.owe(emergency_told(emergency), whom) if agreement == "OCP" else None
            letters.queue("outage_opened", agreement, address, {}, obligation=clock)
        for address in audience.partner(office.settings, agreement):
            clock = letters.owe(operator_knows(emergency), f"tell the Operator of {outage.service}")
            extra = {"discovered_at": known.isoformat(), "what": outage.what}
            letters.queue("emergency_told", agreement, address, extra, obligation=clock)
    letters.to_ourselves("outage_opened", {})
    outage.told_at = now


def tell_closed(office: Office, session: Session, outage: Outage, *, now: datetime) -> None:
    """Tell those who were told of its beginning that it is over; the report falls due (ОЦП)."""
    holds = holding(session, outage)
    letters = _Letters(office, session, outage, now)
    extra = _over(holds)
    for agreement in sorted(outage.agreements):
        told = [*audience.customers(session, office.settings, agreement), *audience.partner(office.settings, agreement)]
        for address in dict.fromkeys(told):
            letters.queue("outage_closed", agreement, address, extra)
    letters.to_ourselves("outage_closed", extra)
    if "OCP" in outage.agreements:
        emergency = _emergency(_known_from(session, outage), now, repaired_at=holds.ended_at)
        letters.owe(emergency_report(emergency), REPORT_OWED)


def owe_logs(office: Office, session: Session, outage: Outage, *, now: datetime) -> None:
    """Each unavailability of the ОЦП owes its log files when it is over, within works too (OCP-P3.2.9)."""
    if "OCP" in outage.agreements:
        holds = holding(session, outage)
        facts = JournalFacts(start=holds.began_at, end=holds.ended_at, in_journal=True)
        _Letters(office, session, outage, now).owe(journal(facts), LOGS_OWED)


def tell_partner(
    office: Office,
    session: Session,
    outage: Outage,
    *,
    kind: str,
    extra: Mapping[str, Any],
    owed: str,
    now: datetime,
    about: str = "",
    documents: Sequence[str] = (),
) -> None:
    """A letter to the ОЦП Operator that fulfils, once delivered, the obligation of that wording."""
    owing = select(Obligation).where(Obligation.subject == outage.number, Obligation.what == owed)
    clock = session.scalar(owing)
    facts = {**_over(holding(session, outage)), **extra}
    letters = _Letters(office, session, outage, now)
    for address in audience.partner(office.settings, "OCP"):
        letters.queue(kind, "OCP", address, facts, obligation=clock, about=about, documents=documents)


@dataclass(frozen=True)
class _Letters:
    """The letters and the obligations of one outage at one moment."""

    office: Office
    session: Session
    outage: Outage
    now: datetime

    def owe(self, decision: Decision, what: str) -> Obligation | None:
        if decision.deadline is None:
            return None
        return open_obligation(
            self.session,
            clause=decision.clause,
            subject=self.outage.number,
            what=what,
            deadline=decision.deadline,
            now=self.now,
        )

    def queue(
        self,
        kind: str,
        agreement: str,
        address: str,
        extra: Mapping[str, Any],
        *,
        obligation: Obligation | None = None,
        about: str = "",
        documents: Sequence[str] = (),
    ) -> None:
        queue(
            self.session,
            key=f"{self.outage.number}:{kind}:{agreement}:{_short(address)}:{about}",
            kind=kind,
            agreement=agreement,
            recipient=address,
            facts=self._facts(agreement, ZONES[agreement], extra),
            now=self.now,
            about=self.outage.number,
            obligation=obligation,
            documents=documents,
        )

    def to_ourselves(self, kind: str, extra: Mapping[str, Any]) -> None:
        queue_operator_notice(
            self.session,
            kind=kind,
            key=f"{self.outage.number}:{kind}:operator",
            operator=self.office.settings.operator_email,
            facts=self._facts(", ".join(sorted(self.outage.agreements)), ZONE, extra),
            now=self.now,
        )

    def _facts(self, agreement: str, zone: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "number": self.outage.number,
            "agreement": agreement,
            "services": [self.office.catalogue.title_of(self.outage.service)],
            "began_at": holding(self.session, self.outage).began_at.isoformat(),
            "zone": zone,
            **extra,
        }


def _short(address: str) -> str:
    """What tells recipients apart without naming them."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _over(holds: Effective) -> dict[str, str]:
    ended = holds.ended_at or holds.began_at
    return {"ended_at": ended.isoformat(), "seconds": seconds(ended - holds.began_at), "cause": NO_CAUSE_YET}


def _known_from(session: Session, outage: Outage) -> datetime:
    """When it was known to be an emergency: its discovery, or the end of the works that it outlasted."""
    windows = session.scalars(
        select(Window).where(Window.opened_at <= outage.discovered_at, Window.ends_at >= outage.discovered_at)
    )
    return max([outage.discovered_at, *(works_end(w) for w in windows if outage.service in w.services)])


def _emergency(known: datetime, now: datetime, repaired_at: datetime | None = None) -> WorksFacts:
    return WorksFacts(
        kind=Kind.EMERGENCY,
        start=known,
        end=max(known + _INSTANT, repaired_at or now),
        agreements=frozenset({"OCP"}),
        proposed_at=now,
        discovered_at=known,
        repaired_at=repaired_at,
    )
