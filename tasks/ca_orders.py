"""Orders at CAs: written down before a CA is asked, one open at a site, tried again where that may help, ended.

Key and request stand in the ledger before an order is placed, and its address before anything is proven: whoever is
killed in between finds the order again, or places one that no other of these names runs beside.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import new_key, request_for
from blocks.clients.ca.protocol import Request
from blocks.issued import key_purpose
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateEvent,
    Sessions,
    Site,
    one_at_a_time,
    reading,
)
from blocks.sealing import Sealer
from blocks.terms.certificates import KeyKind

_SOON = timedelta(seconds=5)
ATTEMPTS = 3
UNANSWERED = ("later", "unknown")
"""The reasons of an open order whose last try came to no answer."""
LEFT_AT_CA = "left_at_ca"
"""What happened to an order that is over here and has yet to be ended at its CA."""
OPEN_STATES = (CaOrderState.INTENDED, CaOrderState.PLACED)
AGAIN: Mapping[str, timedelta] = {
    "challenge": timedelta(hours=1),
    "dns": timedelta(minutes=15),
    "caa": timedelta(hours=6),
    "order_expired": timedelta(0),
    "gone": timedelta(0),
}
"""After which refusals it is tried again by itself, and when; every other one waits for a person at once."""
_OVER_AT_CA = frozenset({"challenge", "caa", "order_expired", "gone"})
"""After these an order that was placed comes to nothing more; after any other refusal it still stands at the CA."""
_SPENT = _OVER_AT_CA | {"ca", "csr", "certificate", "unsupported"}
"""Refusals after which the order at the CA is of no use, or there is none: trying again is ordering anew."""
ALLOWED = timedelta(days=2)
"""How long a CA may take before a person is asked; the least time that a person's retry has."""


@dataclass(frozen=True)
class Wanted:
    """A certificate to be ordered. `csr` is given where the customer keeps the key; `facts` hold no secret."""

    purpose: str
    give_up_at: datetime
    csr: str = ""
    product: str = ""
    facts: Mapping[str, str] | None = None
    replaces: str | None = None


def open_site(
    session: Session,
    *,
    slug: str,
    agreement: str,
    names: Sequence[str],
    authority: str,
    consumers: Sequence[str],
    now: datetime,
    key_kind: KeyKind = KeyKind.EC_P256,
    customer_id: int | None = None,
    order_id: int | None = None,
) -> Site:
    """The site of that slug, opened or brought to what is said of it now; one that was retired rotates again."""
    one_at_a_time(session, f"site {slug}")
    site = session.scalar(select(Site).where(Site.slug == slug))
    if site is None:
        site = Site(slug=slug, created_at=now)
        session.add(site)
    site.agreement, site.names, site.authority = agreement, list(names), authority
    site.consumers, site.key_kind, site.retired_at = list(consumers), key_kind.value, None
    site.customer_id, site.order_id = customer_id, order_id
    session.flush()
    return site


def order_certificate(session: Session, sealer: Sealer, site: Site, wanted: Wanted, *, now: datetime) -> CaOrder:
    """Write an order down, with a new key where the customer brings none; the site's open one where there is one."""
    one_at_a_time(session, f"site {site.slug}")
    if (found := open_order(session, site.id)) is not None:
        return found
    order = _written(sealer, site, wanted, attempts=0, try_at=now, now=now)
    session.add(order)
    session.flush()
    note(session, site, "ordered", f"{wanted.purpose}: {', '.join(site.names)}", now=now, ca_order=order)
    return order


def open_order(session: Session, site_id: int, *, locked: bool = False) -> CaOrder | None:
    """The order of a site that has not ended: under way, or held; `locked` until the transaction ends."""
    query = select(CaOrder).where(CaOrder.open_key == site_id)
    return session.scalar(query.with_for_update() if locked else query)


def due_orders(sessions: Sessions, *, now: datetime) -> list[int]:
    """The open orders whose time has come, the longest waiting first."""
    with reading(sessions) as session:
        query = select(CaOrder.id).where(CaOrder.state.in_(OPEN_STATES), CaOrder.try_at <= now)
        return list(session.scalars(query.order_by(CaOrder.try_at, CaOrder.id)))


