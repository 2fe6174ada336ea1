"""Tables around the main job: the inbox, notices, documents, obligations, refusals."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import InboxState, NoticeState, ObligationState


class InboxEvent(Base):
    """An outside event, stored once by (source, event_id) before it is acknowledged."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("source", "event_id"), Index("ix_inbox_state_next", "state", "next_try_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(48))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    payload_sha256: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime]
    state: Mapped[InboxState]
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class Refusal(Base):
    """How many requests were turned away, by day, source and reason; nothing else of them is kept."""

    __tablename__ = "refusals"

    day: Mapped[date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(48), primary_key=True)
    count: Mapped[int]


class Document(Base):
    """A document in the archive: its place, its size in bytes and its sha256."""

    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    title: Mapped[str] = mapped_column(String(200))
    file_name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Notice(Base):
    """A notice: queued with its facts, composed once, then sent; delivery and bounce are its evidence.

    `about` is the number of the window, outage, ticket or act that it tells of; `documents` are the keys of what is
    attached. `facts` and `body` hold no secret: the link to a one-time page stands in the body as a placeholder.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_state_next", "state", "next_try_at"),
        Index("ix_notices_order", "order_id"),
        Index("ix_notices_recipient_next", "recipient", "next_try_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(48))
    agreement: Mapped[str] = mapped_column(String(8))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    about: Mapped[str | None] = mapped_column(String(24), index=True)
    obligation_id: Mapped[int | None] = mapped_column(ForeignKey("obligations.id"))
    recipient: Mapped[str] = mapped_column(String(254))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    subject: Mapped[str | None] = mapped_column(String(300))
    body: Mapped[str | None] = mapped_column(Text)
    documents: Mapped[list[str]] = mapped_column(JSON)
    secret_purpose: Mapped[str | None] = mapped_column(String(48))
    state: Mapped[NoticeState]
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    diagnostic: Mapped[str | None] = mapped_column(Text)


class Obligation(Base):
    """A clock that an agreement started: what is owed, by when, and the evidence that it was done."""

    __tablename__ = "obligations"
    __table_args__ = (
        UniqueConstraint("clause", "subject", "what"),
        Index("ix_obligations_state_due", "state", "due_at"),
        Index("ix_obligations_subject", "subject"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clause: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(200))
    opened_at: Mapped[datetime]
    warn_at: Mapped[datetime]
    due_at: Mapped[datetime]
    provisional: Mapped[bool] = mapped_column(default=False)
    state: Mapped[ObligationState]
    warned_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    fulfilled_at: Mapped[datetime | None]
    evidence: Mapped[str | None] = mapped_column(Text)
