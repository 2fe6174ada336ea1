"""The DNS tells of a coming key before the swap, beside that in service: who goes by TLSA takes no other."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.issued import KEPT_IN_DNS
from blocks.ledger import Certificate, CertificateEvent, Order, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificate_facts import KS_PLAN, Replacement
from tasks.ca_orders import note
from tasks.certificate_tlsa import keep_tlsa
from tasks.complexes import complex_of
from tasks.sites import COMPLEX

_TOLD = "keys_told"


def tell_keys(office: Office, site_id: int, *, now: datetime) -> bool:
    """Bring the DNS to the keys of a site, of its own hosts and of its complex; whether records of hosts changed.

    Raises as `keep_tlsa`, and as the complex does.
    """
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        order = session.get(Order, site.order_id) if site.order_id is not None else None
    if COMPLEX in site.consumers and order is not None:
        complex_of(office, order.number).publish_names(site.slug)
    return any(kept.added or kept.dropped for kept in keep_tlsa(office, site_id, now=now))


def note_told(office: Office, successor: Certificate, *, now: datetime) -> None:
    """Write down, once, from when the DNS tells of a key."""
    with transaction(office.sessions) as session:
        if _told_at(session, successor) is None:
            site = session.get_one(Site, successor.site_id)
            note(session, site, _TOLD, successor.key_hash, now=now, certificate=successor)


def waits_for_dns(
    office: Office, current: Certificate | None, successor: Certificate, plan: Replacement, *, now: datetime
) -> bool:
    """Whether a swap waits because the DNS has not told of the new key for as long as old records are remembered.

    It waits no longer than the old certificate lives to see another Saturday: an outage is worse.
    """
    with reading(office.sessions) as session:
        told = _told_at(session, successor)
    if told is not None and told + KEPT_IN_DNS <= now:
        return False
    return current is not None and plan.swap.end + KS_PLAN.margin <= current.not_after


def _told_at(session: Session, successor: Certificate) -> datetime | None:
    query = select(CertificateEvent.at).where(
        CertificateEvent.certificate_id == successor.id, CertificateEvent.kind == _TOLD
    )
    return session.scalar(query.limit(1))
