"""What falls due without an event: unpaid orders end, unopened pages are reminded of, paid periods run out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from blocks.clients.yookassa import PaymentStatus
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    Customer,
    Order,
    OrderState,
    Payment,
    PaymentState,
    SealedSecret,
    Service,
    ServiceState,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import ORDER_POLICY
from tasks.accept import ZONE
from tasks.accounts import received
from tasks.decisions import cancel_consequences
from tasks.going_on import take_up_again
from tasks.inbox import put_event
from tasks.notices import queue_notice
from tasks.order_forms import EventKind
from tasks.order_state import hold, note, transition
from tasks.ssl_orders import follow

log = logging.getLogger("dogovor.upkeep")


@dataclass(frozen=True)
class Upkeep:
    """How many orders, pages and projects were touched."""

    cancelled: int = 0
    reminded: int = 0
    held: int = 0
    suspended: int = 0
    asked: int = 0
    taken_up: int = 0


def cancel_unpaid(office: Office, *, now: datetime) -> int:
    """Cancel the orders whose payment window has ended with no money in; the bound itself is still in time."""
    cancelled = 0
    with transaction(office.sessions) as session:
        waiting = (OrderState.ACKNOWLEDGED, OrderState.PENDING)
        rows = session.scalars(
            select(Order).where(Order.state.in_(waiting), Order.pay_by < now).with_for_update(skip_locked=True)
        ).all()
        for order in rows:
            if received(session, order).minor > 0 or order.price_minor == 0:
                continue
            transition(session, order, OrderState.CANCELLED, why="not paid within its window", now=now)
            cancel_consequences(session, order, why="не оплачен в срок", now=now)
            cancelled += 1
    return cancelled


def ask_payments(office: Office, *, now: datetime) -> int | None:
    """Ask the provider about payments whose notification may have been lost; what has changed goes into the inbox.

    The answer is how many differ from the ledger, or None when the provider could not be asked about all.
    """
    with reading(office.sessions) as session:
        waiting = session.scalars(
            select(Payment.provider_id).where(
                Payment.provider == "yookassa",
                Payment.state == PaymentState.PENDING,
                Payment.provider_id.is_not(None),
                Payment.created_at < now - timedelta(minutes=30),
            )
        ).all()
    changed = 0
    for payment in waiting:
        try:
            online = office.payments.payment(str(payment))
        except NotFound:
            continue
        except (Transient, Refused) as error:
            log.warning("the payment provider cannot be asked: %s", error)
            return None
        if online.status in (PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED):
            changed += 1
            told = {"type": "notification", "event": f"payment.{online.status}", "object": {"id": online.id}}
            event_id = f"asked:{online.status}:{online.id}"
            with transaction(office.sessions) as session:
                put_event(session, source="yookassa", event_id=event_id, kind=EventKind.PAYMENT, payload=told, now=now)
    return changed


def unopened_pages(office: Office, *, now: datetime) -> tuple[int, int]:
    """Remind of pages unopened for some days, once; hold for a person the orders whose pages stay unopened."""
    policy = ORDER_POLICY.on(local_date(now, ZONE))
    reminded = held = 0
    with transaction(office.sessions) as session:
        found = session.execute(
            select(SealedSecret, Order)
            .join(Order, Order.id == SealedSecret.order_id)
            .where(
                SealedSecret.revealed_at.is_(None),
                SealedSecret.ready_at < now - timedelta(days=policy.reveal_reminder_days - 1),
                Order.delivery == "electronic",
                Order.state.in_([OrderState.IN_PROGRESS, OrderState.COMPLETED]),
            )
        ).all()
        for secret, order in found:
            customer = session.get_one(Customer, order.customer_id)
            if secret.ready_at is None:
                continue
            if now > in_calendar_days(secret.ready_at, policy.reveal_hold_days, ZONE).due:
                if order.state is OrderState.IN_PROGRESS:
                    why = f"the one-time page is unopened since {secret.ready_at.date()}"
                    operator = office.settings.operator_email
                    hold(session, order, reason="page_unopened", why=why, now=now, operator=operator, clause="KS-2.1")
                    held += 1
            elif now > in_calendar_days(secret.ready_at, policy.reveal_reminder_days, ZONE).due:
                facts = {"name": customer.name}
                purpose = secret.purpose
                before = len(session.new)
                queue_notice(
                    session,
                    order,
                    kind="page_unopened",
                    recipient=customer.email,
                    facts=facts,
                    now=now,
                    secret_purpose=purpose,
                )
                reminded += len(session.new) - before
    return reminded, held


def end_periods(office: Office, *, now: datetime) -> int:
    """Suspend the projects whose paid period is over (QS-4.3.1); nothing is charged."""
    with transaction(office.sessions) as session:
        rows = session.scalars(
            select(Service)
            .where(Service.agreement == "QS", Service.state == ServiceState.ACTIVE, Service.paid_until < now)
            .with_for_update(skip_locked=True)
        ).all()
        for service in rows:
            if service.paid_until is None:
                continue
            decision = qs.period_end(qs.RunningFacts(paid_until=service.paid_until, now=now))
            if not decision.values["suspend"]:
                continue
            service.state, service.suspended_for = ServiceState.SUSPENDED, "period_over"
            order = session.get_one(Order, service.order_id)
            customer = session.get_one(Customer, service.customer_id)
            note(
                session, order, kind="service.suspended", why="the paid period is over", now=now, clause=decision.clause
            )
            facts = {"service": service.name, "why": "period_over"}
            about = service.paid_until.isoformat()
            queue_notice(
                session, order, kind="service_suspended", recipient=customer.email, facts=facts, now=now, about=about
            )
        return len(rows)


def keep_up(office: Office, *, now: datetime) -> Upkeep:
    """All of it, in one go."""
    asked = ask_payments(office, now=now)
    # What is paid must be on record before anything is cancelled as unpaid.
    cancelled = cancel_unpaid(office, now=now) if asked == 0 else 0
    reminded, held = unopened_pages(office, now=now)
    suspended = end_periods(office, now=now)
    follow(office, now=now)
    return Upkeep(cancelled, reminded, held, suspended, asked or 0, take_up_again(office, now=now))
