"""Orders at CAs that nobody wants any more because their site was retired: they end there too, each told once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import CaOrder, CertificateEvent, Site, reading, transaction
from blocks.office import Office
from tasks.ca_orders import note
from tasks.notices import queue_operator_notice
from tasks.sites import LEFT_AT_CA

_ENDED = "ended_at_ca"


def cancel_leftovers(office: Office, *, now: datetime) -> list[str]:
    """End at their CAs the orders of retired sites; the slugs of those that were. One whose CA is away waits.

    Where the CA refuses, the operator is told: what is ordered there may have to be paid.
    """
    over = select(CertificateEvent.ca_order_id).where(
        CertificateEvent.kind == _ENDED, CertificateEvent.ca_order_id.is_not(None)
    )
    query = (
        select(CaOrder, Site)
        .join(Site, Site.id == CaOrder.site_id)
        .join(CertificateEvent, CertificateEvent.ca_order_id == CaOrder.id)
        .where(CertificateEvent.kind == LEFT_AT_CA, CaOrder.id.not_in(over))
    )
    with reading(office.sessions) as session:
        left = [(order, site) for order, site in session.execute(query.order_by(CaOrder.id)).all()]
    return [site.slug for order, site in left if _ended(office, order, site, now=now)]


def _ended(office: Office, order: CaOrder, site: Site, *, now: datetime) -> bool:
    refused = ""
    try:
        office.ca(order.authority).cancel(str(order.url))
    except Transient:
        return False
    except (Refused, NotFound) as error:
        refused = str(error)
    with transaction(office.sessions) as session:
        why = refused or "its site is retired"
        note(session, session.get_one(Site, site.id), _ENDED, why, now=now, ca_order=order)
        if refused:
            queue_operator_notice(
                session,
                kind="ca_order_held",
                key=f"ca_order_left:{order.id}",
                operator=office.settings.operator_email,
                facts={
                    "site": site.slug,
                    "names": ", ".join(order.names),
                    "authority": order.authority,
                    "reason": f"the site is retired and the CA does not end its order: {refused}",
                },
                now=now,
            )
    return not refused
