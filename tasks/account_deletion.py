"""Registration data leaves the ledger beyond recovery (QS-3.6.1, QS-8.3). Numbers, prices, dates and money stay.

What people wrote by hand may name anybody, so of hand-written texts of a deleted customer nothing stays; of the
machine's own sentences only those go that hold an address or a name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, delete, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from blocks.ledger import (
    AccountEnding,
    Compensation,
    Customer,
    Document,
    InboxEvent,
    InboxState,
    Notice,
    NoticeState,
    Obligation,
    Order,
    OrderEvent,
    Payment,
    SealedAccounts,
    SealedSecret,
    ServiceState,
    Step,
    Ticket,
    TicketEvent,
)
from tasks.account_facts import AGREEMENT, orders_of, services_of, subject_of
from tasks.erased import erased_email

DESTROYED = "destroyed"
ACCESS_DATA = "access-data:"
"""How the keys of documents begin that hold registration data and that no law keeps."""
TABLES = (
    "customers",
    "inbox",
    "notices",
    "tickets",
    "ticket_events",
    "order_events",
    "steps",
    "services",
    "payments",
    "secrets",
    "sealed_accounts",
    "compensations",
    "obligations",
    "documents",
    "account_endings",
)
"""What is written anew afterwards, so that no page holds the bytes of before."""
_UNSENT = (NoticeState.QUEUED, NoticeState.SENDING)


@dataclass(frozen=True)
class Erased:
    """How many rows were emptied or deleted, by table; nothing where all was gone already."""

    counts: dict[str, int]


@dataclass
class _Work:
    """A customer's rows: what they are found by, and what has been done."""

    session: Session
    customer: Customer
    email: str
    alone: bool
    orders: Sequence[Order]
    tickets: Sequence[Ticket]
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def numbers(self) -> list[str]:
        """The numbers of its orders."""
        return [order.number for order in self.orders]

    @property
    def ids(self) -> list[int]:
        """The ids of its orders."""
        return [order.id for order in self.orders]

    def tells(self, text: str | None) -> bool:
        """Whether a sentence names it, or anybody by an address."""
        told = text or ""
        words = (self.customer.name, self.customer.inn or "", self.customer.position or "")
        return "@" in told or any(word and word in told for word in words)


def erase(session: Session, customer_id: int, now: datetime) -> Erased:
    """Empty or delete every row that holds a customer's registration data. Again, it finds nothing.

    The caller has buried `customer/ID` in the key store before, and scrubs TABLES after the commit. Raises
    sqlalchemy.exc.NoResultFound for an unknown customer.
    """
    work = _work(session, customer_id)
    for part in (_stories, _inbox, _notices, _tickets, _papers, _money, _services, _evidence, _registration):
        part(work, now)
    session.flush()
    return Erased({table: count for table, count in sorted(work.counts.items()) if count})


def letters_of(session: Session, customer_id: int) -> list[int]:
    """The notices that erasing would empty: the customer's, and those to us that tell of it."""
    return sorted(row.id for row in _found_letters(_work(session, customer_id)))


def _work(session: Session, customer_id: int) -> _Work:
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    others = select(Customer.id).where(Customer.email == customer.email, Customer.id != customer_id)
    tickets = select(Ticket).where(
        Ticket.agreement == AGREEMENT, or_(Ticket.customer_id == customer_id, Ticket.sender == customer.email)
    )
    return _Work(
        session,
        customer,
        customer.email,
        session.scalar(others) is None,
        orders_of(session, customer_id),
        session.scalars(tickets.order_by(Ticket.id)).all(),
    )


def _stories(work: _Work, _now: datetime) -> None:
    sources = {"dogovor"} | {order.source for order in work.orders}
    for event in work.session.scalars(select(OrderEvent).where(OrderEvent.order_id.in_(work.ids))):
        by_hand = event.who not in sources or event.kind == "notice.undelivered"
        if event.why and (by_hand or work.tells(event.why)):
            event.why = ""
            work.counts["order_events"] += 1
    for step in work.session.scalars(select(Step).where(Step.order_id.in_(work.ids))):
        if step.result != DESTROYED and (step.key.startswith("confirm") or work.tells(step.result)):
            step.result = DESTROYED
            work.counts["steps"] += 1


