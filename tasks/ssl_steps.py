"""The steps of a certificate's order: asked of a CA, waited for, handed over or refused. Each is one transaction."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.pem import facts_of
from blocks.errors import Refused
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    Customer,
    Notice,
    Obligation,
    Order,
    OrderState,
    Service,
    ServiceState,
    Site,
    transaction,
)
from blocks.office import Office
from blocks.terms.deadlines import in_calendar_months
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS
from blocks.terms.zones import MINSK
from tasks import ca_advance, ca_orders, ssl_clocks
from tasks.accounts import charged, enter
from tasks.documents import file_document
from tasks.notices import queue_notice
from tasks.obligations import fulfil, lift
from tasks.order_state import find_order, hold, is_done, mark_done, note, transition
from tasks.ssl_account import account_number, move_to_account
from tasks.ssl_application import names_of
from tasks.ssl_rendered import render

ORDERED, HANDED_OVER, REFUSAL_TOLD = "order_at_ca", "hand_over_certificate", "tell_refusal"
CLOSED = "close"
"""The step with which an order came to its end; its result is the state in which it ended."""
LETTERS = ("certificate_issued", "certificate_refused")
AT_CA = "ca_order"
"""Why an order is held whose order at the CA is."""
PEM = "application/x-pem-file"
_FACTS = {
    "first_name": "firstname",
    "last_name": "lastname",
    "position": "title",
    "phone": "phone",
    "address": "addressline1",
    "city": "city",
    "region": "region",
    "postcode": "postalcode",
    "country": "country",
}
"""Clients of CAs name the applicant's data as resellers do."""


def ca_order_of(session: Session, order: Order) -> CaOrder | None:
    """The newest order at a CA that was placed for an order."""
    query = select(CaOrder).join(Site, Site.id == CaOrder.site_id).where(Site.order_id == order.id)
    return session.scalars(query.order_by(CaOrder.id.desc())).first()


def unasked(session: Session, order: Order) -> dict[str, str]:
    """What the CA wants now and the customer was not asked for yet, line by line, by the step that records it."""
    at_ca = ca_order_of(session, order)
    if at_ca is None or at_ca.state is not CaOrderState.PLACED or at_ca.reason != "wanted":
        return {}
    lines = {f"asked:{sha256(line.encode()).hexdigest()[:32]}": line for line in (at_ca.problem or "").splitlines()}
    return {key: line for key, line in lines.items() if not is_done(session, order, key)}


def order_at_ca(office: Office, number: str, *, now: datetime) -> None:
    """Write the order at the CA down with the customer's request: the application is taken up (SSL-4.4). Then ask.

    Raises Refused where no CA of certificates that are sold is named.
    """
    authority = office.certificates_at.resale
    if authority is None:
        raise Refused("resale", "DOGOVOR_CERTIFICATES_FILE names no `resale`: no CA issues what is sold")
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, ORDERED):
            return
        placed = place(office, session, order, authority, now=now)
        evidence = f"order {placed.intent} at {authority}"
        fulfil(session, subject=number, what=ssl_clocks.TAKE_UP, evidence=evidence, now=now)
        note(session, order, kind="certificate.ordered", why=evidence, now=now, clause="SSL-4.4")
        mark_done(session, order, ORDERED, result=evidence, now=now)
        ca_order = placed.id
    ca_advance.advance(office, ca_order, worker=number, now=now)


def place(office: Office, session: Session, order: Order, authority: str, *, now: datetime) -> CaOrder:
    """Open the order's site, which nobody here rotates, and write an order at its CA down; the open one if any."""
    site = ca_orders.open_site(
        session,
        slug=order.number.lower(),
        agreement="SSL",
        names=names_of(order.item["csr"]),
        authority=authority,
        consumers=(),
        customer_id=order.customer_id,
        order_id=order.id,
        now=now,
    )
    wanted = ca_orders.Wanted(
        purpose="first",
        give_up_at=_until(session, order, now),
        csr=order.item["csr"],
        product=order.item["product"],
        facts=_applicant(session, order),
    )
    return ca_orders.order_certificate(session, office.sealer, site, wanted, now=now)


