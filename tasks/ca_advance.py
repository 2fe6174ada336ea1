"""One piece of an order at a CA at a time: placed once, brought further by whoever holds its lease, taken in once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import bare, facts_of, fits
from blocks.clients.ca.protocol import Authority, OrderState, Placed, Request
from blocks.errors import NotFound, OutcomeUnknown, Refused, Transient
from blocks.issued import key_purpose
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateState,
    Sessions,
    Site,
    reading,
    transaction,
)
from blocks.office import Office
from tasks.ca_orders import AGAIN, ATTEMPTS, LEFT_AT_CA, OPEN_STATES, again, end, note, request_of
from tasks.notices import queue_operator_notice

LEASE = timedelta(minutes=10)
_BUSY, _SOON, _MOST = timedelta(seconds=2), timedelta(seconds=5), timedelta(hours=1)


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
    return _released(office.sessions, claimed.id, worker=worker)


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


def _released(sessions: Sessions, ca_order_id: int, *, worker: str) -> CaOrderState:
    with transaction(sessions) as session:
        order = session.get_one(CaOrder, ca_order_id)
        if order.lease_owner == worker:
            order.lease_owner = order.lease_until = None
        return order.state


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
    """Where the order stands at its CA, placed if it is not; None where it does not go on.

    One that ended here meanwhile ends there too; one that is held meanwhile waits there.
    """
    found = ca.find(claimed.request) if claimed.asked else None
    url = (found or ca.place(claimed.request, now=now)).url
    try:
        with transaction(office.sessions) as session:
            order = _open(session, claimed, ours=False)
            row = session.get_one(CaOrder, claimed.id)
            wanted = row.open_key is not None and row.url in {None, url}
            if order is not None and wanted:
                row.state, row.try_at = CaOrderState.PLACED, now
            site = session.get_one(Site, row.site_id)
            note(session, site, "placed" if wanted else "placed_too_late", url, now=now, ca_order=row)
            if row.url is None:
                row.url = url
                if not wanted:
                    note(session, site, LEFT_AT_CA, "it ended here while it was placed", now=now, ca_order=row)
    except Transient as error:
        raise OutcomeUnknown(f"placed, and not written down: {error}") from None
    if not wanted:
        ca.cancel(url)
    return url if wanted and order is not None else None


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
        order.reason = "wanted" if placed.wanted else None
        if placed.wanted and placed.wanted != order.problem:
            order.problem = placed.wanted
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
