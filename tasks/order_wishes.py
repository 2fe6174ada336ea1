"""What an order of a complex wishes beside its package: a domain of its own (KS-4.3), other limits (KS-3.5)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.ledger import Order, Service, ServiceState, Site
from blocks.office import Office
from blocks.terms import ks
from blocks.terms.base import Decision
from blocks.terms.ks_complex import LimitFacts, limits
from blocks.terms.ks_zone import acceptable_domain


class NotGranted(NamedTuple):
    """A wish that cannot be granted, and under which clause."""

    why: str
    clause: str


def limits_of(order: Order) -> Decision:
    """The limits that an order wishes for, in bytes and seconds, and whether it gets them (KS-3.5)."""
    item = order.item
    return limits(
        LimitFacts(contacts=item["contacts"], mail_mb=item.get("mail_mb"), call_seconds=item.get("call_seconds"))
    )


def not_granted(office: Office, session: Session, order: Order) -> NotGranted | None:
    """What an order wishes for and cannot have, if anything; a project wishes for nothing."""
    if order.agreement != "KS":
        return None
    wished = limits_of(order)
    if not wished.allowed:
        return NotGranted(wished.what, wished.clause)
    why = _domain_refused(office, session, order)
    return NotGranted(why, "KS-4.3") if why else None


def _domain_refused(office: Office, session: Session, order: Order) -> str:
    domain = order.item.get("domain")
    if not domain:
        return ""
    if not ks.dedicated_resources(ks.PackageFacts(contacts=order.item["contacts"])).values["dedicated"]:
        return "a domain of the second level comes with 50 or 100 contacts"
    ours = office.settings.customer_domain
    taken = [*_taken(session, order, ours), *office.complexes.hosts, *_certified(office, session)]
    return acceptable_domain(domain, office.complexes.own_zone or ours, ours, taken)


def _taken(session: Session, order: Order, ours: str) -> list[str]:
    """The domains that other customers brought; names below our own are nobody's to wish for anyway.

    A complex that has ended keeps its domain for as long as its servers hold something of it.
    """
    others = select(Service.name).where(
        Service.agreement == "KS",
        or_(Service.state != ServiceState.TERMINATED, Service.served_state != "deleted"),
        Service.order_id != order.id,
        Service.name.not_like(f"%.{ours}"),
    )
    return list(session.scalars(others))


def _certified(office: Office, session: Session) -> list[str]:
    """The names of certificates of our own hosts, as the file names them and as people ordered them."""
    ordered = session.scalars(select(Site.names).where(Site.customer_id.is_(None), Site.retired_at.is_(None)))
    named = [at.names for at in office.certificates_at.site]
    return [name.removeprefix("*.") for names in (*ordered, *named) for name in names]


def domain_of(office: Office, session: Session, order: Order) -> str:
    """The domain of an order's complex: the customer's own, or a name below ours.

    A service that is terminated and of which the servers hold nothing lets go of its domain for the new one.
    """
    domain = order.item.get("domain") or f"k{order.id:06d}.{office.settings.customer_domain}"
    former = session.scalar(select(Service).where(Service.name == domain, Service.order_id != order.id))
    if former is not None and former.state is ServiceState.TERMINATED and former.served_state in (None, "deleted"):
        former.name = f"{domain}/{former.order_id}"
        session.flush()
    return domain
