"""What an order needs next: a pure decision over what the ledger says, so that any worker can go on from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import (
    CaOrderState,
    Customer,
    Notice,
    NoticeState,
    Order,
    OrderState,
    SealedSecret,
    Step,
    reading,
)
from blocks.office import Office
from blocks.terms import ks, qs
from tasks.access_data import CERTIFIED, GENERATED, PREPARED, PROVISIONED, VERIFIED
from tasks.accounts import received
from tasks.activation import ACTIVATED, EXTENDED
from tasks.complexes import diverges
from tasks.decisions import HANDED_OVER as ENVELOPE_HANDED_OVER
from tasks.order_state import find_order
from tasks.ssl_account import on_account
from tasks.ssl_steps import HANDED_OVER, ORDERED, REFUSAL_TOLD, ca_order_of, unasked


class Next(StrEnum):
    """The steps of an order. `converge_complex` is taken in any state: servers follow what was decided on a service."""

    CONVERGE_COMPLEX = "converge_complex"
    REQUEST_PAYMENT = "request_payment"
    ISSUE_INVOICE = "issue_invoice"
    HOLD_UNDERPAID = "hold_underpaid"
    BEGIN = "begin"
    GENERATE_ACCESS_DATA = GENERATED
    OBTAIN_CERTIFICATE = CERTIFIED
    PREPARE_DOMAIN = PREPARED
    PROVISION_ACCOUNTS = PROVISIONED
    VERIFY_ACCOUNTS = VERIFIED
    ACTIVATE_COMPLEX = "activate_complex"
    ACTIVATE_PROJECT = "activate_project"
    EXTEND_PERIOD = EXTENDED
    COMPLETE = "complete"
    PAY_FROM_ACCOUNT = "pay_from_account"
    ORDER_AT_CA = ORDERED
    ASK_CUSTOMER = "ask_customer"
    HOLD_FOR_CA = "hold_for_ca"
    HAND_OVER_CERTIFICATE = HANDED_OVER
    TELL_REFUSAL = REFUSAL_TOLD
    CLOSE = "close"


@dataclass(frozen=True)
class OrderView:
    """What the decision is made from. Money is in minor units of the order's currency.

    `account_minor` is what its customer's personal account holds, `at_ca` how its order at the CA stands, and `unasked`
    whether the CA wants what the customer was not asked for yet; all three are of certificates alone.
    """

    number: str
    agreement: str
    customer_id: int
    state: OrderState
    way: str
    price_minor: int
    received_minor: int
    delivery: str
    renews: bool
    done: frozenset[str]
    page_shown: bool
    file_sent: bool
    diverges: bool = False
    account_minor: int = 0
    at_ca: CaOrderState | None = None
    unasked: bool = False


_LETTERS = ("access_data", "certificate_issued", "certificate_refused")
"""The letter after whose sending an order is at its end; of an order there is one."""
_TO_ACTIVE = (
    (GENERATED, Next.GENERATE_ACCESS_DATA),
    (CERTIFIED, Next.OBTAIN_CERTIFICATE),
    (PREPARED, Next.PREPARE_DOMAIN),
    (PROVISIONED, Next.PROVISION_ACCOUNTS),
    (VERIFIED, Next.VERIFY_ACCOUNTS),
    (ACTIVATED, Next.ACTIVATE_COMPLEX),
)


def view_of(office: Office, number: str) -> OrderView:
    """Read an order. Raises NotFound."""
    with reading(office.sessions) as session:
        order = find_order(session, number)
        customer = session.get_one(Customer, order.customer_id)
        shown = session.scalar(select(SealedSecret.revealed_at).where(SealedSecret.order_id == order.id))
        letter = session.scalar(select(Notice.state).where(Notice.order_id == order.id, Notice.kind.in_(_LETTERS)))
        return OrderView(
            number=number,
            agreement=order.agreement,
            customer_id=customer.id,
            state=order.state,
            way=_way(order, customer),
            price_minor=order.price_minor,
            received_minor=received(session, order).minor,
            delivery=order.delivery,
            renews=bool(order.item.get("renews")),
            done=frozenset(session.scalars(select(Step.key).where(Step.order_id == order.id))),
            page_shown=shown is not None,
            file_sent=letter in (NoticeState.SENT, NoticeState.DELIVERED),
            diverges=diverges(session, order),
            **(_at_ca(session, order) if order.agreement == "SSL" else {}),
        )


def _way(order: Order, customer: Customer) -> str:
    """QS-4.2.3, and the same for KS; a certificate is paid as its order says (SSL-7.3)."""
    if order.agreement == "SSL":
        return str(order.item["pay_from"])
    return str(qs.way_of_payment(qs.PayerFacts.model_validate({"payer": customer.kind})).values["way"])


def _at_ca(session: Session, order: Order) -> dict[str, Any]:
    at_ca = ca_order_of(session, order)
    return {
        "account_minor": on_account(session, order.customer_id, order.currency).minor,
        "at_ca": at_ca.state if at_ca is not None else None,
        "unasked": bool(unasked(session, order)),
    }


def next_step(order: OrderView) -> Next | None:
    """The next step, or None when the order waits (for money, for its customer, for a person) or is at its end."""
    if order.diverges:
        return Next.CONVERGE_COMPLEX
    if order.state in (OrderState.ACKNOWLEDGED, OrderState.PENDING):
        return _money_step(order)
    if order.state is not OrderState.IN_PROGRESS:
        return None
    return _STEPS[order.agreement](order)


def _money_step(order: OrderView) -> Next | None:
    if order.received_minor >= order.price_minor:
        return Next.BEGIN
    if order.way == "account" and order.received_minor + order.account_minor >= order.price_minor:
        return Next.PAY_FROM_ACCOUNT
    if order.received_minor > 0:
        return Next.HOLD_UNDERPAID
    if order.state is OrderState.ACKNOWLEDGED:
        return Next.REQUEST_PAYMENT if order.way == "yookassa" else Next.ISSUE_INVOICE
    return None


def _complex_step(order: OrderView) -> Next | None:
    for key, step in () if ACTIVATED in order.done else _TO_ACTIVE:
        if key not in order.done:
            return step
    handover = ks.HandoverFacts.model_validate(
        {
            "delivery": order.delivery,
            "sent": order.file_sent or order.delivery == "envelope",
            "password_shown": order.page_shown,
            "confirmed_by": "operator" if ENVELOPE_HANDED_OVER in order.done else None,
        }
    )
    return Next.COMPLETE if ks.connection_complete(handover).values["complete"] else None


def _project_step(order: OrderView) -> Next | None:
    if order.renews:
        return Next.COMPLETE if EXTENDED in order.done else Next.EXTEND_PERIOD
    return Next.COMPLETE if ACTIVATED in order.done else Next.ACTIVATE_PROJECT


def _certificate_step(order: OrderView) -> Next | None:
    if ORDERED not in order.done:
        return Next.ORDER_AT_CA
    if {HANDED_OVER, REFUSAL_TOLD} & order.done:
        return Next.CLOSE if order.file_sent else None
    if order.unasked:
        return Next.ASK_CUSTOMER
    return _AFTER_CA.get(order.at_ca) if order.at_ca else None


_AFTER_CA = {
    CaOrderState.ISSUED: Next.HAND_OVER_CERTIFICATE,
    CaOrderState.REFUSED: Next.TELL_REFUSAL,
    CaOrderState.HELD: Next.HOLD_FOR_CA,
    CaOrderState.CANCELLED: Next.HOLD_FOR_CA,
}
_STEPS = {"KS": _complex_step, "QS": _project_step, "SSL": _certificate_step}
