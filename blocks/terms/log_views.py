"""What people see of the intake of logs."""

from __future__ import annotations

from datetime import date

from blocks.terms.base import Frozen


class IntakePeriod(Frozen):
    """What was sealed of one period: classes, the day of the end of handling, segments, records, bytes unpacked."""

    classes: str
    day: date
    segments: int
    records: int
    raw_bytes: int


class Intake(Frozen):
    """What was sealed in the last 24 hours, what waits in the spool, what was refused or came too late."""

    periods: tuple[IntakePeriod, ...]
    waiting: int
    dropped: int
    refused: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
