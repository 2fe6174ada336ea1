"""The certificate of a customer's domain, obtained on the way of its order to an active service.

The names are published first, for a CA looks for its proof below them. The first certificate goes into service when it
is issued: nobody has used the domain yet, so there is nobody whom KS-3.8 would have told a month before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from blocks.errors import Refused, Waiting
from blocks.ledger import CaOrder, CaOrderState, CertificateEvent, Order, Site, Step, one_at_a_time, transaction
from blocks.office import Office
from tasks.access_data import CERTIFIED, PREPARED
from tasks.ca_following import follow
from tasks.ca_orders import ALLOWED, OPEN_STATES, Wanted, again, open_site, order_certificate
from tasks.order_state import find_order
from tasks.serving_steps import awaited, done, entered, start, waits
from tasks.sites import COMPLEX, coming, in_service, newest_order, put_first_in_service

_PATIENCE = timedelta(seconds=20)
_LEAST = timedelta(seconds=1)


def obtain_certificate(office: Office, number: str, *, now: datetime) -> None:
    """Have a certificate of the domain and of all names below it in service.

    Raises Waiting while the CA is at it, Refused("certificate") where a person must look; resumed, it is tried anew.
    """
    complex_ = awaited(office, number, CERTIFIED)
    if complex_ is None or (domain := start(office, number, CERTIFIED)) is None:
        return
    complex_.publish_names(domain)
    site_id = _ordered(office, number, domain, now=now)
    if site_id is None:
        return
    follow(office, site_id, worker=f"order {number}", now=now, patience=_PATIENCE)
    done(office, number, CERTIFIED, _taken_up(office, site_id, now=now), now)


def customers_authority(office: Office) -> str:
    """The CA of customers' domains. Raises Refused where the file of certificates names none."""
    if office.certificates_at.customers is None:
        raise Refused("certificate", "DOGOVOR_CERTIFICATES_FILE names no CA of customers' domains (customers)")
    return office.certificates_at.customers


def open_domain(office: Office, session: Session, order: Order, domain: str, *, now: datetime) -> Site:
    """The site of a customer's domain. Raises Refused where no CA is named for it, or it stands for somebody else."""
    one_at_a_time(session, f"site {domain}")
    site = session.scalar(select(Site).where(Site.slug == domain, Site.retired_at.is_(None)))
    if site is not None and site.customer_id != order.customer_id:
        raise Refused("certificate", f"the certificates of {domain} are not this customer's")
    return open_site(
        session,
        slug=domain,
        agreement=order.agreement,
        names=(domain, f"*.{domain}"),
        authority=customers_authority(office),
        consumers=(COMPLEX,),
        now=now,
        customer_id=order.customer_id,
        order_id=order.id,
    )


def _ordered(office: Office, number: str, domain: str, *, now: datetime) -> int | None:
    """The site of a domain, with an order at its CA where it shows nothing; None where the order is over."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if not waits(session, order, CERTIFIED):
            return None
        # Begun before domains got their certificates so: what its servers show is put there anew.
        session.execute(delete(Step).where(Step.order_id == order.id, Step.key == PREPARED))
        site = open_domain(office, session, order, domain, now=now)
        if in_service(session, site) or coming(session, site):
            return site.id
        last = newest_order(session, site)
        if last is not None and last.state is CaOrderState.HELD:
            if not _let_go_on(session, order, last):
                raise _held(domain, last)
            again(session, office.sealer, last, why="the order was resumed", who="operator", now=now)
        elif last is not None and last.state is CaOrderState.REFUSED and not _let_go_on(session, order, last):
            raise _held(domain, last)
        else:
            order_certificate(session, office.sealer, site, Wanted(purpose="first", give_up_at=now + ALLOWED), now=now)
        return site.id


def _let_go_on(session: Session, order: Order, last: CaOrder) -> bool:
    """Whether a person let the customer's order go on since the order at the CA came to a halt."""
    halted = select(func.max(CertificateEvent.at)).where(CertificateEvent.ca_order_id == last.id)
    since, at = entered(session, order), session.scalar(halted)
    return since is not None and at is not None and since > at


def _taken_up(office: Office, site_id: int, *, now: datetime) -> str:
    """Put what was issued into service. Raises Waiting, Refused where nothing was."""
    with transaction(office.sessions) as session:
        site = session.get_one(Site, site_id)
        found = in_service(session, site)
        if found is None and (issued := coming(session, site)):
            found = issued[0]
            put_first_in_service(session, site, found, now=now)
        if found is not None:
            return f"{found.fingerprint}, valid until {found.not_after.isoformat()}"
        last = newest_order(session, site)
        if last is None or last.state not in OPEN_STATES:
            raise _held(site.slug, last)
        pause = max(last.try_at - now, _LEAST)
        raise Waiting(f"{last.authority} has not issued yet: {last.problem or 'it is at it'}", retry_after=pause)


def _held(domain: str, last: CaOrder | None) -> Refused:
    why = f"{last.authority}: {last.problem}" if last is not None else "its order is gone"
    return Refused("certificate", f"no certificate of {domain}: {why}; mend it, then resume the order")
