"""Sites of certificates in the ledger: which stands for an order, what is in service there, the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.issued import KEPT_IN_DNS
from blocks.ledger import (
    CaOrder,
    Certificate,
    CertificateState,
    ServiceState,
    Site,
    one_at_a_time,
)
from tasks.ca_orders import leave, note, open_order
from tasks.obligations import lift

COMPLEX = "complex"
"""The consumer that stands for the servers of a customer's complex."""
SERVED = (ServiceState.ACTIVE, ServiceState.SUSPENDED)
"""The states of a service whose domain shows a certificate."""

COMING = (CertificateState.ISSUED, CertificateState.PUBLISHED, CertificateState.ANNOUNCED)
"""The states of what was issued and has not served yet."""
_OVER = (CertificateState.RETIRED, CertificateState.REVOKED)
_SEEN_TO = KEPT_IN_DNS + timedelta(days=2)


def find_site(session: Session, slug: str) -> Site:
    """The site of that slug. Raises NotFound."""
    site = session.scalar(select(Site).where(Site.slug == slug))
    if site is None:
        raise NotFound("site", slug)
    return site


def newest_order(session: Session, site: Site) -> CaOrder | None:
    """The last order of a site at a CA, whatever became of it."""
    return session.scalar(select(CaOrder).where(CaOrder.site_id == site.id).order_by(CaOrder.id.desc()).limit(1))


def in_service(session: Session, site: Site) -> Certificate | None:
    """What a site shows."""
    return session.scalar(
        select(Certificate).where(Certificate.site_id == site.id, Certificate.state == CertificateState.IN_SERVICE)
    )


def coming(session: Session, site: Site) -> tuple[Certificate, ...]:
    """What was issued for a site and goes into service, one after the other; the next one first."""
    return _chain(in_service(session, site), _waiting(session, site))


def _waiting(session: Session, site: Site) -> Sequence[Certificate]:
    query = select(Certificate).where(Certificate.site_id == site.id, Certificate.state.in_(COMING))
    return session.scalars(query.order_by(Certificate.id)).all()


def _chain(current: Certificate | None, waiting: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Each replaces the one before it; of several that replace the same one, the last that was issued.

    What was issued to replace one that is not there any more replaces what is in service.
    """
    newer = [row for row in waiting if current is None or row.id > current.id]
    there = {row.id for row in newer}
    found: list[Certificate] = []
    before: int | None = None
    while following := [row for row in newer if before == (row.replaces_id if row.replaces_id in there else None)]:
        found.append(following[-1])
        before = following[-1].id
    return tuple(found)


def drop_leftovers(session: Session, site: Site, *, now: datetime) -> int:
    """Retire what was issued and will not serve: it ended, or another was issued in its place; tells how many.

    With what was overtaken goes what was to follow it: that is older than what serves before it now.
    """
    one_at_a_time(session, f"site {site.slug}")
    waiting = _waiting(session, site)
    kept = _chain(in_service(session, site), [row for row in waiting if row.not_after > now])
    dropped = 0
    for row in waiting:
        ended = row.not_after <= now
        if row in kept:
            continue
        row.state, row.retired_at, row.sealed_key = CertificateState.RETIRED, now, None
        lift_promises(session, site, row, now=now)
        why = "it ended before it served" if ended else "another was issued in its place"
        note(session, site, "dropped", why, now=now, certificate=row)
        dropped += 1
    return dropped


def promise_subject(site: Site, certificate: Certificate) -> str:
    """Under which subject the notices of a certificate's swap are owed."""
    return f"certificate {certificate.id} of {site.slug}"[:80]


def lift_promises(session: Session, site: Site, certificate: Certificate, *, now: datetime) -> None:
    """No notice is owed any more of a certificate that will not be put into service."""
    lift(session, subject=promise_subject(site, certificate), why="this certificate will not serve", now=now)


def ended_lately(session: Session, site: Site, *, now: datetime) -> bool:
    """Whether the DNS may still tell of a key of this site that has ended."""
    since = now - _SEEN_TO
    over = or_(Certificate.retired_at > since, Certificate.revoked_at > since)
    return session.scalar(select(Certificate.id).where(Certificate.site_id == site.id, over).limit(1)) is not None


def issued_by(session: Session, site: Site, certificate: Certificate) -> str:
    """The name of the CA that issued a certificate, which is not the site's any more where the site has another now."""
    order = session.get(CaOrder, certificate.ca_order_id) if certificate.ca_order_id is not None else None
    return order.authority if order is not None else site.authority


def put_first_in_service(session: Session, site: Site, certificate: Certificate, *, now: datetime) -> None:
    """The first certificate of a site is in service when it is there: nobody has used its names, nobody is told."""
    certificate.state, certificate.in_service_at = CertificateState.IN_SERVICE, now
    note(session, site, "in_service", "the first of its site", now=now, certificate=certificate)


def retire_site(session: Session, site: Site, why: str, *, now: datetime, who: str = "dogovor") -> None:
    """Nothing is shown here any more: what is open at the CA ends, what was issued is retired, the keys go."""
    if site.retired_at is not None:
        return
    order = open_order(session, site.id, locked=True)
    if order is not None:
        leave(session, order, why, who=who, now=now)
    for certificate in session.scalars(
        select(Certificate).where(Certificate.site_id == site.id, Certificate.state.not_in(_OVER))
    ):
        if certificate.state in COMING:
            lift_promises(session, site, certificate, now=now)
        certificate.state, certificate.retired_at = CertificateState.RETIRED, now
    for certificate in session.scalars(
        select(Certificate).where(Certificate.site_id == site.id, Certificate.sealed_key.is_not(None))
    ):
        certificate.sealed_key = None
    site.retired_at = now
    note(session, site, "site_retired", why, who=who, now=now)
