"""Tables of the main job: customers, orders and their events, steps, services, payments, accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import OrderState, PaymentState, ServiceState


class Customer(Base):
    """A customer of one agreement. Its e-mail (lower case) is its login and its identity there."""

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("agreement", "email"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(300))
    email: Mapped[str] = mapped_column(String(254))
    inn: Mapped[str | None] = mapped_column(String(12))
    position: Mapped[str | None] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]


class Order(Base):
    """A product order. `price_minor` is the price of its day; `lease_*` let one worker advance it at a time."""

    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("source", "external_id"), Index("ix_orders_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    agreement: Mapped[str] = mapped_column(String(8))
    source: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(128))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    item: Mapped[dict[str, Any]] = mapped_column(JSON)
    delivery: Mapped[str] = mapped_column(String(16))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[OrderState]
    hold_reason: Mapped[str | None] = mapped_column(String(200))
    ordered_at: Mapped[datetime]
    pay_by: Mapped[datetime]
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]


class OrderEvent(Base):
    """Append-only: who changed an order, when, why, and under which clause. The database refuses to alter it."""

    __tablename__ = "order_events"
    __table_args__ = (Index("ix_order_events_order", "order_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(48))
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str | None] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(String(16))


class Step(Base):
    """A step of an order, done once: recorded in the transaction of its effect, or around an idempotent one."""

    __tablename__ = "steps"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(48), primary_key=True)
    done_at: Mapped[datetime]
    result: Mapped[str] = mapped_column(Text)


class Service(Base):
    """What a customer has: a complex (KS) or a project (QS). A token is kept only as a hash.

    `suspended_for` is `period_over`, `disputed` or `operator`: a new payment lifts only the first (QS-4.3.1).
    `served_state` is what the servers of a complex were last brought to: `active`, `suspended`, `deleted`, or
    `changing` while work on them is under way or was cut short. Empty: they hold nothing of it.
    """

    __tablename__ = "services"
    __table_args__ = (Index("ix_services_state_paid_until", "state", "paid_until"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    agreement: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(254), unique=True)
    product: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[ServiceState]
    suspended_for: Mapped[str | None] = mapped_column(String(16))
    served_state: Mapped[str | None] = mapped_column(String(16))
    url: Mapped[str | None] = mapped_column(String(500))
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    active_from: Mapped[datetime | None]
    paid_until: Mapped[datetime | None]


class Payment(Base):
    """Money announced or received. `order_ref` is what the payer named; `order_id` is what it was matched to."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("provider", "provider_id"),
        Index("ix_payments_order", "order_id"),
        Index("ix_payments_order_ref", "order_ref"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(16))
    provider_id: Mapped[str | None] = mapped_column(String(64))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    order_ref: Mapped[str | None] = mapped_column(String(200))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[PaymentState]
    idempotence_key: Mapped[str | None] = mapped_column(String(36), unique=True)
    confirmation_url: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class AccountEntry(Base):
    """Append-only: a customer's account. Receipts are positive, charges negative; `key` makes each entry once."""

    __tablename__ = "account_entries"
    __table_args__ = (Index("ix_account_entries_customer", "customer_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    clause: Mapped[str | None] = mapped_column(String(16))


class SealedSecret(Base):
    """A one-time page: found by its token's hash. `sealed` is empty before it is ready and after it was shown."""

    __tablename__ = "secrets"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    purpose: Mapped[str] = mapped_column(String(48))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    revealed_at: Mapped[datetime | None]


class SealedAccounts(Base):
    """The password hashes of an order, until the directory has them and every account is proven to work."""

    __tablename__ = "sealed_accounts"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class AccountProof(Base):
    """Append-only: what one verification of an account saw. `contact` is empty for what concerns the whole complex."""

    __tablename__ = "account_proofs"
    __table_args__ = (Index("ix_account_proofs_order", "order_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    contact: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    ok: Mapped[bool]
    detail: Mapped[str] = mapped_column(String(300))
    facts: Mapped[dict[str, str]] = mapped_column(JSON)
    at: Mapped[datetime]
