"""Orders at CAs that nobody wants any more: they ended here, and are ended there too."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from blocks.errors import DogovorError, Refused, Transient
from blocks.ledger import CaOrder, CertificateEvent, Site, reading, transaction
from blocks.office import Office
from tasks.ca_orders import LEFT_AT_CA, note
from tasks.notices import queue_operator_notice

_ENDED, _NOT_ENDED = "ended_at_ca", "not_ended_at_ca"


def cancel_leftovers(office: Office, *, now: datetime) -> list[str]:
    """End at their CAs the orders that were left there; the slugs of those that were.

    One whose CA is away, or is not in the settings, is tried again with the next call; of the latter and of one that
    its CA does not end the operator hears once: what is ordered there may have to be paid.
    """
    away: set[str] = set()
    ended = []
    for order, site in _left(office):
        if order.authority in away or _needed(office, order):
            continue
        try:
            ca = office.ca(order.authority)
        except DogovorError as error:
            _tell(office, order, site, "no_ca", str(error), now=now)
            continue
        try:
            ca.cancel(str(order.url))
        except Transient:
            away.add(order.authority)
            continue
        except Refused as error:
            _tell(office, order, site, _NOT_ENDED, str(error), now=now)
            _note(office, order, _NOT_ENDED, str(error), now=now)
            continue
        _note(office, order, _ENDED, "nobody wants it any more", now=now)
        ended.append(site.slug)
    return ended


def _left(office: Office) -> list[tuple[CaOrder, Site]]:
    over = select(CertificateEvent.ca_order_id).where(
        CertificateEvent.kind.in_((_ENDED, _NOT_ENDED)), CertificateEvent.ca_order_id.is_not(None)
    )
    query = (
        select(CaOrder, Site)
        .join(Site, Site.id == CaOrder.site_id)
        .join(CertificateEvent, CertificateEvent.ca_order_id == CaOrder.id)
        .where(CertificateEvent.kind == LEFT_AT_CA, CaOrder.id.not_in(over))
    )
    with reading(office.sessions) as session:
        return [(order, site) for order, site in session.execute(query.order_by(CaOrder.id)).all()]


def _needed(office: Office, order: CaOrder) -> bool:
    """Whether an order that has not ended shares its address or a name: CAs may share orders and proofs of names."""
    query = select(CaOrder).where(CaOrder.open_key.is_not(None), CaOrder.authority == order.authority)
    with reading(office.sessions) as session:
        others = session.scalars(query).all()
    return any(each.url == order.url or set(each.names) & set(order.names) for each in others)


def _note(office: Office, order: CaOrder, kind: str, why: str, *, now: datetime) -> None:
    with transaction(office.sessions) as session:
        note(session, session.get_one(Site, order.site_id), kind, why, now=now, ca_order=order)


def _tell(office: Office, order: CaOrder, site: Site, kind: str, why: str, *, now: datetime) -> None:
    facts = {"site": site.slug, "names": ", ".join(order.names), "authority": order.authority}
    with transaction(office.sessions) as session:
        queue_operator_notice(
            session,
            kind="ca_order_left",
            key=f"ca_order_left:{order.id}:{kind}",
            operator=office.settings.operator_email,
            facts={**facts, "url": str(order.url), "reason": why},
            now=now,
        )