def _until(session: Session, order: Order, now: datetime) -> datetime:
    """The CA has as long as we have (SSL-5.1), and where that is over as long as a retry has."""
    due = session.scalar(
        select(Obligation.due_at).where(Obligation.subject == order.number, Obligation.what == ssl_clocks.ISSUE)
    )
    return max(due or now, now + ca_orders.ALLOWED)


def _applicant(session: Session, order: Order) -> dict[str, str]:
    """What the CA hears of the customer (SSL-4.2), as the clients of CAs name it."""
    customer = session.get_one(Customer, order.customer_id)
    organization = customer.name if customer.kind != "person" else ""
    told = {fact: order.item["applicant"][field] for field, fact in _FACTS.items()}
    return {**told, "organization": organization, "email": customer.email}


def ask_customer(office: Office, number: str, *, now: datetime) -> None:
    """Tell the customer what the CA asks of it that it did not before, and until when it has to answer (SSL-4.6)."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        wanted = unasked(session, order)
        if order.state is not OrderState.IN_PROGRESS or not wanted:
            return
        until = ssl_clocks.asked(session, order, now=now).isoformat()
        facts = {**_told(session, order), "wanted": list(wanted.values()), "until": until}
        _tell(session, order, "certificate_wanted", facts, now, about=now.isoformat())
        note(session, order, kind="certificate.wanted", why="; ".join(wanted.values()), now=now, clause="SSL-4.6")
        for key in wanted:
            mark_done(session, order, key, result=until, now=now)


def hold_for_ca(office: Office, number: str, *, now: datetime) -> None:
    """The order at the CA waits for a person, and so does this one: a correction is proposed, or it is declined."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        at_ca = ca_order_of(session, order)
        if order.state is not OrderState.IN_PROGRESS or at_ca is None:
            return
        why = f"{at_ca.reason or at_ca.state.value}: {at_ca.problem or 'no word of why'}"
        operator = office.settings.operator_email
        hold(session, order, reason=AT_CA, why=why, now=now, operator=operator, clause="SSL-4.5")


def hand_over(office: Office, number: str, *, now: datetime) -> None:
    """File the chain, send it to the customer, begin its paid year. The letter, once it is out, is the handing over."""
    with transaction(office.sessions) as session:
        chain = _certificate(session, find_order(session, number)).chain
    content = chain.encode()
    sha = office.archive.put(content)
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, HANDED_OVER):
            return
        certificate = _certificate(session, order)
        said = facts_of(certificate.chain)
        key = file_document(
            session,
            order,
            key=f"certificate:{certificate.id}",
            title="Сертификат",
            file_name=f"{number.lower()}.pem",
            media_type=PEM,
            sha256=sha,
            size=len(content),
            now=now,
        )
        service = session.scalars(select(Service).where(Service.order_id == order.id)).one()
        service.state, service.active_from = ServiceState.ACTIVE, now
        service.paid_until = in_calendar_months(now, 12, MINSK).due
        facts = {
            **_told(session, order),
            "issuer": said.issuer,
            "fingerprint": said.fingerprint,
            "not_after": said.not_after.isoformat(),
        }
        obligation = _obligation(session, order, ssl_clocks.ISSUE)
        _tell(session, order, "certificate_issued", facts, now, obligation=obligation, documents=[key])
        fulfil(session, subject=number, what=ssl_clocks.SUPPLY, evidence="the CA issued", now=now)
        note(session, order, kind="certificate.issued", why=said.fingerprint, now=now, clause="SSL-4.7")
        mark_done(session, order, HANDED_OVER, result=said.fingerprint, now=now)


