"""Open orders at CAs followed for a while: piece after piece, as their next tries fall due."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import select

from blocks.ledger import CaOrder, CaOrderState, reading
from blocks.office import Office
from tasks.ca_advance import advance
from tasks.ca_orders import OPEN_STATES, open_order

_LEAST = timedelta(seconds=1)


def follow(office: Office, site_id: int, *, worker: str, now: datetime, patience: timedelta) -> CaOrderState | None:
    """Advance the open order of a site, and what follows it, while the next try is within `patience`.

    The answer is how the site's newest order stands then, None where it has none. `worker` names one process alone.
    """
    began = time.monotonic()
    while (order := _open(office, site_id)) is not None:
        at = now + timedelta(seconds=time.monotonic() - began)
        if order.try_at <= at:
            if advance(office, order.id, worker=worker, now=at) not in OPEN_STATES:
                continue
            order = _open(office, site_id) or order
        pause = max(order.try_at - at, _LEAST)
        if at + pause > now + patience:
            return order.state
        time.sleep(pause.total_seconds())
    with reading(office.sessions) as session:
        newest = select(CaOrder.state).where(CaOrder.site_id == site_id).order_by(CaOrder.id.desc()).limit(1)
        return session.scalar(newest)


def _open(office: Office, site_id: int) -> CaOrder | None:
    with reading(office.sessions) as session:
        order = open_order(session, site_id)
        return order if order is not None and order.state in OPEN_STATES else None
