"""What falls due without an event: unpaid orders end, unopened pages are reminded of, paid periods run out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from blocks.ledger import (
    Customer,
    Order,
    OrderState,
    SealedSecret,
    Service,
    ServiceState,
    transaction,
)
from blocks.office import Office
from blocks.terms import qs
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import ORDER_POLICY
from tasks.accept import ZONE
from tasks.decisions import cancel_consequences
from tasks.notices import queue_notice
from tasks.order_state import hold, note, transition


@dataclass(frozen=True)
class Upkeep:
    """How many orders, pages and projects were touched."""

    cancelled: int = 0
    reminded: int = 0
    held: int = 0
    suspended: int = 0


def cancel_unpaid(office: Office, *, now: datetime) -> int:
    """Cancel the orders whose payment window has ended with no money in; the bound itself is still in time."""
    with transaction(office.sessions) as session:
        waiting = (OrderState.ACKNOWLEDGED, OrderState.PENDING)
        rows = session.scalars(
            select(Order).where(Order.state.in_(waiting), Order.pay_by < now).with_for_update(skip_locked=True)
        ).all()
        for order in rows:
            transition(session, order, OrderState.CANCELLED, why="not paid within its window", now=now)
            cancel_consequences(session, order, why="не оплачен в срок", now=now)
        return len(rows)


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
            service.state = ServiceState.SUSPENDED
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
    cancelled = cancel_unpaid(office, now=now)
    reminded, held = unopened_pages(office, now=now)
    return Upkeep(cancelled, reminded, held, end_periods(office, now=now))