def _certificate(session: Session, order: Order) -> Certificate:
    query = select(Certificate).join(Site, Site.id == Certificate.site_id).where(Site.order_id == order.id)
    found = session.scalars(query.order_by(Certificate.id.desc())).first()
    if found is None:
        raise Refused("certificate", f"nothing was issued for {order.number}")
    return found


def tell_refusal(office: Office, number: str, *, now: datetime) -> None:
    """Tell the customer that the CA refused, in its words, and return the price unless it found fraud (SSL-5.2)."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        at_ca = ca_order_of(session, order)
        if order.state is not OrderState.IN_PROGRESS or at_ca is None or is_done(session, order, REFUSAL_TOLD):
            return
        paid_in, fraud = charged(session, order), at_ca.reason == "fraud"
        known_at = at_ca.ended_at or now
        decision = ssl_clocks.refused(session, order, paid_in=paid_in, fraud=fraud, known_at=known_at)
        back = decision.amount or Money.of(0, paid_in.currency)
        if back:
            refund(session, order, clause=decision.clause, now=now)
        lift(session, subject=number, why="the CA refused", now=now, what=ssl_clocks.SUPPLY)
        facts = {**_told(session, order), "why": at_ca.problem, "fraud": fraud, "back": str(back) if back else None}
        obligation = _obligation(session, order, ssl_clocks.TELL)
        _tell(session, order, "certificate_refused", facts, now, obligation=obligation)
        why = f"{'fraud: ' if fraud else ''}{at_ca.problem}"
        note(session, order, kind="certificate.refused", why=why, now=now, clause=decision.clause)
        mark_done(session, order, REFUSAL_TOLD, result=f"returned {back}", now=now)


def refund(session: Session, order: Order, *, clause: str, now: datetime) -> Money:
    """Reverse the charge of an order and put its price on the customer's account; what was returned."""
    back = charged(session, order)
    if back:
        enter(session, order, kind="charge-back", of=order.number, amount=back, now=now, clause=clause)
        move_to_account(session, order, back, kind="refund", now=now, clause=clause)
        why = f"{back} to {account_number(order.customer_id)}"
        note(session, order, kind="payment.returned", why=why, now=now, clause=clause)
    return back


def close(office: Office, number: str, *, now: datetime) -> None:
    """The letter is out: a certificate, or a refusal for fraud, is rendered (SSL-7.5), and the order is at its end."""
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS:
            return
        letter = select(Notice.sent_at).where(Notice.order_id == order.id, Notice.kind.in_(LETTERS))
        told_at = session.scalar(letter) or now
        if is_done(session, order, HANDED_OVER):
            render(office, session, order, at=told_at, now=now)
            why = "the certificate was handed over"
            transition(session, order, OrderState.COMPLETED, why=why, now=now, clause="SSL-7.5")
            mark_done(session, order, CLOSED, result=OrderState.COMPLETED.value, now=now)
            return
        if charged(session, order):
            render(office, session, order, at=told_at, now=now)
        mark_done(session, order, CLOSED, result=OrderState.REJECTED.value, now=now)
        session.scalars(select(Service).where(Service.order_id == order.id)).one().state = ServiceState.TERMINATED
        transition(session, order, OrderState.REJECTED, why="the CA refused", now=now, clause="SSL-5.2")
        lift(session, subject=number, why="the CA refused", now=now)


def _obligation(session: Session, order: Order, what: str) -> Obligation | None:
    return session.scalar(select(Obligation).where(Obligation.subject == order.number, Obligation.what == what))


def _told(session: Session, order: Order) -> dict[str, Any]:
    name = session.get_one(Customer, order.customer_id).name
    product = PRODUCTS[order.item["product"]].title
    account = account_number(order.customer_id)
    return {"name": name, "product": product, "domain": order.item["domain"], "account": account}


def _tell(session: Session, order: Order, kind: str, facts: dict[str, Any], now: datetime, **more: Any) -> None:
    recipient = session.get_one(Customer, order.customer_id).email
    queue_notice(session, order, kind=kind, recipient=recipient, facts=facts, now=now, **more)
