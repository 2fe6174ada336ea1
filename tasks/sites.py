"""Sites of certificates in the ledger: which stands for an order, what is in service there, the end of one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.ledger import CaOrder, CaOrderState, Certificate, CertificateState, Site
from tasks.ca_orders import end, note

COMPLEX = "complex"
"""The consumer that stands for the servers of a customer's complex."""

OPEN_STATES = (CaOrderState.INTENDED, CaOrderState.PLACED)
_OVER = (CertificateState.RETIRED, CertificateState.REVOKED)


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


def coming(session: Session, site: Site) -> Certificate | None:
    """What was issued for a site last and is not in service yet."""
    states = (CertificateState.ISSUED, CertificateState.PUBLISHED, CertificateState.ANNOUNCED)
    query = select(Certificate).where(Certificate.site_id == site.id, Certificate.state.in_(states))
    return session.scalar(query.order_by(Certificate.id.desc()).limit(1))


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
    order = session.scalar(select(CaOrder).where(CaOrder.open_key == site.id).with_for_update())
    if order is not None:
        end(session, order, CaOrderState.CANCELLED, why, who=who, now=now)
        order.sealed_key = None
    for certificate in session.scalars(
        select(Certificate).where(Certificate.site_id == site.id, Certificate.state.not_in(_OVER))
    ):
        certificate.state, certificate.retired_at = CertificateState.RETIRED, now
    for certificate in session.scalars(
        select(Certificate).where(Certificate.site_id == site.id, Certificate.sealed_key.is_not(None))
    ):
        certificate.sealed_key = None
    site.retired_at = now
    note(session, site, "site_retired", why, who=who, now=now)
