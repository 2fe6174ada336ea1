"""Asking for money: an online payment for people, an invoice for companies (QS-4.2.3; the same for KS).

A certificate is invoiced to anybody who does not pay it from the personal account (SSL-7.3).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select

from blocks.clients.yookassa import KEY_LIFETIME
from blocks.ledger import Customer, OrderState, Payment, PaymentState, reading, transaction
from blocks.office import Office
from blocks.terms import ks
from blocks.terms.deadlines import local_date
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS
from blocks.terms.views import Invoice
from tasks.accounts import price_of_order, received
from tasks.documents import PDF, file_document
from tasks.notices import queue_notice
from tasks.order_state import find_order, hold, transition
from tasks.ssl_account import account_number

_WAY = {"KS": None, "QS": "QS-4.2.3", "SSL": "SSL-7.3"}
_SAFE_KEY_AGE = KEY_LIFETIME - timedelta(hours=1)


def request_payment(office: Office, number: str, *, now: datetime) -> None:
    """Make one online payment of the whole price, and send its link. The intent is on record before the call.

    An intent older than the provider remembers its key is not repeated: the order is held for a person.
    Raises Transient when the provider does not answer.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.ACKNOWLEDGED or received(session, order).minor > 0:
            return
        price = price_of_order(order)
        open_states = (PaymentState.INTENDED, PaymentState.PENDING)
        intent = session.scalar(
            select(Payment).where(
                Payment.order_id == order.id, Payment.provider == "yookassa", Payment.state.in_(open_states)
            )
        )
        if intent is not None and intent.state is PaymentState.PENDING:
            intent.state, intent = PaymentState.CANCELED, None  # asked for again: a fresh link
        if intent is None:
            intent = Payment(
                provider="yookassa",
                order_id=order.id,
                order_ref=order.number,
                amount_minor=price.minor,
                currency=price.currency,
                state=PaymentState.INTENDED,
                idempotence_key=str(uuid.uuid4()),
                created_at=now,
            )
            session.add(intent)
        elif now - intent.created_at > _SAFE_KEY_AGE:
            why = "the payment provider no longer remembers our first attempt: look for it in its cabinet"
            hold(session, order, reason="payment_unknown", why=why, now=now, operator=office.settings.operator_email)
            return
        session.flush()
        intent_id, key = intent.id, str(intent.idempotence_key)
    made = office.payments.create_payment(
        key=key,
        amount=price,
        description=f"Заказ {number}",
        return_url=office.settings.link("/thanks"),
        metadata={"order": number},
    )
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        intent = session.get_one(Payment, intent_id)
        if order.state is not OrderState.ACKNOWLEDGED:
            return
        if intent.state is PaymentState.INTENDED:
            intent.provider_id, intent.confirmation_url = made.id, made.confirmation_url
            intent.state = PaymentState.PENDING
        customer = session.get_one(Customer, order.customer_id)
        transition(
            session, order, OrderState.PENDING, why=f"asked for {price} online", now=now, clause=_WAY[order.agreement]
        )
        queue_notice(
            session,
            order,
            kind="payment_requested",
            recipient=customer.email,
            facts={
                "name": customer.name,
                "price": str(price),
                "url": intent.confirmation_url,
                "pay_by": order.pay_by.isoformat(),
            },
            now=now,
            about=str(intent_id),
        )


def invoice_view(office: Office, number: str) -> Invoice:
    """The invoice of an order: the moment of the order is its date, so it renders the same again."""
    with reading(office.sessions) as session:
        order = find_order(session, number)
        customer = session.get_one(Customer, order.customer_id)
        total = price_of_order(order)
        return Invoice(
            number=order.number,
            issued_at=order.ordered_at,
            pay_by=order.pay_by,
            provider=office.settings.provider_name,
            requisites=office.settings.provider_requisites,
            customer=customer.name,
            inn=customer.inn or "",
            lines=_lines(order.item, order.agreement, order.ordered_at, total),
            total=total,
            account=account_number(customer.id) if order.agreement == "SSL" else "",
        )


def _lines(
    item: dict[str, object], agreement: str, ordered_at: datetime, total: Money
) -> tuple[tuple[str, Money], ...]:
    if agreement == "KS":
        package = ks.package_on(int(str(item["contacts"])), local_date(ordered_at, ks.ZONE))
        return (
            (f"Подключение комплекса связи, пакет на {package.contacts} контактов", package.connection),
            ("Годовое обслуживание комплекса связи", package.yearly),
        )
    if agreement == "SSL":
        title = PRODUCTS[str(item["product"])].title
        return ((f"Оформление SSL-сертификата {title} для {item['domain']}, 1 год", total),)
    return ((f"Доступ к сервису обмена данными, тариф «{item['tariff']}», {item['months']} мес.", total),)


def issue_invoice(office: Office, number: str, pdf: bytes, *, now: datetime) -> None:
    """Archive the invoice, send it, and wait for the bank."""
    sha256 = office.archive.put(pdf)
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.ACKNOWLEDGED:
            return
        customer = session.get_one(Customer, order.customer_id)
        key = file_document(
            session,
            order,
            key=f"invoice:{number}",
            title="Счёт на оплату",
            file_name=f"invoice-{number}.pdf",
            media_type=PDF,
            sha256=sha256,
            size=len(pdf),
            now=now,
        )
        price = price_of_order(order)
        transition(session, order, OrderState.PENDING, why=f"invoiced {price}", now=now, clause=_WAY[order.agreement])
        queue_notice(
            session,
            order,
            kind="invoice_issued",
            recipient=customer.email,
            facts={
                "name": customer.name,
                "price": str(price),
                "pay_by": order.pay_by.isoformat(),
                "account": account_number(customer.id) if order.agreement == "SSL" else "",
            },
            now=now,
            about=now.isoformat(),
            documents=[key],
        )
