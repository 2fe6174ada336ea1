"""An order's story, read from the ledger for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from blocks.ledger import (
    AccountProof,
    Customer,
    Document,
    Notice,
    Obligation,
    Order,
    OrderEvent,
    Service,
    Sessions,
    reading,
)
from blocks.terms.complex_views import SeenProof
from blocks.terms.ks_complex import Proof
from blocks.terms.money import Money
from blocks.terms.ssl_prices import PRODUCTS
from blocks.terms.views import NoticeLine, OrderStory, OwedLine, StoryLine
from tasks.accounts import received
from tasks.order_state import find_order


def masked(email: str) -> str:
    """An address that people can recognise and strangers cannot use: ma***@example.net."""
    local, _, domain = email.partition("@")
    return f"{local[:2]}***@{domain}"


def masked_text(text: str) -> str:
    """A text with every address in it masked: mail servers quote them."""
    return re.sub(r"[^\s<>@]+@[^\s<>@]+", lambda found: masked(found[0]), text)


def item_text(item: Mapping[str, Any]) -> str:
    """What was ordered, in a few words."""
    if item["agreement"] == "KS":
        wishes = {
            "jurisdiction": "servers in {}",
            "domain": "domain {}",
            "mail_mb": "mail up to {} MB",
            "call_seconds": "calls up to {} s (0: any)",
        }
        wished = [text.format(item[key]) for key, text in wishes.items() if item.get(key) is not None]
        return ", ".join([f"KS, {item['contacts']} contacts, {item['delivery']}", *wished])
    if item["agreement"] == "SSL":
        return f"SSL {PRODUCTS[item['product']].title} for {item['domain']}, {item['residence']}"
    months = f", {item['months']} months" if item["months"] else ""
    return f"QS {item['tariff']}{months}{', renews ' + item['renews'] if item.get('renews') else ''}"


def order_numbers(sessions: Sessions) -> dict[str, str]:
    """Our numbers by `source/external id`."""
    with reading(sessions) as session:
        rows = session.execute(select(Order.source, Order.external_id, Order.number))
        return {f"{source}/{external_id}": number for source, external_id, number in rows}


def story_of(sessions: Sessions, number: str) -> OrderStory:
    """Everything the ledger says of an order, without secrets. Raises NotFound."""
    with reading(sessions) as session:
        order = find_order(session, number)
        documents = session.scalars(select(Document).where(Document.order_id == order.id).order_by(Document.id))
        customer = session.get_one(Customer, order.customer_id)
        service = session.scalar(select(Service).where(Service.order_id == order.id))
        events = session.scalars(select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.id))
        owed = session.scalars(select(Obligation).where(Obligation.subject == number).order_by(Obligation.due_at))
        notices = session.scalars(select(Notice).where(Notice.order_id == order.id).order_by(Notice.id))
        return OrderStory(
            number=number,
            state=order.state.value,
            hold_reason=order.hold_reason or "",
            customer=masked(customer.email),
            item=item_text(order.item),
            price=Money.from_minor(order.price_minor, order.currency),
            received=received(session, order),
            service=service.name if service else "",
            service_state=service.state.value if service else "",
            paid_until=service.paid_until if service else None,
            lines=tuple(
                StoryLine(
                    e.at,
                    f"{e.from_state or '·'} → {e.to_state}" if e.to_state else e.kind,
                    e.who,
                    masked_text(e.why),
                    e.clause or "",
                )
                for e in events
            ),
            owed=tuple(OwedLine(o.clause, o.what, o.due_at, o.state.value, o.evidence or "") for o in owed),
            notices=tuple(NoticeLine(n.created_at, n.kind, masked(n.recipient), n.state.value) for n in notices),
            documents=tuple((d.title, d.file_name, d.sha256) for d in documents),
            limits=_limits(service.product) if service else "",
            proofs=session.scalar(select(func.count()).where(AccountProof.order_id == order.id, AccountProof.ok)) or 0,
        )


def _limits(product: Mapping[str, Any]) -> str:
    if "mail_bytes" not in product:
        return ""
    calls = f"{product['call_seconds']} s" if product["call_seconds"] else "any length"
    return f"mail up to {product['mail_bytes'] // 2**20} MB, calls of {calls}"


def proofs_of(sessions: Sessions, number: str) -> list[SeenProof]:
    """Every proof of an order's accounts, good and bad, the oldest first. Raises NotFound."""
    with reading(sessions) as session:
        order = find_order(session, number)
        query = select(AccountProof).where(AccountProof.order_id == order.id).order_by(AccountProof.id)
        return [
            SeenProof(
                at=row.at,
                proof=Proof.model_validate(
                    {"contact": row.contact, "kind": row.kind, "ok": row.ok, "detail": row.detail, "facts": row.facts}
                ),
            )
            for row in session.scalars(query)
        ]
