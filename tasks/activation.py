"""From a paid order to an active service: begin, activate, extend, complete. Each is one transaction of the ledger."""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import Refused, TermsViolated
from blocks.ledger import AccountProof, Customer, Order, OrderState, SealedSecret, Service, ServiceState, transaction
from blocks.office import Office
from blocks.sealing import random_password, token_hash
from blocks.terms import ks, qs
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.ks_complex import ProofKind
from blocks.terms.money import Money
from blocks.terms.policy import ORDER_POLICY
from tasks.accept import page_purpose, renewal_refused
from tasks.accounts import enter, price_of_order, received
from tasks.money import ACTIVATE, open_activation, service_of_order, tell_surplus
from tasks.notices import queue_notice
from tasks.obligations import fulfil, open_obligation
from tasks.order_state import WISH, find_order, is_done, mark_done, note, transition
from tasks.order_wishes import domain_of, limits_of, not_granted

ACTIVATED, EXTENDED, COMPLETED = "activate_service", "extend_period", "complete"
HAND_OVER = "hand over the access data"
DEDICATED = "provide the dedicated server, the second-level domain and its DNS"
_PAID_BY = {"KS": "KS-4.1", "QS": "QS-4.1.1", "SSL": "SSL-7.3"}
_BEFORE_WORK = (OrderState.ACKNOWLEDGED, OrderState.PENDING)


def begin(office: Office, number: str, *, now: datetime) -> None:
    """The price is there: charge it, reserve the service, and start the work."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state not in _BEFORE_WORK:
            return
        price = price_of_order(order)
        if received(session, order) < price:
            return
        clause = _PAID_BY[order.agreement]
        charge = Money.of(0, price.currency) - price
        enter(session, order, kind="charge", of=number, amount=charge, now=now, clause=clause)
        open_activation(session, order, free=not price, now=now)
        transition(
            session,
            order,
            OrderState.IN_PROGRESS,
            why=f"{price} received" if price else "free of charge",
            now=now,
            clause=clause,
        )
        if not order.item.get("renews"):
            _reserve(office, session, order)
        tell_surplus(session, order, now)


def _reserve(office: Office, session: Session, order: Order) -> None:
    before = session.scalar(select(Service).where(Service.order_id == order.id))
    wish = not_granted(office, session, order)
    if wish is not None:
        raise Refused(WISH, wish.why)
    if before is not None:  # an order that was cancelled and came back
        before.state = ServiceState.RESERVED
        if order.agreement == "KS":
            before.name = domain_of(office, session, order)
        return
    customer = session.get_one(Customer, order.customer_id)
    if order.agreement == "KS":
        dedicated = ks.dedicated_resources(ks.PackageFacts(contacts=order.item["contacts"]))
        place = ks.jurisdiction(ks.JurisdictionFacts(wish=order.item["jurisdiction"]))
        name = domain_of(office, session, order)
        wished = {**dedicated.values, **place.values, **limits_of(order).values}
        product = {**order.item, **wished, "customer": customer.name}
    elif order.agreement == "SSL":
        name = order.number
        product = {key: order.item[key] for key in ("product", "domain", "residence")}
    else:
        day = local_date(order.ordered_at, qs.ZONE)
        tariff = qs.tariff_on(order.item["tariff"], day, office.settings.qs_price_lists)
        name = f"p{order.id:06d}"
        limits = {"messages_a_day": tariff.messages_a_day, "connections": tariff.connections}
        product = {**order.item, **limits}
    session.add(
        Service(
            order_id=order.id,
            customer_id=order.customer_id,
            agreement=order.agreement,
            name=name,
            product=product,
            state=ServiceState.RESERVED,
        )
    )


def activate_complex(office: Office, number: str, *, now: datetime) -> None:
    """KS: the accounts stand, so the service is active; the file goes out, and the clock of its handing over starts."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, ACTIVATED):
            return
        service = session.scalars(select(Service).where(Service.order_id == order.id)).one()
        service.state, service.active_from = ServiceState.ACTIVE, now
        service.paid_until = ks.paid_until(now).due
        page = session.scalars(select(SealedSecret).where(SealedSecret.order_id == order.id)).one()
        page.ready_at = now
        policy = ORDER_POLICY.on(local_date(now, ks.ZONE))
        deadline = in_calendar_days(now, policy.reveal_hold_days, ks.ZONE)
        open_obligation(session, clause="KS-2.1", subject=number, what=HAND_OVER, deadline=deadline, now=now)
        customer = session.get_one(Customer, order.customer_id)
        facts = {"name": customer.name, "domain": service.name, "contacts": order.item["contacts"]}
        document = f"access-data:{number}"
        if order.delivery == "envelope":
            queue_notice(
                session,
                order,
                kind="envelope_prepared",
                recipient=office.settings.operator_email,
                facts=facts,
                now=now,
                documents=[document],
                secret_purpose=page_purpose(order),
            )
            queue_notice(session, order, kind="envelope_coming", recipient=customer.email, facts=facts, now=now)
        else:
            queue_notice(
                session,
                order,
                kind="access_data",
                recipient=customer.email,
                facts=facts,
                now=now,
                documents=[document],
            )
        if service.product.get("dedicated"):
            deadline = in_calendar_days(now, policy.dedicated_days, ks.ZONE)
            open_obligation(session, clause="KS-4.3", subject=number, what=DEDICATED, deadline=deadline, now=now)
            _fulfil_dedicated(office, session, order, service, now)
        _report_activation(session, order, service, now)


