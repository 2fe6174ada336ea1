"""Orders at CAs: written down before the CA is asked, placed once, brought further in small pieces, taken in once.

Key and request stand in the ledger before an order is placed, and its address before anything is proven: whoever is
killed in between finds the order again, or places one that no other of these names runs beside.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import bare, facts_of, fits, new_key, request_for
from blocks.clients.ca.protocol import Authority, OrderState, Placed, Request
from blocks.errors import NotFound, OutcomeUnknown, Refused, Transient
from blocks.issued import key_purpose
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateEvent,
    CertificateState,
    Sessions,
    Site,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.sealing import Sealer
from blocks.terms.certificates import KeyKind
from tasks.notices import queue_operator_notice

LEASE = timedelta(minutes=10)
_SOON, _MOST = timedelta(seconds=5), timedelta(hours=1)
_BUSY = timedelta(seconds=2)
ATTEMPTS = 3
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


def open_order(session: Session, site_id: int) -> CaOrder | None:
    """The order of a site that has not ended: under way, or held."""
    return session.scalar(select(CaOrder).where(CaOrder.open_key == site_id))


def advance(office: Office, ca_order_id: int, *, worker: str, now: datetime) -> CaOrderState:
    """Bring an order one piece further and tell its state. What went wrong is written there, with when to try again.

    An order that another worker holds is left alone. Whatever else goes wrong leaves the lease behind: whoever comes
    after it asks first whether the order was placed. Raises nothing that a CA said; Transient where the ledger is away.
    """
    claimed = _claim(office.sessions, ca_order_id, worker=worker, now=now)
    if claimed is None:
        with reading(office.sessions) as session:
            return session.get_one(CaOrder, ca_order_id).state
    try:
        _go_on(office, claimed, now=now)
    except Transient as error:
        _later(office, claimed, error, now=now)
    except Refused as error:
        _refused(office, claimed, error.reason, str(error), now=now)
    except NotFound as error:
        _refused(office, claimed, "authority", str(error), now=now)
    _release(office.sessions, claimed.id, worker=worker)
    with reading(office.sessions) as session:
        return session.get_one(CaOrder, ca_order_id).state


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


@dataclass(frozen=True)
class _Claimed:
    """`asked` is whether the CA may have been asked already by somebody who did not come to write its answer down."""

    id: int
    worker: str
    authority: str
    request: Request
    url: str | None
    late: bool
    asked: bool


def _claim(sessions: Sessions, ca_order_id: int, *, worker: str, now: datetime) -> _Claimed | None:
    with transaction(sessions) as session:
        free = or_(CaOrder.lease_until.is_(None), CaOrder.lease_until < now, CaOrder.lease_owner == worker)
        order = session.scalar(select(CaOrder).where(CaOrder.id == ca_order_id, free).with_for_update())
        if order is None or order.state not in OPEN_STATES:
            return None
        asked = order.lease_owner is not None or order.reason == "unknown"
        order.lease_owner, order.lease_until = worker, now + LEASE
        replaced = select(Certificate.chain).where(
            Certificate.site_id == order.site_id, Certificate.fingerprint == order.replaces
        )
        request = request_of(order, session.scalar(replaced) or "" if order.replaces else "")
        return _Claimed(order.id, worker, order.authority, request, order.url, order.give_up_at < now, asked)


def _release(sessions: Sessions, ca_order_id: int, *, worker: str) -> None:
    with transaction(sessions) as session:
        order = session.get_one(CaOrder, ca_order_id)
        if order.lease_owner == worker:
            order.lease_owner = order.lease_until = None


def _open(session: Session, claimed: _Claimed, *, ours: bool = True) -> CaOrder | None:
    """The order, locked; None where it ended meanwhile or, if it must be `ours`, another worker took it over."""
    order = session.get_one(CaOrder, claimed.id, with_for_update=True, populate_existing=True)
    lost = order.state not in OPEN_STATES or (ours and order.lease_owner != claimed.worker)
    return None if lost else order


def _go_on(office: Office, claimed: _Claimed, *, now: datetime) -> None:
    late = Refused("late", "the CA did not issue in the time that was allowed for it")
    if claimed.late and claimed.url is None:
        raise late
    ca = office.ca(claimed.authority)
    url = claimed.url or _placed(office, claimed, ca, now=now)
    if url is None:
        return
    try:
        placed = ca.advance(url, claimed.request, now=now)
    except Transient:
        if claimed.late:
            raise late from None
        raise
    if placed.state is OrderState.VALID:
        _take_in(office, claimed, bare(ca.collect(url)), now=now)
    elif placed.state is OrderState.INVALID:
        _invalid(office, claimed, placed, now=now)
    elif claimed.late:
        raise late
    else:
        _waits(office, claimed, placed, now=now)


def _placed(office: Office, claimed: _Claimed, ca: Authority, *, now: datetime) -> str | None:
    """Where the order stands at its CA, placed if it is not; None where it ended here meanwhile, and so there too."""
    found = ca.find(claimed.request) if claimed.asked else None
    url = (found or ca.place(claimed.request, now=now)).url
    try:
        with transaction(office.sessions) as session:
            order = _open(session, claimed, ours=False)
            stands = order is not None and order.url in {None, url}
            if order is not None and stands:
                order.url, order.state, order.try_at = url, CaOrderState.PLACED, now
            row = session.get_one(CaOrder, claimed.id)
            kind = "placed" if stands else "placed_too_late"
            note(session, session.get_one(Site, row.site_id), kind, url, now=now, ca_order=row)
    except Transient as error:
        raise OutcomeUnknown(f"placed, and not written down: {error}") from None
    if stands:
        return url
    ca.cancel(url)
    return None


def _take_in(office: Office, claimed: _Claimed, chain: str, *, now: datetime) -> None:
    if not fits(chain, claimed.request.csr):
        raise Refused("ca", "what the CA gave is not for our key, or not for all of our names")
    said = facts_of(chain)
    with transaction(office.sessions) as session:
        order = _open(session, claimed, ours=False)
        if order is None:
            return
        site = session.get_one(Site, order.site_id)
        sealed = None
        if order.sealed_key is not None:
            key = office.sealer.open(order.sealed_key, key_purpose(order.intent))
            sealed, order.sealed_key = office.sealer.seal(key, key_purpose(said.fingerprint)), None
        replaced = select(Certificate.id).where(
            Certificate.site_id == site.id, Certificate.fingerprint == order.replaces
        )
        made = Certificate(
            site_id=site.id,
            ca_order_id=order.id,
            replaces_id=session.scalar(replaced) if order.replaces else None,
            state=CertificateState.ISSUED,
            chain=chain,
            sealed_key=sealed,
            fingerprint=said.fingerprint,
            key_hash=said.key_hash,
            serial=said.serial,
            not_before=said.not_before,
            not_after=said.not_after,
            issued_at=now,
        )
        session.add(made)
        order.state, order.open_key, order.ended_at, order.problem = CaOrderState.ISSUED, None, now, None
        session.flush()
        why = f"{said.fingerprint}, valid until {said.not_after.isoformat()}"
        note(session, site, "issued", why, now=now, certificate=made, ca_order=order)


def _invalid(office: Office, claimed: _Claimed, placed: Placed, *, now: datetime) -> None:
    with transaction(office.sessions) as session:
        if (order := _open(session, claimed)) is None:
            return
        order.reason, order.sealed_key = "fraud" if placed.fraud else "ca", None
        end(session, order, CaOrderState.REFUSED, placed.problem or "the CA gave no reason", who="the CA", now=now)


def _waits(office: Office, claimed: _Claimed, placed: Placed, *, now: datetime) -> None:
    with transaction(office.sessions) as session:
        if (order := _open(session, claimed)) is None:
            return
        waited = now - order.created_at
        order.try_at = now + min(max(_BUSY, waited / 4), _MOST)
        if placed.wanted and placed.wanted != order.problem:
            order.problem, order.reason = placed.wanted, "wanted"
            note(session, session.get_one(Site, order.site_id), "wanted", placed.wanted, now=now, ca_order=order)


def _later(office: Office, claimed: _Claimed, error: Transient, *, now: datetime) -> None:
    with transaction(office.sessions) as session:
        if (order := _open(session, claimed)) is None:
            return
        waited = now - order.created_at
        order.try_at = now + (error.retry_after or min(max(_SOON, waited / 4), _MOST))
        unknown = isinstance(error, OutcomeUnknown) or (claimed.asked and order.url is None)
        order.reason = "unknown" if unknown else "later"
        if order.problem != str(error):
            order.problem = str(error)
            note(session, session.get_one(Site, order.site_id), "later", str(error), now=now, ca_order=order)


def _refused(office: Office, claimed: _Claimed, reason: str, why: str, *, now: datetime) -> None:
    """Another try by itself where that may help, a person otherwise."""
    with transaction(office.sessions) as session:
        if (order := _open(session, claimed)) is None:
            return
        order.reason, order.attempts = reason, order.attempts + 1
        if reason in AGAIN and order.attempts < ATTEMPTS and order.give_up_at > now:
            again(session, office.sealer, order, why=why, who="dogovor", now=now)
            return
        order.state, order.problem = CaOrderState.HELD, why
        site = session.get_one(Site, order.site_id)
        note(session, site, "held", f"{reason}: {why}", now=now, ca_order=order)
        facts = {"site": site.slug, "names": ", ".join(site.names), "authority": order.authority, "reason": why}
        queue_operator_notice(
            session,
            kind="ca_order_held",
            key=f"ca_order_held:{order.id}:{now.isoformat()}",
            operator=office.settings.operator_email,
            facts=facts,
            now=now,
        )
