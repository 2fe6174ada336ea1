"""What anybody may see of certificates: those in service, those that come, and those of the last 90 days (KS-3.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import facts_of
from blocks.errors import NotFound
from blocks.ledger import Certificate, CertificateState, Site, reading
from blocks.office import Office
from blocks.terms.certificate_views import CertificateShown, SiteIndex, SiteLine, SitePage
from tasks.certificate_places import Place, places
from tasks.sites import coming

SHOWN_FOR = timedelta(days=90)
"""For so long a certificate that is over stays on its page."""
_ORDER = ("coming", "current", "former", "revoked")
_ENDED = (CertificateState.RETIRED, CertificateState.REVOKED)


def page_path(slug: str) -> str:
    """The path of a site's page."""
    return f"/certificates/{slug}"


def pem_path(slug: str, fingerprint: str) -> str:
    """The path of a certificate's chain, which never changes."""
    return f"{page_path(slug)}/{fingerprint}.pem"


def site_index(office: Office, *, now: datetime) -> SiteIndex:
    """The sites of our own hosts. Customers' are found by whoever knows their names, and not listed."""
    with reading(office.sessions) as session:
        ours = select(Site).where(Site.customer_id.is_(None), Site.order_id.is_(None), Site.retired_at.is_(None))
        sites = session.scalars(ours.where(Site.agreement != "SSL").order_by(Site.slug)).all()
        lines = tuple(_line(session, site) for site in sites)
    return SiteIndex(as_of=now, provider=office.settings.provider_name, sites=lines)


def site_page(office: Office, slug: str, *, now: datetime) -> SitePage:
    """A site's page. Raises NotFound for a site that is unknown, or has had nothing to show for 90 days.

    What was sold to a customer for servers of its own has no page: to publish it is the customer's affair.
    """
    with reading(office.sessions) as session:
        site = session.scalar(select(Site).where(Site.slug == slug, Site.agreement != "SSL"))
        if site is None:
            raise NotFound("site", slug)
        shown = session.scalars(_shown(now).where(Certificate.site_id == site.id).order_by(Certificate.id.desc())).all()
        if site.retired_at is not None and not shown:
            raise NotFound("site", slug)
        where = places(office, session, site)
        lines = [shown_of(site, row, where) for row in shown]
    lines.sort(key=lambda line: (_ORDER.index(line.state), _swaps(line)))
    return SitePage(
        as_of=now,
        provider=office.settings.provider_name,
        slug=site.slug,
        names=tuple(site.names),
        certificates=tuple(lines),
    )


def chain_of(office: Office, slug: str, fingerprint: str, *, now: datetime) -> str:
    """The chain of a certificate that is on a page, as PEM. Raises NotFound for any other."""
    with reading(office.sessions) as session:
        query = _shown(now).join(Site, Site.id == Certificate.site_id).where(Site.slug == slug, Site.agreement != "SSL")
        found = session.scalar(query.where(Certificate.fingerprint == fingerprint))
        if found is None:
            raise NotFound("certificate", f"{slug} {fingerprint}")
        return found.chain


def shown_of(site: Site, row: Certificate, where: Sequence[Place]) -> CertificateShown:
    """What is said of one certificate in public."""
    said = facts_of(row.chain)
    over = row.state in _ENDED
    return CertificateShown(
        state=_state(row),
        fingerprint=row.fingerprint,
        key_hash=row.key_hash,
        serial=row.serial,
        issuer=said.issuer,
        names=said.names,
        not_before=row.not_before,
        not_after=row.not_after,
        swap_at=row.swap_at,
        swap_until=row.swap_until,
        in_service_at=row.in_service_at,
        ended_at=(row.revoked_at or row.retired_at) if over else None,
        tlsa=tuple(_text(place, row.key_hash) for place in where) if not over else (),
        pem=pem_path(site.slug, row.fingerprint),
    )


def _state(row: Certificate) -> Literal["current", "coming", "former", "revoked"]:
    if row.state is CertificateState.REVOKED:
        return "revoked"
    if row.state is CertificateState.RETIRED:
        return "former"
    return "current" if row.state is CertificateState.IN_SERVICE else "coming"


def _swaps(line: CertificateShown) -> float:
    """Of those that come the next one is first, one without a window last; others stay as they are."""
    return line.swap_at.timestamp() if line.state == "coming" and line.swap_at is not None else inf


def _shown(now: datetime) -> Select[tuple[Certificate]]:
    since = now - SHOWN_FOR
    living = Certificate.state.not_in(_ENDED)
    return select(Certificate).where(or_(living, Certificate.retired_at > since, Certificate.revoked_at > since))


def _text(place: Place, key_hash: str) -> str:
    record = place.record(key_hash)
    return f"{record.name}. IN {record.kind} {record.value}"


def _line(session: Session, site: Site) -> SiteLine:
    of_site = select(Certificate).where(Certificate.site_id == site.id).order_by(Certificate.id.desc())
    current = session.scalars(of_site.where(Certificate.state == CertificateState.IN_SERVICE)).first()
    following = coming(session, site)
    return SiteLine(
        slug=site.slug,
        names=tuple(site.names),
        not_after=current.not_after if current is not None else None,
        swap_at=following[0].swap_at if following else None,
    )
