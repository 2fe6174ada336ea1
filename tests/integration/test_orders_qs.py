"""QSockets orders: registration, free and paid projects, periods, disputes, on both databases."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from blocks.ledger import Customer, Service, reading
from blocks.office import Office
from blocks.sealing import token_hash
from tasks.reveal import reveal
from tasks.upkeep import keep_up
from tests.conftest import PaymentSandbox
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    balance_minor,
    decide,
    drain,
    kinds,
    open_obligations,
    ordered,
    page_token,
    payment_of,
    put_payment,
    put_receipt,
    qs,
    service_of,
    state,
    story,
)


def pay(office: Office, sandbox: PaymentSandbox, number: str, at: object = NOW + MINUTE) -> str:
    """Pay an order online and drain."""
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return payment


@pytest.mark.clause("QS-3.2.2", "QS-4.2.1", "QS-4.2.2", "QS-3.2.1")
def test_qs_3_2_2_token_and_url_appear_when_the_payment_is_recorded(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "Q-1", qs("start", 3))
    assert state(office, number) == "pending"
    with reading(office.sessions) as session:
        assert session.scalars(select(Service)).all() == []
    pay(office, sandbox, number)
    assert state(office, number) == "completed"
    service = service_of(office, number)
    assert service.url == "wss://ws.example.net"
    assert service.paid_until is not None
    assert service.paid_until.isoformat() == "2027-02-20T09:01:00+00:00"
    [owed] = story(office, number).owed
    assert (owed.clause, owed.state, owed.due_at) == ("QS-3.2.2", "fulfilled", NOW + 6 * MINUTE)

    shown = reveal(office, page_token(office, number), now=NOW + 2 * MINUTE)
    assert shown is not None
    assert service.token_hash == token_hash(shown["token"])
    with reading(office.sessions) as session:
        customer = session.scalars(select(Customer)).one()
    assert customer.password_hash is not None
    assert PasswordHasher().verify(customer.password_hash, shown["password"])


@pytest.mark.clause("QS-4.4.2")
def test_qs_4_4_2_a_second_free_project_is_rejected_while_the_first_is_active(office: Office) -> None:
    first = ordered(office, "Q-1", qs("free", 0))
    assert state(office, first) == "completed"
    second = ordered(office, "Q-2", qs("free", 0))
    assert state(office, second) == "rejected"
    assert kinds(office, second) == ["order_received", "order_rejected"]
    assert "suspended" in decide(office, first, "suspend", NOW + MINUTE)
    third = ordered(office, "Q-3", qs("free", 0), at=NOW + 2 * MINUTE)
    assert state(office, third) == "completed", "a suspended project does not count"


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_a_payer_without_an_order_is_registered_by_us(office: Office, sandbox: PaymentSandbox) -> None:
    told = {"tariff": "start", "months": "1", "email": "Payer@Example.test", "name": "Пётр Примеров"}
    payment = sandbox.make("990.00", told, f"direct-{office.settings.home}")
    sandbox.pay(payment)
    put_payment(office, payment)
    drain(office, NOW)
    with reading(office.sessions) as session:
        customer = session.scalars(select(Customer)).one()
        service = session.scalars(select(Service)).one()
    assert (customer.email, customer.password_hash is not None) == ("payer@example.test", True)
    assert service.state.value == "active"
    assert balance_minor(office) == 0
    assert open_obligations(office) == []


@pytest.mark.clause("QS-4.2.3")
def test_qs_4_2_3_a_company_gets_an_invoice_and_its_project_when_the_money_arrives(office: Office) -> None:
    number = ordered(office, "Q-1", qs("business", 12), COMPANY)
    assert kinds(office, number) == ["order_received", "invoice_issued"]
    put_receipt(office, number, "49900.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, number) == "completed"
    paid_until = service_of(office, number).paid_until
    assert paid_until is not None
    assert paid_until.isoformat() == "2027-11-21T09:00:00+00:00"


@pytest.mark.clause("QS-4.2.1")
def test_qs_4_2_1_a_disputed_payment_suspends_the_project_until_a_person_resumes_it(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = ordered(office, "Q-1", qs("start", 1))
    payment = pay(office, sandbox, number)
    sandbox.cancel(payment)
    put_payment(office, payment, "payment.canceled", NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, number) == "held:payment_disputed"
    assert service_of(office, number).state.value == "suspended"
    assert balance_minor(office) == -99000, "the price is owed again"
    assert "service_suspended" in kinds(office, number)
    assert "resumed" in decide(office, number, "resume", NOW + 2 * DAY, "the bank returned the money")
    assert state(office, number) == "completed"
    assert service_of(office, number).state.value == "active"


@pytest.mark.clause("QS-4.3.1")
def test_qs_4_3_1_access_ends_with_the_paid_period_and_a_new_payment_brings_it_back(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = ordered(office, "Q-1", qs("start", 1))
    pay(office, sandbox, number)
    before = service_of(office, number)
    assert before.paid_until is not None
    assert keep_up(office, now=before.paid_until).suspended == 0, "the last paid instant is paid"
    assert keep_up(office, now=before.paid_until + MINUTE).suspended == 1
    assert service_of(office, number).state.value == "suspended"
    assert kinds(office, number)[-1] == "service_suspended"

    back = before.paid_until + 5 * DAY
    renewal = ordered(office, "Q-2", qs("start", 3, renews=before.name), at=back)
    payment = payment_of(office, renewal)
    sandbox.pay(payment)
    put_payment(office, payment, at=back)
    drain(office, back)
    after = service_of(office, number)
    assert (after.state.value, after.token_hash) == ("active", before.token_hash)
    assert after.paid_until is not None
    assert after.paid_until.isoformat() == "2027-03-25T09:01:00+00:00"
    assert state(office, renewal) == "completed"


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_a_running_period_is_prolonged_from_its_end(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "Q-1", qs("start", 1))
    pay(office, sandbox, number)
    service = service_of(office, number)
    renewal = ordered(office, "Q-2", qs("start", 1, renews=service.name), at=NOW + DAY)
    payment = payment_of(office, renewal)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + DAY)
    drain(office, NOW + DAY)
    paid_until = service_of(office, number).paid_until
    assert paid_until is not None
    assert paid_until.isoformat() == "2027-01-20T09:01:00+00:00"


@pytest.mark.clause("QS-3.3.1")
def test_qs_3_3_1_another_customers_project_cannot_be_renewed(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "Q-1", qs("start", 1))
    pay(office, sandbox, number)
    name = service_of(office, number).name
    stranger = {"kind": "person", "name": "Чужой", "email": "other@example.test"}
    assert state(office, ordered(office, "Q-2", qs("start", 1, renews=name), stranger)) == "held:unknown_product"


def test_a_paid_tariff_without_a_period_has_no_price(office: Office) -> None:
    assert state(office, ordered(office, "Q-1", qs("start", 0))) == "held:unknown_product"
    assert state(office, ordered(office, "Q-2", qs("golden", 1))) == "held:unknown_product"
