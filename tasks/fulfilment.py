"""What an order needs next: a pure decision over what the ledger says, so that any worker can go on from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from blocks.ledger import Customer, Notice, NoticeState, OrderState, SealedSecret, Step, reading
from blocks.office import Office
from blocks.terms import ks, qs
from tasks.access_data import CERTIFIED, GENERATED, PREPARED, PROVISIONED, VERIFIED
from tasks.accounts import received
from tasks.activation import ACTIVATED, EXTENDED
from tasks.complexes import diverges
from tasks.decisions import HANDED_OVER
from tasks.order_state import find_order


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


@dataclass(frozen=True)
class OrderView:
    """What the decision is made from. Money is in minor units of the order's currency."""

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
        letter = session.scalar(select(Notice.state).where(Notice.order_id == order.id, Notice.kind == "access_data"))
        return OrderView(
            number=number,
            agreement=order.agreement,
            customer_id=customer.id,
            state=order.state,
            way=str(qs.way_of_payment(qs.PayerFacts.model_validate({"payer": customer.kind})).values["way"]),
            price_minor=order.price_minor,
            received_minor=received(session, order).minor,
            delivery=order.delivery,
            renews=bool(order.item.get("renews")),
            done=frozenset(session.scalars(select(Step.key).where(Step.order_id == order.id))),
            page_shown=shown is not None,
            file_sent=letter in (NoticeState.SENT, NoticeState.DELIVERED),
            diverges=diverges(session, order),
        )


def next_step(order: OrderView) -> Next | None:
    """The next step, or None when the order waits (for money, for its customer, for a person) or is at its end."""
    if order.diverges:
        return Next.CONVERGE_COMPLEX
    if order.state in (OrderState.ACKNOWLEDGED, OrderState.PENDING):
        return _money_step(order)
    if order.state is not OrderState.IN_PROGRESS:
        return None
    return _complex_step(order) if order.agreement == "KS" else _project_step(order)


def _money_step(order: OrderView) -> Next | None:
    if order.received_minor >= order.price_minor:
        return Next.BEGIN
    if order.received_minor > 0:
        return Next.HOLD_UNDERPAID
    if order.state is OrderState.ACKNOWLEDGED:
        return Next.ISSUE_INVOICE if order.way == "invoice" else Next.REQUEST_PAYMENT
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
            "confirmed_by": "operator" if HANDED_OVER in order.done else None,
        }
    )
    return Next.COMPLETE if ks.connection_complete(handover).values["complete"] else None


def _project_step(order: OrderView) -> Next | None:
    if order.renews:
        return Next.COMPLETE if EXTENDED in order.done else Next.EXTEND_PERIOD
    return Next.COMPLETE if ACTIVATED in order.done else Next.ACTIVATE_PROJECT
