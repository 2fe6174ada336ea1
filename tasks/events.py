"""From an inbox event to the ledger: each kind has one way in. The answer names the order that can now go on."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from blocks.clients.yookassa import OnlinePayment, PaymentStatus
from blocks.errors import Refused
from blocks.ledger import Customer, InboxEvent, InboxState, Order, OrderState, transaction
from blocks.office import Office
from tasks.accept import accept_order
from tasks.decisions import decide
from tasks.erased import is_erased
from tasks.inbox import Event
from tasks.line_forms import LinesForm
from tasks.line_statements import record_lines
from tasks.money import Recorded, record_online, record_receipt
from tasks.order_forms import BankReceipt, EventKind, OrderDecision, OrderForm, YooKassaNotification
from tasks.order_state import find_order, transition
from tasks.ssl_money import record_top_up
from tasks.ticket_acts import act_on_ticket
from tasks.ticket_forms import TicketAct, TicketForm
from tasks.tickets import receive_ticket


def apply_event(  # noqa: C901, PLR0911 - one way for each kind
    office: Office, event: Event, *, now: datetime
) -> Recorded:
    """Put an event into the ledger; repeating it changes nothing.

    Raises Refused for content that will never do, Transient when an outside system must be asked and does not answer.
    """
    try:
        match event.kind:
            case EventKind.ORDER:
                form = OrderForm.model_validate(event.payload)
                with transaction(office.sessions) as session:
                    order = accept_order(office, session, source=event.source, form=form, received_at=event.received_at)
                    _forget(session, order, event, now)
                    return Recorded(order.number, f"{order.number} {order.state.value}")
            case EventKind.PAYMENT:
                return _fetch_payment(office, YooKassaNotification.model_validate(event.payload), now)
            case EventKind.RECEIPT:
                receipt = BankReceipt.model_validate(event.payload)
                return (record_top_up if receipt.account else record_receipt)(office, receipt, now=now)
            case EventKind.DECISION:
                decision = OrderDecision.model_validate(event.payload)
                return Recorded(decision.order, decide(office, decision, event=event.id, now=now))
            case EventKind.GO_ON:
                return Recorded(str(event.payload["order"]), "taken up again")
            case EventKind.SHOWN:
                return _page_opened(office, str(event.payload["order"]), now)
            case EventKind.TICKET:
                ticket = TicketForm.model_validate(event.payload)
                return receive_ticket(office, event.source, ticket, event.received_at)
            case EventKind.TICKET_ACT:
                act = TicketAct.model_validate(event.payload)
                return act_on_ticket(office, act, source=event.source, event_id=event.id, now=event.received_at)
            case EventKind.LINES:
                lines = LinesForm.model_validate(event.payload)
                return record_lines(office, event.source, lines, received_at=event.received_at)
            case unknown:
                raise Refused("kind", f"no work for events of kind {unknown}")
    except ValidationError as error:
        raise Refused("content", f"{event.kind} does not read: {error.error_count()} fields") from None


def _forget(session: Session, order: Order, event: Event, now: datetime) -> None:
    """An order that comes again when its customer's registration data is destroyed brings nothing of it back."""
    if is_erased(session.get_one(Customer, order.customer_id).email):
        row = session.get_one(InboxEvent, event.id)
        row.payload, row.state, row.done_at = {}, InboxState.DONE, now


def _page_opened(office: Office, number: str, now: datetime) -> Recorded:
    """The page was opened at last: an order held only for that goes on."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is OrderState.HELD and order.hold_reason == "page_unopened":
            transition(session, order, OrderState.IN_PROGRESS, why="the page was opened", now=now, clause="KS-2.1")
    return Recorded(number, "the one-time page was opened")


def _fetch_payment(office: Office, notification: YooKassaNotification, now: datetime) -> Recorded:
    """A notification proves nothing: fetch the payment, and believe what the provider then says."""
    online = office.payments.payment(notification.object.payment_id or notification.object.id)
    form = _order_by_payment(online)
    if form is not None:
        with transaction(office.sessions) as session:
            accept_order(office, session, source="payment", form=form, received_at=now)
        online = online.model_copy(update={"metadata": {**online.metadata, "order": f"payment/{online.id}"}})
    return record_online(office, online, now=now)


def _order_by_payment(online: OnlinePayment) -> OrderForm | None:
    """QS-10.1: a payment that names a tariff and a payer but no order is an order; we register the payer ourselves.

    One that does not read is money without an order: it is recorded, and a person finds out whose it is.
    """
    told = online.metadata
    if online.status is not PaymentStatus.SUCCEEDED or "order" in told or "tariff" not in told:
        return None
    try:
        return OrderForm.model_validate(
            {
                "order": online.id,
                "customer": {"kind": "person", "name": told.get("name", ""), "email": told.get("email", "")},
                "item": {"agreement": "QS", "tariff": told["tariff"], "months": int(told.get("months", "0"))},
            }
        )
    except ValueError:
        return None
