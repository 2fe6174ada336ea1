"""A site and its certificates as the rotation sees them, and the plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import facts_of
from blocks.ledger import CaOrder, Certificate, CertificateEvent, Service, Site, reading
from blocks.office import Office
from blocks.terms.certificate_facts import PlanFacts, RenewalWindow, Replacement, Successor, ks_terms
from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificate_plan import plan_replacement
from blocks.terms.intervals import Interval
from tasks.sites import SERVED, coming, find_site, in_service, newest_order

EMERGENCY = "emergency"


@dataclass(frozen=True)
class SiteNow:
    """A site, what it shows, what comes, its newest order, and why it is replaced at once (None: it is not).

    `coming` holds what goes into service one after the other: with short lifetimes several are announced at a time.
    `used` is whether anybody may look at it: a customer's domain on its way to activation is its order's affair.
    """

    site: Site
    current: Certificate | None
    coming: tuple[Certificate, ...]
    order: CaOrder | None
    emergency: Emergency | None
    used: bool


def site_now(session: Session, site: Site) -> SiteNow:
    """Read a site."""
    current = in_service(session, site)
    return SiteNow(
        site=site,
        current=current,
        coming=coming(session, site),
        order=newest_order(session, site),
        emergency=_emergency(session, current) if current is not None else None,
        used=_used(session, site),
    )


def look_at(office: Office, site_id: int) -> SiteNow:
    """Read a site by its id."""
    with reading(office.sessions) as session:
        return site_now(session, session.get_one(Site, site_id))


def plan_of(seen: SiteNow, *, now: datetime) -> Replacement | None:
    """The plan of what is in service; None where nothing is."""
    return next(iter(plans_of(seen, now=now)), None)


def plans_of(seen: SiteNow, *, now: datetime) -> tuple[Replacement, ...]:
    """The plans of what is in service and of each that comes, one after the other; none where nothing is in service.

    A certificate that comes is planned for as one that serves from its own swap on. One that lacks a name of its site
    is replaced soon.
    """
    plans: list[Replacement] = []
    if seen.current is None:
        return ()
    serves_from = seen.current.in_service_at
    for row, successor in zip_longest((seen.current, *seen.coming), seen.coming):
        facts = PlanFacts(
            not_before=row.not_before,
            not_after=row.not_after,
            now=now,
            serves_from=serves_from,
            ari=_advice(row),
            draw=int(row.fingerprint[:8], 16) / 0xFFFFFFFF,
            soon=not set(seen.site.names) <= set(facts_of(row.chain).names),
            successor=_successor(successor) if successor is not None else None,
        )
        plans.append(plan_replacement(facts, ks_terms(row.not_after - row.not_before)))
        serves_from = plans[-1].swap.start
    return tuple(plans)


def _advice(row: Certificate) -> RenewalWindow | None:
    """What the CA advises; a window that was over when the certificate was issued is none of this certificate."""
    if row.window_start is None or row.window_end is None or row.window_end < row.not_before:
        return None
    return RenewalWindow(start=row.window_start, end=max(row.window_end, row.window_start + timedelta(seconds=1)))


def _successor(row: Certificate) -> Successor:
    told = row.swap_at is not None and row.swap_until is not None
    return Successor(
        not_before=row.not_before,
        not_after=row.not_after,
        published_at=row.published_at,
        announced_at=row.announced_at,
        swap=Interval.model_validate({"start": row.swap_at, "end": row.swap_until}) if told else None,
    )


def _emergency(session: Session, current: Certificate) -> Emergency | None:
    said = session.scalar(
        select(CertificateEvent.why)
        .where(CertificateEvent.certificate_id == current.id, CertificateEvent.kind == EMERGENCY)
        .order_by(CertificateEvent.id)
        .limit(1)
    )
    return Emergency(said.partition(":")[0]) if said is not None else None


def _used(session: Session, site: Site) -> bool:
    if site.order_id is None:
        return True
    state = session.scalar(select(Service.state).where(Service.order_id == site.order_id))
    return state in SERVED


def site_of(office: Office, slug: str) -> SiteNow:
    """Read a site by its slug. Raises NotFound."""
    with reading(office.sessions) as session:
        return site_now(session, find_site(session, slug))