def _inbox(work: _Work, now: datetime) -> None:
    for event in work.session.scalars(select(InboxEvent).where(or_(*_events(work)))):
        if not event.payload:
            continue
        event.payload = {}
        if event.state is not InboxState.DONE:
            event.state, event.done_at, event.outcome = InboxState.DONE, now, DESTROYED
        work.counts["inbox"] += 1


def _events(work: _Work) -> Iterable[ColumnElement[bool]]:
    """By what an event is known to be of the customer: its order, its payment, its ticket, or its address."""
    named = InboxEvent.payload["order"].as_string()
    by_source: dict[str, list[str]] = {}
    for order in work.orders:
        by_source.setdefault(order.source, []).append(order.external_id)
    yield named.in_([*work.numbers, *(f"{order.source}/{order.external_id}" for order in work.orders)])
    for source, known in by_source.items():
        yield and_(InboxEvent.source == source, named.in_(known))
    paid = select(Payment.provider_id).where(Payment.order_id.in_(work.ids), Payment.provider_id.is_not(None))
    payments = list(work.session.scalars(paid))
    for part in ("id", "payment_id"):
        yield and_(InboxEvent.source == "yookassa", InboxEvent.payload["object"][part].as_string().in_(payments))
    ticket = InboxEvent.payload["ticket"].as_string()
    yield ticket.in_([row.number for row in work.tickets])
    for row in work.tickets:
        yield and_(InboxEvent.source == row.source, ticket == row.external_id)
    if work.alone:
        yield _holds(InboxEvent.payload, work)


def _holds(column: ColumnElement[Any] | InstrumentedAttribute[Any], work: _Work) -> ColumnElement[bool]:
    """Whether a JSON column holds the customer's address somewhere, in whatever case."""
    text: ColumnElement[str] = cast(column, Text)
    return text.icontains(json.dumps(work.email)[1:-1], autoescape=True)


def _notices(work: _Work, now: datetime) -> None:
    for row in _found_letters(work):
        work.counts["notices"] += _empty(work, row, now)


def _found_letters(work: _Work) -> Collection[Notice]:
    """All of them: a letter that came back is told of in another one."""
    found: dict[int, Notice] = {}
    while more := work.session.scalars(
        select(Notice).where(or_(*_letters(work, found)), Notice.id.not_in(found))
    ).all():
        found |= {row.id: row for row in more}
    return found.values()


def _empty(work: _Work, row: Notice, now: datetime) -> bool:
    """Empty a letter; one that waits is never sent. Whether there was anything. Our own address stays in it."""
    senders = {work.email} | {ticket.sender for ticket in work.tickets}
    own = row.recipient in senders or row.order_id in work.ids or row.about == subject_of(work.customer.id)
    recipient = erased_email(work.customer.id) if own else row.recipient
    if not row.facts and row.subject is None and row.recipient == recipient:
        return False
    row.recipient, row.facts, row.subject, row.body, row.diagnostic = recipient, {}, None, None, None
    if row.state in _UNSENT:
        row.state, row.settled_at = NoticeState.FAILED, now
    return True


def _letters(work: _Work, known: Collection[int]) -> Iterable[ColumnElement[bool]]:
    """The customer's letters, and those to us that tell of its orders, its tickets, or of letters that came back."""
    yield Notice.order_id.in_(work.ids)
    yield Notice.about.in_([*(row.number for row in work.tickets), subject_of(work.customer.id)])
    own = Notice.recipient == work.email
    yield own if work.alone else and_(own, Notice.agreement == AGREEMENT)
    yield Notice.key.in_([f"notice_undelivered:{number}" for number in sorted(known)])
    for number in work.numbers:
        yield Notice.key.startswith(f"{number}:", autoescape=True)
    if work.alone:
        yield _holds(Notice.facts, work)
        yield or_(
            Notice.body.icontains(work.email, autoescape=True), Notice.diagnostic.icontains(work.email, autoescape=True)
        )


