"""Column types and states shared by the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: zone-aware in Python, UTC in the database. A naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite gets it without the offset it cannot keep."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in the ledger has a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database, always UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class OrderState(StrEnum):
    """TM Forum's product order states, those that occur here. `pending` waits for the money."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    PENDING = "pending"
    HELD = "held"
    IN_PROGRESS = "inProgress"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class ServiceState(StrEnum):
    """TM Forum's service states, those that occur here."""

    DESIGNED = "designed"
    RESERVED = "reserved"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class InboxState(StrEnum):
    """An event: new, worked on, done, or parked for a person after too many attempts."""

    NEW = "new"
    CLAIMED = "claimed"
    DONE = "done"
    PARKED = "parked"


class PaymentState(StrEnum):
    """A payment as its provider tells it; `intended` is written before the provider is asked."""

    INTENDED = "intended"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    DISPUTED = "disputed"


class NoticeState(StrEnum):
    """A notice: queued, in the middle of sending, sent, proven delivered, bounced, or given up."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"


class ObligationState(StrEnum):
    """An obligation: open, fulfilled (in time or late), or lifted because nothing is owed any more."""

    OPEN = "open"
    FULFILLED = "fulfilled"
    LIFTED = "lifted"


class WindowState(StrEnum):
    """A maintenance window: planned, open, closed, or cancelled before it opened."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class WorkState(StrEnum):
    """A piece of work: queued, planned into a window, running, done, undone after a failure, or with a person."""

    QUEUED = "queued"
    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"
    HANDED = "handed"
    CANCELLED = "cancelled"


class ProbeState(StrEnum):
    """What a vantage point saw of a service."""

    UP = "up"
    DOWN = "down"


class TicketState(StrEnum):
    """A ticket: open, waiting for its user, resolved, or joined to another as a duplicate."""

    OPEN = "open"
    WAITING = "waiting"
    RESOLVED = "resolved"
    DUPLICATE = "duplicate"


class CompensationState(StrEnum):
    """A compensation: proposed, approved by a second person, or declined."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DECLINED = "declined"


class ActState(StrEnum):
    """The act of a month: open, its data reported, made out, signed by both, paid and closed."""

    OPEN = "open"
    REPORTED = "reported"
    MADE = "made"
    SIGNED = "signed"
    CLOSED = "closed"


class LogBatchState(StrEnum):
    """A batch of log records: in the spool, being packed into segments, sealed in the archive, or refused."""

    SPOOLED = "spooled"
    PACKING = "packing"
    SEALED = "sealed"
    REFUSED = "refused"


class LogGrantState(StrEnum):
    """Access to logs: asked for, granted by a second person, declined, or taken back before its end."""

    ASKED = "asked"
    GRANTED = "granted"
    DECLINED = "declined"
    REVOKED = "revoked"


class PurgeState(StrEnum):
    """A destruction: planned, its keys destroyed, its objects deleted, or proven and put into an act."""

    PLANNED = "planned"
    KEYS_DESTROYED = "keys_destroyed"
    DELETED = "deleted"
    PROVEN = "proven"


class CaOrderState(StrEnum):
    """An order at a CA: written down, placed there, issued; held for a person, refused by the CA, or given up."""

    INTENDED = "intended"
    PLACED = "placed"
    ISSUED = "issued"
    HELD = "held"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class CertificateState(StrEnum):
    """A certificate: issued, published, announced, in service, retired, or revoked."""

    ISSUED = "issued"
    PUBLISHED = "published"
    ANNOUNCED = "announced"
    IN_SERVICE = "in_service"
    RETIRED = "retired"
    REVOKED = "revoked"