def again(session: Session, sealer: Sealer, order: CaOrder, *, why: str, who: str, now: datetime) -> CaOrder:
    """Have an order go on that came to a halt, a person's retry or our own; another one where it is spent.

    The same one goes on as long as its CA may know it and it is what its site wants: none is paid or proven twice. A
    person's retry begins anew, with all attempts and as much time as the first had.
    """
    site = session.get_one(Site, order.site_id)
    attempts, give_up_at, try_at = order.attempts, order.give_up_at, now + AGAIN.get(order.reason or "", _SOON)
    if who != "dogovor":
        attempts, give_up_at, try_at = 0, _time_anew(order, now), now
    if not _spent(order, site):
        order.state = CaOrderState.PLACED if order.url else CaOrderState.INTENDED
        order.attempts, order.give_up_at, order.problem = attempts, give_up_at, why
        order.try_at = try_at
        order.reason = "later" if order.url else "unknown"
        note(session, site, "tried_again", why, who=who, now=now, ca_order=order)
        return order
    end(session, order, CaOrderState.CANCELLED, why, who=who, now=now)
    session.flush()
    wanted = Wanted(
        purpose=order.purpose,
        give_up_at=give_up_at,
        csr="" if order.sealed_key else order.csr,
        product=order.product,
        facts=order.facts,
        replaces=order.replaces,
    )
    made = _written(sealer, site, wanted, attempts=attempts, try_at=try_at, now=now)
    order.sealed_key = None
    session.add(made)
    session.flush()
    return made


def _time_anew(order: CaOrder, now: datetime) -> datetime:
    return now + max(order.give_up_at - order.created_at, ALLOWED)


def _spent(order: CaOrder, site: Site) -> bool:
    """Whether only another order can bring a certificate. One for a customer's own request was paid for: it goes on."""
    if order.url is not None and order.sealed_key is None:
        return order.reason in _OVER_AT_CA
    return order.reason in _SPENT or (order.authority, order.names) != (site.authority, site.names)


def end(session: Session, order: CaOrder, state: CaOrderState, why: str, *, who: str, now: datetime) -> None:
    """An order is over: refused by the CA, or given up. Its site may order again."""
    order.state, order.open_key, order.ended_at, order.problem = state, None, now, why
    note(session, session.get_one(Site, order.site_id), f"order_{state}", why, who=who, now=now, ca_order=order)


def leave(session: Session, order: CaOrder, why: str, *, now: datetime, who: str = "dogovor") -> None:
    """Nobody wants an order any more: it ends here, and later at its CA too where it was placed."""
    end(session, order, CaOrderState.CANCELLED, why, who=who, now=now)
    order.sealed_key = None
    if order.url is not None:
        site = session.get_one(Site, order.site_id)
        note(session, site, LEFT_AT_CA, why, who=who, now=now, ca_order=order)


def note(
    session: Session,
    site: Site,
    kind: str,
    why: str,
    *,
    now: datetime,
    who: str = "dogovor",
    clause: str | None = None,
    certificate: Certificate | None = None,
    ca_order: CaOrder | None = None,
) -> None:
    """Write down what happened to a site's certificates."""
    event = CertificateEvent(site_id=site.id, at=now, kind=kind, who=who, why=why, clause=clause)
    event.certificate_id = certificate.id if certificate is not None else None
    event.ca_order_id = ca_order.id if ca_order is not None else None
    session.add(event)


def request_of(order: CaOrder, replaces: str) -> Request:
    """What the CA is asked, from what was written down; `replaces` is the PEM of the certificate that it succeeds."""
    return Request(
        intent=order.intent,
        names=tuple(order.names),
        csr=order.csr,
        product=order.product,
        replaces=replaces,
        facts=order.facts,
    )


def _written(sealer: Sealer, site: Site, wanted: Wanted, *, attempts: int, try_at: datetime, now: datetime) -> CaOrder:
    intent = secrets.token_hex(16)
    key = "" if wanted.csr else new_key(KeyKind(site.key_kind))
    return CaOrder(
        site_id=site.id,
        open_key=site.id,
        intent=intent,
        authority=site.authority,
        purpose=wanted.purpose,
        product=wanted.product,
        names=site.names,
        csr=wanted.csr or request_for(site.names, key),
        sealed_key=sealer.seal(key.encode(), key_purpose(intent)) if key else None,
        facts=dict(wanted.facts or {}),
        replaces=wanted.replaces,
        state=CaOrderState.INTENDED,
        attempts=attempts,
        try_at=try_at,
        give_up_at=wanted.give_up_at,
        created_at=now,
    )