def _tickets(work: _Work, _now: datetime) -> None:
    whose, ids = erased_email(work.customer.id), [row.id for row in work.tickets]
    senders = {row.sender for row in work.tickets} | {work.email}
    for event in work.session.scalars(
        select(TicketEvent).where(or_(TicketEvent.ticket_id.in_(ids), TicketEvent.who == work.email))
    ):
        if event.ticket_id not in ids and not work.alone:
            continue
        if event.text or event.who in senders - {""}:
            event.text, event.who = "", "" if event.who in senders else event.who
            work.counts["ticket_events"] += 1
    for row in work.tickets:
        if row.sender != whose or row.subject:
            row.sender, row.subject = whose, ""
            work.counts["tickets"] += 1


def papers(session: Session, customer: int) -> list[Document]:
    """The documents of a customer that hold registration data and that no law keeps."""
    orders = [order.id for order in orders_of(session, customer)]
    query = select(Document).where(Document.order_id.in_(orders), Document.key.startswith(ACCESS_DATA))
    return list(session.scalars(query.where(Document.sha256 != "").order_by(Document.id)))


def _papers(work: _Work, _now: datetime) -> None:
    for row in papers(work.session, work.customer.id):
        row.title, row.file_name, row.sha256, row.size = DESTROYED, DESTROYED, "", 0
        work.counts["documents"] += 1


def _money(work: _Work, _now: datetime) -> None:
    """Amounts and dates stay; what was written beside them goes."""
    for payment in work.session.scalars(select(Payment).where(Payment.order_id.in_(work.ids))):
        if payment.confirmation_url or payment.order_ref:
            payment.confirmation_url = payment.order_ref = None
            work.counts["payments"] += 1
    for row in work.session.scalars(select(Compensation).where(Compensation.order_id.in_(work.ids))):
        if row.what != DESTROYED:
            row.what, row.reason = DESTROYED, None
            work.counts["compensations"] += 1


def _services(work: _Work, _now: datetime) -> None:
    for table in (SealedSecret, SealedAccounts):
        gone = delete(table).where(table.order_id.in_(work.ids)).returning(table.order_id)
        work.counts[table.__tablename__] += len(work.session.execute(gone).all())
    for service in services_of(work.session, work.customer.id):
        if service.token_hash or "customer" in service.product or service.state is not ServiceState.TERMINATED:
            service.token_hash, service.state, service.suspended_for = None, ServiceState.TERMINATED, None
            service.product = {key: value for key, value in service.product.items() if key != "customer"}
            work.counts["services"] += 1


def _evidence(work: _Work, _now: datetime) -> None:
    """What was written as the evidence of obligations, and why the registration ends."""
    subjects = [*work.numbers, *(row.number for row in work.tickets), subject_of(work.customer.id)]
    for owed in work.session.scalars(select(Obligation).where(Obligation.subject.in_(subjects))):
        if work.tells(owed.evidence):
            owed.evidence = DESTROYED
            work.counts["obligations"] += 1
    for ending in work.session.scalars(select(AccountEnding).where(AccountEnding.customer_id == work.customer.id)):
        if ending.why != DESTROYED:
            ending.why = DESTROYED
            work.counts["account_endings"] += 1


def _registration(work: _Work, _now: datetime) -> None:
    """Last: until here the name tells what names it."""
    row, whose = work.customer, erased_email(work.customer.id)
    if row.email == whose and not row.name and row.password_hash is None:
        return
    row.email, row.name = whose, ""
    row.inn = row.position = row.password_hash = None
    work.counts["customers"] += 1