def _fulfil_dedicated(office: Office, session: Session, order: Order, service: Service, now: datetime) -> None:
    """A complex of the order's own, and its own domain seen in the DNS from outside, are what KS-4.3 wants.

    Where one of them is missing, the obligation stays with a person.
    """
    at = office.complexes.dedicated_to(order.number)
    seen = select(AccountProof.detail).where(
        AccountProof.order_id == order.id, AccountProof.kind == ProofKind.DNS.value, AccountProof.ok
    )
    proof = session.scalars(seen.order_by(AccountProof.id.desc())).first()
    if at is None or proof is None or not order.item.get("domain"):
        return
    evidence = f"complex {at.name}; {service.name} in the DNS: {proof}"
    fulfil(session, subject=order.number, what=DEDICATED, evidence=evidence, now=now)


def _report_activation(session: Session, order: Order, service: Service, now: datetime) -> None:
    note(
        session,
        order,
        kind="service.active",
        why=f"{service.name} until {service.paid_until or 'further notice'}",
        now=now,
    )
    fulfil(session, subject=order.number, what=ACTIVATE, evidence=f"service {service.name} active", now=now)
    mark_done(session, order, ACTIVATED, result=service.name, now=now)


def activate_project(office: Office, number: str, *, now: datetime) -> None:
    """QS: register the payer where needed (QS-10.1), give token and URL (QS-3.2.2), start the paid period (QS-4.2.2).

    The token is kept as a hash; it and a first password are shown once, on the customer's page.
    """
    with transaction(office.sessions) as session:
        order = find_order(session, number)
        customer = session.get_one(Customer, order.customer_id)
        password = None if customer.password_hash else random_password()
        purpose = page_purpose(order)
    password_hash = PasswordHasher().hash(password) if password else None
    token = secrets.token_urlsafe(32)
    shown = {"token": token, "url": office.settings.qsockets_url, **({"password": password} if password else {})}
    sealed = office.sealer.seal(json.dumps(shown).encode(), purpose)
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, ACTIVATED):
            return
        customer = session.get_one(Customer, order.customer_id, with_for_update=True)
        if password and customer.password_hash:
            sealed = office.sealer.seal(
                json.dumps({k: v for k, v in shown.items() if k != "password"}).encode(), purpose
            )
        elif password:
            customer.password_hash = password_hash
            note(
                session,
                order,
                kind="customer.registered",
                why="registered by us for the payer",
                now=now,
                clause="QS-10.1",
            )
        service = session.scalars(select(Service).where(Service.order_id == order.id)).one()
        service.state, service.active_from, service.url = ServiceState.ACTIVE, now, office.settings.qsockets_url
        service.token_hash = token_hash(token)
        service.paid_until = _period_end(order, now)
        page = session.scalars(select(SealedSecret).where(SealedSecret.purpose == purpose)).one()
        page.sealed, page.ready_at = sealed, now
        queue_notice(
            session,
            order,
            kind="project_activated",
            recipient=customer.email,
            facts={
                "name": customer.name,
                "project": service.name,
                "url": service.url,
                "login": customer.email,
                "paid_until": service.paid_until.isoformat() if service.paid_until else None,
                "limits": service.product,
            },
            now=now,
            secret_purpose=purpose,
        )
        _report_activation(session, order, service, now)


def _period_end(order: Order, begins_at: datetime) -> datetime | None:
    if not order.item["months"]:
        return None
    decision = qs.period(qs.PeriodFacts(begins_at=begins_at, months=order.item["months"]))
    return decision.deadline.due if decision.deadline else None


def extend_period(office: Office, number: str, *, now: datetime) -> None:
    """QS: a further paid period. A suspended project comes back (QS-4.3.1), a running one goes on without a gap."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, EXTENDED):
            return
        refused = renewal_refused(session, order)
        service = service_of_order(session, order)
        if refused or service is None:
            raise TermsViolated("QS-3.3.1", refused or "no such project")
        running = service.state is ServiceState.ACTIVE and service.paid_until is not None and service.paid_until > now
        begins_at = service.paid_until if running and service.paid_until else now
        service.state, service.suspended_for = ServiceState.ACTIVE, None
        service.paid_until = _period_end(order, begins_at)
        customer = session.get_one(Customer, order.customer_id)
        until = service.paid_until.isoformat() if service.paid_until else None
        facts = {"name": customer.name, "project": service.name, "paid_until": until}
        queue_notice(session, order, kind="period_extended", recipient=customer.email, facts=facts, now=now)
        note(session, order, kind="service.extended", why=f"{service.name} until {until}", now=now, clause="QS-4.3.1")
        fulfil(session, subject=number, what=ACTIVATE, evidence=f"{service.name} until {until}", now=now)
        mark_done(session, order, EXTENDED, result=f"{service.name} until {until}", now=now)


def complete(office: Office, number: str, *, why: str, clause: str, now: datetime) -> None:
    """The order is done; its open obligations of handing over are fulfilled."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS:
            return
        transition(session, order, OrderState.COMPLETED, why=why, now=now, clause=clause)
        if not is_done(session, order, COMPLETED):
            mark_done(session, order, COMPLETED, result=why, now=now)
        fulfil(session, subject=number, what=HAND_OVER, evidence=why, now=now)
