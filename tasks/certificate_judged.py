"""Whether a swap keeps KS-3.8 goes on record before it is made; that of a first one too, with what was shown."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.consumers import meant_for
from blocks.clients.endpoints import look
from blocks.errors import Refused, Transient
from blocks.ledger import Certificate, CertificateEvent, CertificateState, Site, reading, transaction
from blocks.office import Office
from blocks.terms.base import Verdict
from blocks.terms.certificate_facts import KS_PLAN
from blocks.terms.certificate_plan import ReplacementFacts, replacement_announced, told_by
from blocks.terms.zones import MOSCOW
from tasks.ca_orders import note
from tasks.certificate_revocation import WITHDRAWN
from tasks.sites import COMPLEX

CLAUSE, FIRST = "KS-3.8", "first_swap"


def judge(office: Office, certificate_id: int, *, now: datetime) -> None:
    """Write down whether putting a certificate into service keeps the promise. One in service was judged before.

    A first one was announced to nobody; where servers showed a certificate already, which was not from here, that is an
    exception, told once. Raises NotFound for a consumer that the file of certificates does not name.
    """
    with reading(office.sessions) as session:
        row = session.get_one(Certificate, certificate_id)
        site = session.get_one(Site, row.site_id)
        told = select(CertificateEvent.id).where(CertificateEvent.certificate_id == row.id)
        first_told = session.scalar(told.where(CertificateEvent.kind == FIRST).limit(1)) is not None
    if row.state is CertificateState.IN_SERVICE or (row.replaces_id is None and first_told):
        return
    first = row.replaces_id is None
    with reading(office.sessions) as session:
        taken_back = "" if first else _taken_back(session, row)
    why = _first(_shown_before(office, site, row)) if first else _planned(row, now, taken_back)
    with transaction(office.sessions) as session:
        note(session, site, FIRST if first else "swap", why, now=now, clause=CLAUSE, certificate=row)


def _planned(row: Certificate, now: datetime, taken_back: str) -> str:
    """By the rule; where the month is not kept because another was taken back before it served, that is the reason."""
    facts = ReplacementFacts(
        swap_at=row.swap_at or now,
        published_at=row.published_at,
        announced_at=row.announced_at,
        emergency=row.emergency or "",
    )
    decision = replacement_announced(facts)
    if decision.verdict is Verdict.REFUSED and taken_back and row.announced_at is not None:
        decision = replacement_announced(facts.model_copy(update={"emergency": taken_back}))
    return f"{decision.verdict.value}: {decision.what}"


def _taken_back(session: Session, row: Certificate) -> str:
    """Why one that was announced before was taken back, too late for a month's notice of this one; else empty."""
    if row.swap_at is None:
        return ""
    announced = select(CertificateEvent.certificate_id).where(
        CertificateEvent.site_id == row.site_id, CertificateEvent.kind == "announced"
    )
    said = session.scalar(
        select(CertificateEvent.why)
        .where(CertificateEvent.site_id == row.site_id, CertificateEvent.kind == WITHDRAWN)
        .where(CertificateEvent.certificate_id < row.id, CertificateEvent.certificate_id.in_(announced))
        .where(CertificateEvent.at > told_by(row.swap_at, MOSCOW) - KS_PLAN.work)
        .order_by(CertificateEvent.id.desc())
        .limit(1)
    )
    return f"{said.partition(':')[0]} of one that was announced before" if said else ""


def _first(before: list[str]) -> str:
    if not before:
        return "the first certificate of its site: none was shown before, so there was nothing to announce"
    return f"an exception: {'; '.join(before)}, not from here; it is replaced without a calendar month's notice"


def _shown_before(office: Office, site: Site, row: Certificate) -> list[str]:
    """What servers show before the first certificate of a site; those of an active service show one in any case."""
    found: list[str] = []
    for name in site.consumers:
        if name == COMPLEX:
            found.append("the servers of an active service showed a certificate")
            continue
        for at in meant_for(office.certificates_at.consumer_at(name), site.names):
            try:
                shown = look(at)
            except Transient:
                continue
            except Refused:
                shown = "one that cannot be read"
            if shown != row.fingerprint:
                found.append(f"{at.host}:{at.port} showed {shown}")
    return found
