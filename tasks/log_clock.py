"""Whether the clock can be believed before something is done that does not come back."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from blocks.errors import Refused, Transient
from blocks.ledger import LogJournal, reading
from blocks.office import Office
from blocks.terms.policy import RETENTION_POLICY

PLANNED, IDLE = "purge.planned", "purge.idle"
"""Journal lines: each purge writes one of them when it begins, so that a pause shows."""
_TOLERANCE = timedelta(minutes=5)
"""Clocks of several machines differ by less."""


def doubt_of_clock(office: Office, *, now: datetime) -> Refused | None:
    """Why the clock is not believed, if it is not.

    "clock": it stands before what was already recorded. "pause": more days than our policy allows have passed since
    the last purge, so it may have jumped ahead, and what is still owed would be destroyed.
    """
    with reading(office.sessions) as session:
        newest = session.scalar(select(func.max(LogJournal.at)))
        purged = session.scalar(select(func.max(LogJournal.at)).where(LogJournal.kind.in_([PLANNED, IDLE])))
        # Before the first purge the newest line counts, which is of the intake where there are logs.
        last = purged or newest
    if newest is not None and now < newest - _TOLERANCE:
        return Refused("clock", f"the clock was set back: it is {now.isoformat()}, and {newest.isoformat()} has been")
    allowed = timedelta(days=RETENTION_POLICY.on(now.date()).purge_pause_days)
    if last is not None and now - last > allowed:
        what = "purge" if purged else "entry of the journal"
        return Refused("pause", f"the last {what} was at {last.isoformat()}: a person says whether the clock is right")
    return None


def believe_clock(office: Office, *, now: datetime) -> None:
    """Raise Transient where the clock is in doubt: what seems too late to be stored may be in time, and is kept."""
    if (doubt := doubt_of_clock(office, now=now)) is not None:
        raise Transient(f"records seem to come after their term, but {doubt}")
