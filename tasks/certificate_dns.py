"""The DNS tells of a coming key before the swap, beside that in service: who goes by TLSA takes no other."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

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


class Told(NamedTuple):
    """Whether records of hosts changed, and whether some stand in a zone that is signed: others nobody goes by."""

    changed: bool
    signed: bool


def tell_keys(office: Office, site_id: int, *, now: datetime) -> Told:
    """Bring the DNS to the keys of a site, of its own hosts and of its complex.

    Raises as `keep_tlsa`, and as the complex does.
    """
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        order = session.get(Order, site.order_id) if site.order_id is not None else None
    served = order if COMPLEX in site.consumers else None
    if served is not None:
        complex_of(office, served.number).publish_names(site.slug)
    kept = keep_tlsa(office, site_id, now=now)
    changed = any(each.added or each.dropped for each in kept)
    return Told(changed, served is not None or any(each.signed for each in kept))


def note_told(office: Office, successor: Certificate, *, now: datetime) -> None:
    """Write down, once, from when the DNS tells of a key."""
    with transaction(office.sessions) as session:
        if _told_at(session, successor) is None:
            site = session.get_one(Site, successor.site_id)
            note(session, site, _TOLD, successor.key_hash, now=now, certificate=successor)


def waits_for_dns(
    office: Office,
    told: Told | None,
    current: Certificate | None,
    successor: Certificate,
    plan: Replacement,
    *,
    now: datetime,
) -> bool:
    """Whether a swap waits because the DNS has not told of the new key for as long as old records are remembered.

    `told` is what came of telling it just now, None where that failed: then it waits if the DNS told of the key in
    service, so that somebody may go by it. It waits no longer than the old certificate lives to see another Saturday:
    an outage is worse.
    """
    if current is None or (told is not None and not told.signed):
        return False
    with reading(office.sessions) as session:
        goes_by_it = told is not None or _told_at(session, current) is not None
        since = _told_at(session, successor)
    if not goes_by_it or (since is not None and since + KEPT_IN_DNS <= now):
        return False
    return plan.swap.end + KS_PLAN.margin <= current.not_after


def _told_at(session: Session, row: Certificate) -> datetime | None:
    query = select(CertificateEvent.at).where(CertificateEvent.certificate_id == row.id, CertificateEvent.kind == _TOLD)
    return session.scalar(query.order_by(CertificateEvent.id).limit(1))
