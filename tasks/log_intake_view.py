"""The intake of logs as people see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from blocks.ledger import LogBatch, LogBatchState, LogPeriod, LogSegment, reading
from blocks.office import Office
from blocks.terms.log_views import Intake, IntakePeriod

_SHOWN = timedelta(days=1)


def intake(office: Office, *, refused: Sequence[str], troubles: Sequence[str], now: datetime) -> Intake:
    """What was sealed in the 24 hours before now, by period, and what waits."""
    since = now - _SHOWN
    with reading(office.sessions) as session:
        rows = session.execute(
            select(
                LogPeriod.classes,
                LogPeriod.day,
                func.count(),
                func.sum(LogSegment.records),
                func.sum(LogSegment.raw_bytes),
            )
            .join(LogSegment, LogSegment.period_id == LogPeriod.id)
            .where(LogSegment.sealed_at > since)
            .group_by(LogPeriod.classes, LogPeriod.day)
            .order_by(LogPeriod.day, LogPeriod.classes)
        )
        periods = tuple(
            IntakePeriod(classes=classes, day=day, segments=segments, records=int(records), raw_bytes=int(size))
            for classes, day, segments, records, size in rows
        )
        open_states = (LogBatchState.SPOOLED, LogBatchState.PACKING)
        waiting = session.scalar(select(func.count()).where(LogBatch.state.in_(open_states)))
        dropped = session.scalar(select(func.sum(LogBatch.dropped)).where(LogBatch.received_at > since))
    return Intake(
        periods=periods, waiting=waiting or 0, dropped=dropped or 0, refused=tuple(refused), troubles=tuple(troubles)
    )
