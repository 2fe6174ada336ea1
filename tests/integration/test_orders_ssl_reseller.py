"""A certificate's order with its reseller's client and the reseller's stand-in: from the application to the chain."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import select

from blocks.clients.ca.pem import fits
from blocks.ledger import Certificate, reading
from blocks.office import Office
from tasks.order_forms import EventKind
from tasks.ssl_account import on_account
from tasks.ssl_orders import follow
from tests.certificates_ordered import CSR, FIRM, certificate
from tests.reseller import Reseller, reseller
from tests.work import DAY, NOW, drain, kinds, ordered, put, put_receipt, state

PAID_AT = NOW + DAY


def begun(office: Office, found: Reseller, product: str, price: str) -> str:
    """An order, paid and placed at the stand-in."""
    office._authorities["local"] = found.client()  # noqa: SLF001 - the place where opened CAs stand
    number = ordered(office, "C-1", certificate(product=product), FIRM)
    put_receipt(office, number, price, "B-1", PAID_AT, currency="BYN")
    drain(office, PAID_AT)
    return number


@pytest.mark.parametrize(("product", "price"), [("positivessl", "45.00"), ("org-serversign", "400.00")])
@pytest.mark.clause("SSL-4.6", "SSL-7.5")
def test_ssl_7_5_a_customer_proves_its_own_zone_and_gets_the_chain(
    sqlite_office: Office, tmp_path: Path, product: str, price: str
) -> None:
    office = sqlite_office
    with reseller(tmp_path) as found:
        number = begun(office, found, product, price)
        assert kinds(office, number)[-1] == "certificate_wanted"
        [order] = found.sandbox.orders.values()
        found.zones.shown |= {order.proof(name) for name in order.names}
        follow(office, now=PAID_AT + DAY)
        drain(office, PAID_AT + DAY)
        assert state(office, number) == "completed"
        with reading(office.sessions) as session:
            assert fits(session.scalars(select(Certificate)).one().chain, CSR)


@pytest.mark.parametrize(("outcome", "back"), [("refuse", "45.00 BYN"), ("fraud", "0.00 BYN")])
@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_what_the_reseller_refuses_returns_to_the_account_unless_for_fraud(
    sqlite_office: Office, tmp_path: Path, outcome: Literal["refuse", "fraud"], back: str
) -> None:
    office = sqlite_office
    with reseller(tmp_path) as found:
        found.sandbox.next_outcome = outcome
        number = begun(office, found, "positivessl", "45.00")
        [order] = found.sandbox.orders.values()
        found.zones.shown |= {order.proof(name) for name in order.names}
        follow(office, now=PAID_AT + DAY)
        drain(office, PAID_AT + DAY)
        assert state(office, number) == "rejected"
        assert kinds(office, number)[-1] == "certificate_refused"
        with reading(office.sessions) as session:
            assert str(on_account(session, 1, "BYN")) == back


@pytest.mark.clause("SSL-4.5")
def test_ssl_4_5_declining_cancels_the_order_at_the_reseller(sqlite_office: Office, tmp_path: Path) -> None:
    office = sqlite_office
    with reseller(tmp_path) as found:
        number = begun(office, found, "positivessl", "45.00")
        payload = {"order": number, "action": "decline", "operator": "О. Петрова", "note": "нет", "refund": False}
        put(office, EventKind.DECISION, payload, "decline", "operator", PAID_AT + DAY)
        drain(office, PAID_AT + DAY)
        assert state(office, number) == "rejected"
        assert [order.status for order in found.sandbox.orders.values()] == ["cancelled"]
