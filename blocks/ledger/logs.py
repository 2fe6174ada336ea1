"""Tables of logs and their destruction: batches, periods, segments, purges, holds, grants, the journal, copies.

No record's content is here, and no key: content lies sealed in the archive, keys in the key store. `chain` is the hash
of a row's unchanging columns and the `chain` before it: segments are one chain, the journal another.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import LogBatchState, LogGrantState, PurgeState


class LogBatch(Base):
    """Log records that came together, once by (source, event_id): over HTTP, as a dropped file, or from S3.

    `fingerprint` is a keyed hash of what came (its own bytes could be guessed from a bare one).
    `spool` names where they wait, sealed, until they are packed; `pack` is the packing that took them. `dropped`
    counts records that came when their term was over already: they are never stored.
    """

    __tablename__ = "log_batches"
    __table_args__ = (UniqueConstraint("source", "event_id"), Index("ix_log_batches_state", "state", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    records: Mapped[int]
    dropped: Mapped[int]
    raw_bytes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[LogBatchState]
    spool: Mapped[str | None] = mapped_column(String(120))
    pack: Mapped[str | None] = mapped_column(String(40), index=True)
    received_at: Mapped[datetime]
    sealed_at: Mapped[datetime | None]
    why: Mapped[str | None] = mapped_column(Text)


class LogPeriod(Base):
    """A day of the end of handling of some classes, under one key; `destroyed_at` is the moment its key was destroyed.

    `classes` is written `qs-metadata+ocp`; `day` is of the zone of the first class.
    """

    __tablename__ = "log_periods"
    __table_args__ = (UniqueConstraint("classes", "day"), Index("ix_log_periods_destroyed_at", "destroyed_at", "day"))

    id: Mapped[int] = mapped_column(primary_key=True)
    classes: Mapped[str] = mapped_column(String(64))
    day: Mapped[date]
    made_at: Mapped[datetime]
    destroyed_at: Mapped[datetime | None]


class LogPurge(Base):
    """A destruction of logs, planned once and taken to its proof. `keys` are the names of the keys it destroys.

    `incident` says what a verification found wrong; it is empty again when a later one proves the absence.
    """

    __tablename__ = "log_purges"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    state: Mapped[PurgeState]
    executor: Mapped[str] = mapped_column(String(200))
    planned_at: Mapped[datetime]
    keys: Mapped[list[str]] = mapped_column(JSON)
    keys_destroyed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    proven_at: Mapped[datetime | None]
    incident: Mapped[str | None] = mapped_column(Text)
    act_key: Mapped[str | None] = mapped_column(String(120))


class LogSegment(Base):
    """A sealed segment in the archive: a few megabytes of records of one partition (period and project).

    Only these ever change: `purge_id`, the purge that destroys it; `gone_at`, when its absence was proven; `locked`,
    whether the archive was told of a legal hold on it.
    """

    __tablename__ = "log_segments"
    __table_args__ = (
        Index("ix_log_segments_period_project", "period_id", "project"),
        Index("ix_log_segments_purge", "purge_id"),
        Index("ix_log_segments_project_last", "project", "last_at"),
        Index("ix_log_segments_locked", "locked"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(160), unique=True)
    period_id: Mapped[int] = mapped_column(ForeignKey("log_periods.id"))
    project: Mapped[str] = mapped_column(String(128))
    records: Mapped[int]
    raw_bytes: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(200))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    russian: Mapped[bool]
    pack: Mapped[str] = mapped_column(String(40))
    sealed_at: Mapped[datetime]
    chain: Mapped[str] = mapped_column(String(64), unique=True)
    purge_id: Mapped[int | None] = mapped_column(ForeignKey("log_purges.id"))
    gone_at: Mapped[datetime | None]
    locked: Mapped[bool] = mapped_column(default=False)


class LogHold(Base):
    """A legal hold: nothing of its scope is destroyed while it stands. Empty `classes` or `project` mean all.

    It stands from `placed_at` until it is released, or until the end of `until` (a day of Moscow) where one is named.
    """

    __tablename__ = "log_holds"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    person: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    classes: Mapped[str | None] = mapped_column(String(64))
    project: Mapped[str | None] = mapped_column(String(128))
    day_from: Mapped[date]
    day_to: Mapped[date]
    until: Mapped[date | None]
    placed_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(200))
    release_why: Mapped[str | None] = mapped_column(Text)


class LogGrant(Base):
    """Access to logs (QS-3.5.4): who needs what and why, who granted it until when. `login` is the reader's account."""

    __tablename__ = "log_grants"
    __table_args__ = (
        CheckConstraint("decided_by IS NULL OR decided_by <> person", name="ck_log_grants_second_person"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    state: Mapped[LogGrantState]
    person: Mapped[str] = mapped_column(String(200))
    login: Mapped[str] = mapped_column(String(64))
    need: Mapped[str] = mapped_column(Text)
    classes: Mapped[str] = mapped_column(String(64))
    project: Mapped[str] = mapped_column(String(128))
    day_from: Mapped[date]
    day_to: Mapped[date]
    hours: Mapped[int]
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    valid_until: Mapped[datetime | None]


class LogJournal(Base):
    """Append-only and hash-chained: who asked for, granted, read, held, released or destroyed logs, and when."""

    __tablename__ = "log_journal"
    __table_args__ = (Index("ix_log_journal_about", "about"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(24))
    about: Mapped[str] = mapped_column(String(160))
    who: Mapped[str] = mapped_column(String(200))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    chain: Mapped[str] = mapped_column(String(64), unique=True)


class LedgerCopy(Base):
    """An encrypted copy of the ledger (OT-10). `counts` are rows by table, `digest` the hash of what they held.

    Its key lies in the key store under `backup/NAME` and is destroyed when the copy is.
    """

    __tablename__ = "ledger_copies"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    made_at: Mapped[datetime]
    revision: Mapped[str] = mapped_column(String(16))
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(200))
    verified_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]


class AccountEnding(Base):
    """How a customer's registration ends: by idleness (QS-3.6.1) or with the agreement (QS-8.3).

    `ended_at` is the end of the agreement; `noticed_at` and `blocked_at` are steps of idleness. A customer who comes
    back before `deleted_at` makes the row end with `resumed_at`.
    """

    __tablename__ = "account_endings"
    __table_args__ = (Index("ix_account_endings_customer", "customer_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    clause: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(200))
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    noticed_at: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    act_key: Mapped[str | None] = mapped_column(String(120))
