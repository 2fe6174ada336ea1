"""Copies of the ledger: one every day (OT-10), and none that outlives the registration data in it (QS-8.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.qs_ending import EndFacts, destroy_registration
from blocks.terms.zones import KYIV

_BETWEEN_RUNS = timedelta(days=1)
"""Expired copies are looked for once a day: so much earlier than a deadline must a copy have expired."""


class CopyFacts(Frozen):
    """When the last copy was made that a restore proved; before the first one, when the installation began."""

    last_copy_at: Moment


@rule("OT-10", CopyFacts)
def daily_copy(facts: CopyFacts) -> Decision:
    """A backup is made every day: after one, the next is due when the next calendar day of Kyiv ends.

    A copy counts when it was restored and compared. `day` is the day that it is owed for. The clause names no hour.
    """
    deadline = in_calendar_days(facts.last_copy_at, 1, KYIV)
    day = local_date(facts.last_copy_at, KYIV) + timedelta(days=1)
    return Decision(
        clause="OT-10",
        verdict=Verdict.DUE,
        what="a copy of the day",
        deadline=deadline,
        values={"day": day.isoformat()},
    )


def expires_at(made_at: datetime, ended: Iterable[datetime] = ()) -> datetime:
    """From when on a copy is destroyed; at exactly that instant it is. Moments are UTC.

    `ended` are the ends of the agreements whose registration data is in the copy.
    A copy made before an agreement ended is gone in time by its days alone. One made after the end, while the data
    was not destroyed yet, must go sooner: a day before the deadline of QS-8.3, since copies are looked through once
    a day. A copy lives a day in any case: the ledger itself holds the same data then, and OT-10 wants a copy.
    """
    days = RETENTION_POLICY.on(local_date(made_at, KYIV)).copy_days
    bounds = [made_at + timedelta(days=days)]
    for moment in ended:
        deadline = destroy_registration(EndFacts(ended_at=moment)).deadline
        if deadline is not None:
            bounds.append(deadline.due - _BETWEEN_RUNS)
    return max(made_at + _BETWEEN_RUNS, min(bounds))


class CopyLine(Frozen):
    """A copy in the store of objects. What only the ledger knows is None where no ledger tells it.

    `opens` says whether its key is there; `size` is in bytes.
    """

    name: str
    made_at: Moment
    opens: bool
    expires_at: Moment
    size: int | None = None
    rows: int | None = None
    verified_at: Moment | None = None


class RestoreView(Frozen):
    """What a restore did, or in a dry run would do. No content of the ledger is in it.

    `counts` are rows by table in the copy. `customers` and `periods` were destroyed since the copy and are destroyed
    again. `found` are periods that only the key store knows: they get their rows back, so that they end in time.
    `letters` to others than us and `events` of the inbox may have been sent and worked on since: a person decides.
    `unknown_segments` lie in the archive without a row. `newest` is the newest copy made after this one that opens, and
    `behind` how many more rows it holds, by table.
    """

    name: str
    made_at: Moment
    revision: str
    counts: Mapping[str, int]
    customers: tuple[int, ...]
    periods: tuple[str, ...]
    found: tuple[str, ...]
    letters: int
    events: int
    unknown_segments: int
    newest: str | None
    behind: Mapping[str, int]
    done: bool
