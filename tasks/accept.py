"""From an order event to an order in the ledger: customer, price of the day, first notice, first obligations."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from blocks.ledger import (
    Customer,
    Order,
    OrderEvent,
    OrderState,
    Payment,
    SealedSecret,
    Service,
    ServiceState,
    one_at_a_time,
)
from blocks.office import Office
from blocks.sealing import token_hash
from blocks.terms import ks, qs
from blocks.terms.base import Decision, Verdict
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import ORDER_POLICY
from blocks.terms.zones import MOSCOW
from tasks.money import open_activation, settle, unmatched_wording
from tasks.notices import queue_notice, queue_operator_notice
from tasks.obligations import fulfil, lift, open_obligation
from tasks.order_forms import CertificateItem, ComplexItem, CustomerForm, OrderForm, ProjectItem
from tasks.order_state import WISH, hold, transition
from tasks.order_wishes import not_granted
from tasks.ssl_accept import confirm_application
from tasks.ssl_price import price_of_certificate

ZONE = MOSCOW
_WAITING = (OrderState.ACKNOWLEDGED, OrderState.PENDING, OrderState.IN_PROGRESS, OrderState.HELD)


def price_of(office: Office, item: ComplexItem | ProjectItem | CertificateItem, moment: datetime) -> Decision:
    """The price of an item on the day of a moment (KS-4.1, QS-4.1.1, SSL-A1), of Moscow or of Minsk."""
    if isinstance(item, CertificateItem):
        return price_of_certificate(item.model_dump(), moment)
    day = local_date(moment, ZONE)
    if isinstance(item, ComplexItem):
        return ks.price(ks.PriceFacts(contacts=item.contacts, ordered_on=day))
    facts = qs.PricedPeriodFacts(tariff=item.tariff, months=item.months, paid_on=day)
    return qs.priced(facts, office.settings.qs_price_lists)


def accept_order(office: Office, session: Session, *, source: str, form: OrderForm, received_at: datetime) -> Order:
    """Put an order on record once by (source, the shop's number); the same again returns the first.

    An item without a price, or with a wish that cannot be granted, is held for a person; a second free project is
    rejected (QS-4.4.2), and so is a certificate that is not sold on that day (SSL-A1).
    """
    one_at_a_time(session, f"{source}/{form.order}")
    found = session.scalar(select(Order).where(Order.source == source, Order.external_id == form.order))
    if found is not None:
        return found
    decision = price_of(office, form.item, received_at)
    customer = _customer(session, form.customer, form.item.agreement, received_at)
    policy = ORDER_POLICY.on(local_date(received_at, ZONE))
    order = Order(
        number=uuid.uuid4().hex[:24],
        agreement=form.item.agreement,
        source=source,
        external_id=form.order,
        customer_id=customer.id,
        item=form.item.model_dump(mode="json"),
        delivery=form.item.delivery if isinstance(form.item, ComplexItem) else "electronic",
        price_minor=decision.amount.minor if decision.amount else 0,
        currency=form.item.currency if isinstance(form.item, CertificateItem) else "RUB",
        state=OrderState.ACKNOWLEDGED,
        ordered_at=received_at,
        pay_by=in_calendar_days(received_at, policy.payment_window_days, ZONE).due,
    )
    session.add(order)
    session.flush()
    order.number = f"{order.agreement}-{local_date(received_at, ZONE).year}-{order.id:06d}"
    if order.agreement != "SSL":
        _open_page(office, session, order, received_at)
    session.add(
        OrderEvent(
            order_id=order.id,
            at=received_at,
            kind="order.created",
            to_state=OrderState.ACKNOWLEDGED.value,
            who=source,
            why=f"ordered as {form.order}: {decision.what}, {decision.amount or 'no price'}",
            clause=decision.clause,
        )
    )
    if order.agreement == "SSL":
        confirm_application(session, order, customer, decision, now=received_at)
    else:
        _confirm_receipt(session, order, customer, decision, received_at)
    if order.price_minor == 0 and decision.allowed:
        order.item = {**order.item, "months": 0}  # a free project has no periods
    _first_verdict(office, session, order, decision, received_at)
    if _is_another(customer, form.customer):
        known = f"{customer.kind} {customer.inn or customer.name}"
        why = f"ordered as {form.customer.kind}, known under this address as {known}"
        operator = office.settings.operator_email
        if order.state is OrderState.ACKNOWLEDGED:
            hold(session, order, reason="customer_differs", why=why, now=received_at, operator=operator)
    _match_waiting_money(office, session, order, received_at)
    return order


def _customer(session: Session, form: CustomerForm, agreement: str, now: datetime) -> Customer:
    email = form.email.lower()
    known = select(Customer).where(Customer.agreement == agreement, Customer.email == email)
    found = session.scalar(known.with_for_update())
    if found is None:
        found = Customer(
            agreement=agreement,
            kind=form.kind,
            name=form.name,
            email=email,
            inn=form.inn,
            position=form.position,
            created_at=now,
        )
        session.add(found)
        session.flush()
    return found


def _is_another(known: Customer, told: CustomerForm) -> bool:
    """Whether somebody else orders under a known address; an organization without a number is known by its name."""
    if (known.kind, known.inn) != (told.kind, told.inn):
        return True
    return told.kind == "company" and told.inn is None and known.name != told.name


def page_purpose(order: Order) -> str:
    """Whose eyes the one-time page of an order is for: the customer's, or for an envelope the person who prints it."""
    return f"{'envelope' if order.delivery == 'envelope' else 'access'}:{order.number}"


def _open_page(office: Office, session: Session, order: Order, now: datetime) -> None:
    purpose = page_purpose(order)
    token = office.sealer.page_token(purpose)
    session.add(SealedSecret(order_id=order.id, purpose=purpose, token_hash=token_hash(token), created_at=now))


def _confirm_receipt(
    session: Session, order: Order, customer: Customer, decision: Decision, received_at: datetime
) -> None:
    receipt = ks.receipt(ks.ReceiptFacts(received_at=received_at))
    obligation = None
    if order.agreement == "KS" and receipt.deadline:
        obligation = open_obligation(
            session,
            clause=receipt.clause,
            subject=order.number,
            what="confirm receipt",
            deadline=receipt.deadline,
            now=received_at,
        )
    queue_notice(
        session,
        order,
        kind="order_received",
        recipient=customer.email,
        facts={
            "name": customer.name,
            "received_at": received_at.isoformat(),
            "minutes_needed": receipt.values["minutes_needed"],
            "what": order.item,
            "price": str(decision.amount) if decision.amount else None,
            "pay_by": order.pay_by.isoformat(),
        },
        now=received_at,
        obligation=obligation,
        secret_purpose=page_purpose(order) if order.delivery == "electronic" else None,
    )


def order_ref(order: Order) -> str:
    """How a shop names an order in a payment that it makes itself."""
    return f"{order.source}/{order.external_id}"


def _match_waiting_money(office: Office, session: Session, order: Order, now: datetime) -> None:
    """Money that came before its order finds it."""
    waiting = session.scalars(
        select(Payment).where(Payment.order_id.is_(None), Payment.order_ref.in_([order.number, order_ref(order)]))
    )
    for payment in waiting.all():
        payment.order_id = order.id
        session.flush()
        settle(office, session, order, payment, now)
        evidence = f"matched to {order.number}"
        fulfil(session, subject=f"payment:{payment.id}", evidence=evidence, now=now, what=unmatched_wording(payment))


def _first_verdict(office: Office, session: Session, order: Order, decision: Decision, now: datetime) -> None:
    operator = office.settings.operator_email
    if decision.verdict is Verdict.REFUSED and order.agreement == "SSL":
        reject(session, order, why=decision.what, clause=decision.clause, now=now, operator=operator)
        return
    if decision.verdict is Verdict.REFUSED:
        hold(
            session,
            order,
            reason="unknown_product",
            why=decision.what,
            now=now,
            operator=operator,
            clause=decision.clause,
        )
        return
    wish = not_granted(office, session, order)
    if wish is not None:
        hold(session, order, reason=WISH, why=wish.why, now=now, operator=operator, clause=wish.clause)
        return
    if order.agreement == "QS" and order.item["renews"]:
        why_not = renewal_refused(session, order)
        if why_not:
            hold(session, order, reason="unknown_product", why=why_not, now=now, operator=operator, clause="QS-3.3.1")
        return
    if order.agreement == "QS" and order.price_minor == 0:
        verdict = qs.free_project(qs.FreeProjectFacts(active_free_projects=free_projects(session, order)))
        if not verdict.allowed:
            reject(session, order, why=verdict.what, clause=verdict.clause, now=now, operator=operator)
            return
        open_activation(session, order, free=True, now=now)


def renewal_refused(session: Session, order: Order) -> str:
    """Why a renewal cannot be: only a paid project of the same customer on the same tariff is prolonged; else empty.

    A suspension for a breach or a dispute is not lifted by money: a person decides on that first.
    """
    service = session.scalar(select(Service).where(Service.name == order.item["renews"]).with_for_update())
    if service is None or service.customer_id != order.customer_id:
        return "no such project of this customer"
    if service.product["tariff"] != order.item["tariff"] or order.price_minor == 0:
        return "a project is renewed on its own paid tariff"
    if service.state is ServiceState.SUSPENDED and service.suspended_for != "period_over":
        return f"the project is suspended: {service.suspended_for}"
    if service.state not in (ServiceState.ACTIVE, ServiceState.SUSPENDED):
        return f"the project is {service.state.value}"
    return ""


def free_projects(session: Session, order: Order) -> int:
    """The customer's active free projects, and free orders on their way to one, besides this order."""
    on_the_way = and_(Order.state.in_(_WAITING), or_(Service.id.is_(None), Service.state == ServiceState.RESERVED))
    return (
        session.scalar(
            select(func.count())
            .select_from(Order)
            .outerjoin(Service, Service.order_id == Order.id)
            .where(
                Order.customer_id == order.customer_id,
                Order.agreement == "QS",
                Order.price_minor == 0,
                Order.id != order.id,
                or_(Service.state == ServiceState.ACTIVE, on_the_way),
            )
        )
        or 0
    )


def reject(session: Session, order: Order, *, why: str, clause: str, now: datetime, operator: str) -> None:
    """Refuse an order for good, and tell the customer and the operator why."""
    customer = session.get_one(Customer, order.customer_id)
    transition(session, order, OrderState.REJECTED, why=why, now=now, clause=clause)
    queue_notice(
        session, order, kind="order_rejected", recipient=customer.email, facts={"why": why, "clause": clause}, now=now
    )
    queue_operator_notice(
        session,
        kind="order_rejected_operator",
        key=f"{order.number}:rejected_operator",
        operator=operator,
        facts={"number": order.number, "why": why, "clause": clause},
        now=now,
    )
    lift(session, subject=order.number, why="the order was rejected", now=now)
