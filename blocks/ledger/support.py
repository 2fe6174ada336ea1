"""Tables of people's requests and what they lead to: tickets, their events, proposed compensations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import CompensationState, TicketState


class Ticket(Base):
    """A request of a user or of the ОЦП Operator. Its timers are computed from its events, never stored."""

    __tablename__ = "tickets"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_tickets_state", "state", "agreement"),
        Index("ix_tickets_sender", "sender", "agreement"),
        Index("ix_tickets_duplicate_of", "duplicate_of_id"),
        Index("ix_tickets_outage", "outage_id"),
        Index("ix_tickets_service_received", "service", "received_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    source: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(200))
    agreement: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int | None]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    sender: Mapped[str] = mapped_column(String(254))
    language: Mapped[str] = mapped_column(String(2))
    service: Mapped[str | None] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(300))
    received_at: Mapped[datetime]
    state: Mapped[TicketState]
    duplicate_of_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    outage_id: Mapped[int | None] = mapped_column(ForeignKey("outages.id"))


class TicketEvent(Base):
    """Append-only: what happened to a ticket. `what` is the terms' (received, registered, asked, answered, ...)."""

    __tablename__ = "ticket_events"
    __table_args__ = (UniqueConstraint("ticket_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    key: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(254))
    text: Mapped[str] = mapped_column(Text)


class Compensation(Base):
    """Money proposed to a customer for a clause; it becomes an account entry when a second person approves.

    `amount_minor` is empty while a person must still say how much. The database refuses one person for both parts.
    """

    __tablename__ = "compensations"
    __table_args__ = (
        CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="ck_compensations_second_person"),
        CheckConstraint(
            "state <> 'approved' OR (coalesce(amount_minor, 0) > 0 AND coalesce(decided_by, '') <> '')",
            name="ck_compensations_whole",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    clause: Mapped[str] = mapped_column(String(16))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    outages: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[CompensationState]
    proposed_by: Mapped[str] = mapped_column(String(200))
    proposed_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
