"""Which sites there are: those of the file of certificates, and the domains of customers' complexes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import Certificate, Order, Service, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificates import KeyKind
from tasks.ca_orders import open_site
from tasks.certificate_revocation import sites_to_revoke_at
from tasks.complexes import DELETED
from tasks.order_certificate import open_domain
from tasks.sites import COMING, SERVED, ended_lately, retire_site


def keep_sites(office: Office, *, now: datetime) -> list[str]:
    """Open the sites that should be there, retire those that should not; the slugs of all whose certificates rotate.

    Those whose window is open come first, and those of our own that were retired lately last: their keys leave the DNS.
    Services that were active before their certificates came from a CA get a site here. Raises Refused where the file
    of certificates cannot be read.
    """
    with transaction(office.sessions) as session:
        _of_file(office, session, now)
        if office.certificates_at.customers is not None:
            _of_services(office, session, now)
        _of_deleted(session, now)
    with reading(office.sessions) as session:
        sites = session.scalars(select(Site).order_by(Site.retired_at.is_not(None), Site.id)).all()
        owed = sites_to_revoke_at(session, now=now)
        shown = [site for site in sites if site.id in owed or (site.consumers and _concerns(session, site, now))]
        swapping = _swapping(session, now)
        return [site.slug for site in sorted(shown, key=lambda site: site.id not in swapping)]


def _concerns(session: Session, site: Site, now: datetime) -> bool:
    return site.retired_at is None or (site.order_id is None and ended_lately(session, site, now=now))


def _swapping(session: Session, now: datetime) -> frozenset[int]:
    """The sites whose coming certificate is to go into service now."""
    due = select(Certificate.site_id).where(
        Certificate.state.in_(COMING), Certificate.swap_at <= now, Certificate.swap_until > now
    )
    return frozenset(session.scalars(due))


def _of_file(office: Office, session: Session, now: datetime) -> None:
    wanted = {at.slug: at for at in office.certificates_at.site}
    standing = session.scalars(select(Site).where(Site.order_id.is_(None), Site.retired_at.is_(None))).all()
    for site in standing:
        if site.consumers and site.slug not in wanted:
            retire_site(session, site, "the file of certificates names it no longer", now=now)
    for at in wanted.values():
        open_site(
            session,
            slug=at.slug,
            agreement=at.agreement,
            names=at.names,
            authority=at.authority,
            consumers=at.consumers,
            key_kind=KeyKind(at.key),
            now=now,
        )


def _of_services(office: Office, session: Session, now: datetime) -> None:
    """A domain whose order brings its own site is left to it; so is one that stands for hosts of ours."""
    standing = select(Site.slug).where(Site.retired_at.is_(None))
    without = (
        select(Order, Service.name)
        .join(Service, Service.order_id == Order.id)
        .outerjoin(Site, Site.order_id == Order.id)
        .where(Service.agreement == "KS", Service.state.in_(SERVED), Site.id.is_(None))
        .where(Service.name.not_in(standing))
    )
    for order, domain in session.execute(without.order_by(Order.id)).all():
        open_domain(office, session, order, domain, now=now)


def _of_deleted(session: Session, now: datetime) -> None:
    gone = (
        select(Site)
        .join(Service, Service.order_id == Site.order_id)
        .where(Site.retired_at.is_(None), Service.served_state == DELETED)
    )
    for site in session.scalars(gone).all():
        retire_site(session, site, "the complex was deleted", now=now)
