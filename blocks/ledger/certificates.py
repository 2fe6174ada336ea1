"""Tables of certificates: who shows them, what CAs were asked for, what they issued, and what was found to be wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import CaOrderState, CertificateState


class Site(Base):
    """What shows certificates, one after the other: a host of ours, a customer's domain, a name that a customer guards.

    `slug` is its place in public addresses. `customer_id` and `order_id` are those of the order it stands for, if any;
    without consumers nobody here installs what is issued (a reseller's customer does). `retired_at` ends its rotation.
    """

    __tablename__ = "sites"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(200), unique=True)
    agreement: Mapped[str] = mapped_column(String(8))
    names: Mapped[list[str]] = mapped_column(JSON)
    authority: Mapped[str] = mapped_column(String(32))
    key_kind: Mapped[str] = mapped_column(String(16))
    consumers: Mapped[list[str]] = mapped_column(JSON)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"), unique=True)
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class CaOrder(Base):
    """An order at a CA. Key and request are written before the CA is asked, its address there before anything more.

    `open_key` is the site while the order is open and NULL after: a site has one open order, whoever asks again.
    `purpose` is `first`, `renewal` or `emergency`; `replaces` the fingerprint of the certificate that it succeeds.
    `sealed_key` is empty where the customer keeps the key, and goes when the certificate has taken it over. `problem`
    says for a person what went wrong, `reason` in one word; `try_at` is when it is next advanced.
    """

    __tablename__ = "ca_orders"
    __table_args__ = (Index("ix_ca_orders_state_try", "state", "try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    open_key: Mapped[int | None] = mapped_column(unique=True)
    intent: Mapped[str] = mapped_column(String(40), unique=True)
    authority: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(16))
    product: Mapped[str] = mapped_column(String(80))
    names: Mapped[list[str]] = mapped_column(JSON)
    csr: Mapped[str] = mapped_column(Text)
    sealed_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    replaces: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[CaOrderState]
    url: Mapped[str | None] = mapped_column(String(500))
    problem: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(default=0)
    try_at: Mapped[datetime]
    give_up_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]


class Certificate(Base):
    """An issued certificate, whole and public; its key is sealed, and goes when it was retired.

    `fingerprint` and `key_hash` are SHA-256 in hex, of the certificate and of its public key (SubjectPublicKeyInfo).
    `published_at` is when its page was first fetched back, `announced_at` when the notice went out with that page,
    `swap_at` and `swap_until` the window in which it goes into service. `window_*` is what the CA advises (ARI).
    """

    __tablename__ = "certificates"
    __table_args__ = (UniqueConstraint("site_id", "fingerprint"), Index("ix_certificates_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    ca_order_id: Mapped[int | None] = mapped_column(ForeignKey("ca_orders.id"), unique=True)
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("certificates.id"))
    state: Mapped[CertificateState]
    chain: Mapped[str] = mapped_column(Text)
    sealed_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    fingerprint: Mapped[str] = mapped_column(String(64))
    key_hash: Mapped[str] = mapped_column(String(64))
    serial: Mapped[str] = mapped_column(String(64))
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    issued_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    swap_at: Mapped[datetime | None]
    swap_until: Mapped[datetime | None]
    emergency: Mapped[str | None] = mapped_column(String(200))
    in_service_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    window_start: Mapped[datetime | None]
    window_end: Mapped[datetime | None]
    window_ask_at: Mapped[datetime | None]


class CertificateEvent(Base):
    """Append-only: what happened to a site's certificates and orders, by whom, why, and under which clause."""

    __tablename__ = "certificate_events"
    __table_args__ = (Index("ix_certificate_events_site", "site_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    certificate_id: Mapped[int | None] = mapped_column(ForeignKey("certificates.id"))
    ca_order_id: Mapped[int | None] = mapped_column(ForeignKey("ca_orders.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(48))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(String(16))


class CaAccount(Base):
    """The key of our account at a CA, sealed: written down before the CA hears of it. The account is found by it."""

    __tablename__ = "ca_accounts"

    authority: Mapped[str] = mapped_column(String(32), primary_key=True)
    directory: Mapped[str] = mapped_column(String(500))
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class Finding(Base):
    """Something wrong with what is served or resolved, from when it was first seen until it was no longer.

    `subject` is an endpoint (`HOST:PORT`), a domain or a site; `open_key` is subject and kind while it is open.
    """

    __tablename__ = "findings"
    __table_args__ = (Index("ix_findings_subject", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    open_key: Mapped[str | None] = mapped_column(String(320), unique=True)
    clause: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(270))
    kind: Mapped[str] = mapped_column(String(48))
    detail: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
