"""Tables of stopping and failing: queued works, maintenance windows and their agreement, probes, outages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import ProbeState, WindowState, WorkState


class Window(Base):
    """A time in which works may stop services. The database lets it open only when whoever must agree has agreed.

    `kind` is the terms' (planned, daily, urgent, emergency); `finish` is a person's word that nothing more is to be
    begun; `lease_*` let one worker run it at a time.
    """

    __tablename__ = "windows"
    __table_args__ = (Index("ix_windows_state_starts", "state", "starts_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    services: Mapped[list[str]] = mapped_column(JSON)
    agreements: Mapped[list[str]] = mapped_column(JSON)
    what: Mapped[str] = mapped_column(Text)
    state: Mapped[WindowState]
    needs_agreement: Mapped[bool]
    planned_by: Mapped[str] = mapped_column(String(200))
    planned_at: Mapped[datetime]
    discovered_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    finish: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]


class WindowEvent(Base):
    """Append-only: what happened to a window, when, by whom, and under which clause."""

    __tablename__ = "window_events"
    __table_args__ = (Index("ix_window_events_window", "window_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("windows.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(48))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(String(16))


class Approval(Base):
    """The ОЦП Operator's answer on a window: who gave it, when, and the proof. Append-only: an answer is not edited."""

    __tablename__ = "approvals"

    id: Mapped[int] = mapped_column(primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("windows.id"), unique=True)
    agreed: Mapped[bool]
    who: Mapped[str] = mapped_column(String(200))
    proof: Mapped[str] = mapped_column(Text)
    recorded_by: Mapped[str] = mapped_column(String(200))
    answered_at: Mapped[datetime]
    at: Mapped[datetime]


class Work(Base):
    """A piece of work that waits for a window or was done in one, by the runbook of that name."""

    __tablename__ = "works"
    __table_args__ = (Index("ix_works_state", "state"), Index("ix_works_window", "window_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    runbook: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    requested_by: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    state: Mapped[WorkState]
    window_id: Mapped[int | None] = mapped_column(ForeignKey("windows.id"))
    position: Mapped[int] = mapped_column(default=0)
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    detail: Mapped[str | None] = mapped_column(Text)


class ProbeSpan(Base):
    """A time through which one vantage point knew a service to be in one state. What no span covers is unknown."""

    __tablename__ = "probe_spans"
    __table_args__ = (
        UniqueConstraint("service", "vantage", "began_at"),
        Index("ix_probe_spans_until", "service", "vantage", "until_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(String(64))
    vantage: Mapped[str] = mapped_column(String(32))
    state: Mapped[ProbeState]
    began_at: Mapped[datetime]
    until_at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(String(300))


class Outage(Base):
    """A time without a service as it was first recorded; what people decided later stands in `outage_decisions`.

    `source` is `probe`, `ticket` or `operator`; `told_at` is when the agreements' notices were queued.
    """

    __tablename__ = "outages"
    __table_args__ = (Index("ix_outages_service_began", "service", "began_at"), Index("ix_outages_ended", "ended_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    service: Mapped[str] = mapped_column(String(64))
    agreements: Mapped[list[str]] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(16))
    began_at: Mapped[datetime]
    discovered_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    what: Mapped[str] = mapped_column(Text)
    told_at: Mapped[datetime | None]


class OutageDecision(Base):
    """Append-only: what a person decided on an outage; the newest of each kind holds, the earlier ones stay.

    `kind` is `counted` (value `yes` or `no`, KS-3.9), `cause` (text), `began_at` or `ended_at` (ISO moments).
    """

    __tablename__ = "outage_decisions"
    __table_args__ = (Index("ix_outage_decisions_outage", "outage_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    outage_id: Mapped[int] = mapped_column(ForeignKey("outages.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(String(16))
