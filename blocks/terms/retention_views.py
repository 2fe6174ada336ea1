"""What the documents of a destruction of logs are rendered from. Bytes are bytes; moments are instants in UTC."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from blocks.terms.base import Frozen, Moment
from blocks.terms.retention import LogClass
from blocks.terms.revenue_views import Party


class DestroyedDay(Frozen):
    """A class-day of which something was destroyed. `held_*` is what a legal hold kept back, `holds` which ones.

    `keys_destroyed_at` is the moment from which nobody could read it. Where a killed packing left a key without
    segments, `segments` is 0 and there is no span.
    """

    classes: tuple[LogClass, ...]
    day: date
    zone: str
    clauses: tuple[str, ...]
    kept_until: Moment
    keys_destroyed_at: Moment
    segments: int
    records: int
    raw_bytes: int
    size: int
    first_at: Moment | None
    last_at: Moment | None
    held_segments: int
    held_records: int
    holds: tuple[str, ...]


class DestroyedSegment(NamedTuple):
    """A destroyed segment: its name in the archive and the SHA-256 of what was stored under it."""

    name: str
    sha256: str
    classes: str
    day: date
    records: int
    raw_bytes: int
    size: int
    first_at: datetime
    last_at: datetime


class Absence(Frozen):
    """What was looked for after a destruction, and not found.

    `folders` of the archive were listed with all versions and delete markers, `sampled` objects asked for by name,
    `keys` asked for in the key store and looked for in its `copies`. `strays` are versions without a living segment
    that were found on the way and deleted too.
    """

    checked_at: Moment
    folders: int
    listed: int
    strays: int
    sampled: int
    keys: int
    copies: int


class DestructionAct(Frozen):
    """An act of destruction: only what was verified stands in it."""

    number: str
    provider: Party
    executor: str
    planned_at: Moment
    keys_destroyed_at: Moment
    deleted_at: Moment
    days: tuple[DestroyedDay, ...]
    segments: tuple[DestroyedSegment, ...]
    absence: Absence
    journal_head: str
    segments_head: str
