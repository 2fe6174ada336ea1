"""The complex that serves an order."""

from __future__ import annotations

from sqlalchemy import select

from blocks.clients.comms.protocol import Complex
from blocks.ledger import Service, reading
from blocks.office import Office
from tasks.order_state import find_order


def complex_of(office: Office, number: str) -> Complex:
    """The complex of an order whose service is reserved. Raises Refused where a person must provide one first."""
    with reading(office.sessions) as session:
        order = find_order(session, number)
        product = session.scalars(select(Service.product).where(Service.order_id == order.id)).one()
    return office.complexes.serving(number, dedicated=bool(product["dedicated"]), place=str(product["place"]))
