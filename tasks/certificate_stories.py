"""The stories of sites, read from the ledger."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from blocks.ledger import Certificate, CertificateEvent, Sessions, Site, reading
from blocks.terms.certificate_story import CertificateLine, CertificateStory, JournalLine
from tasks.certificate_state import plan_of, site_now
from tasks.sites import find_site


def all_sites(sessions: Sessions) -> list[str]:
    """The slugs of the sites that stand."""
    with reading(sessions) as session:
        return list(session.scalars(select(Site.slug).where(Site.retired_at.is_(None)).order_by(Site.slug)))


def certificate_story(sessions: Sessions, slug: str, *, now: datetime) -> CertificateStory:
    """Everything of a site, the newest certificate first and the journal in its order. Raises NotFound."""
    with reading(sessions) as session:
        site = find_site(session, slug)
        seen = site_now(session, site)
        made = session.scalars(
            select(Certificate).where(Certificate.site_id == site.id).order_by(Certificate.id.desc())
        )
        journal = session.scalars(
            select(CertificateEvent).where(CertificateEvent.site_id == site.id).order_by(CertificateEvent.id)
        )
        order = seen.order
        return CertificateStory(
            slug=slug,
            names=tuple(site.names),
            authority=site.authority,
            consumers=tuple(site.consumers),
            retired=site.retired_at is not None,
            order="" if order is None else order.state.value + (f": {order.problem}" if order.problem else ""),
            certificates=tuple(_line(row) for row in made),
            lines=tuple(
                JournalLine(at=row.at, kind=row.kind, who=row.who, why=row.why, clause=row.clause or "")
                for row in journal
            ),
            plan=plan_of(seen, now=now) if site.retired_at is None else None,
        )


def _line(row: Certificate) -> CertificateLine:
    return CertificateLine(
        fingerprint=row.fingerprint,
        state=row.state.value,
        not_before=row.not_before,
        not_after=row.not_after,
        published_at=row.published_at,
        announced_at=row.announced_at,
        swap_at=row.swap_at,
        in_service_at=row.in_service_at,
        emergency=row.emergency or "",
    )
