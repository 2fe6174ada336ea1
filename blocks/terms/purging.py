"""What of the logs may be destroyed, what is held and by whom, at a moment: pure, from periods, holds and terms.

A period is everything of some classes and one day of the end of handling; its partitions are its projects. A period's
key dies as a whole, so partitions under a legal hold have theirs kept apart first; a partition of a period whose key is
destroyed was held, and goes when nothing holds it any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from pydantic import model_validator

from blocks.terms.base import Frozen, Moment
from blocks.terms.deadlines import end_of_day, local_date
from blocks.terms.retention import TERMS, Life, LogClass, Terms, life, zone_of
from blocks.terms.zones import MOSCOW


class Hold(Frozen):
    """A legal hold on some days; no `classes` or an empty `project` mean all of them.

    It stands from `placed_at` until `released_at`, or to the end of the day `until` (Moscow), whichever is first. A
    record of several classes is held when any of them is.
    """

    number: str
    classes: tuple[LogClass, ...] = ()
    project: str = ""
    day_from: date
    day_to: date
    until: date | None = None
    placed_at: Moment
    released_at: Moment | None = None

    @model_validator(mode="after")
    def _days_rise(self) -> Hold:
        if self.day_from > self.day_to:
            raise ValueError("the first day of a hold is not after its last")
        return self

    def ends_at(self) -> datetime | None:
        """The instant at which it no longer stands; None while nobody knows."""
        ends = [self.released_at] if self.released_at else []
        if self.until is not None:
            ends.append(end_of_day(self.until, MOSCOW))
        return min(ends, default=None)

    def stands(self, now: datetime) -> bool:
        """Whether it stands at that instant."""
        end = self.ends_at()
        return self.placed_at <= now and (end is None or now < end)

    def reaches(self, classes: Sequence[LogClass], day: date) -> bool:
        """Whether some project of that period is in its scope."""
        return self.day_from <= day <= self.day_to and (not self.classes or bool(set(self.classes) & set(classes)))

    def covers(self, classes: Sequence[LogClass], day: date, project: str) -> bool:
        """Whether that partition is in its scope."""
        return self.reaches(classes, day) and self.project in {"", project}


class Fate(Frozen):
    """What may happen to a period at a moment. Partitions by project; `held` names the holds of each.

    `doomed` may be destroyed, `key_dies` says that the period's own key goes too. `all_held_by` are the holds that
    reach every project, seen or not.
    """

    life: Life
    due: bool
    doomed: frozenset[str]
    held: Mapping[str, tuple[str, ...]]
    all_held_by: tuple[str, ...]
    key_dies: bool


def fate(
    classes: Sequence[LogClass],
    day: date,
    projects: Collection[str],
    holds: Sequence[Hold],
    *,
    destroyed: bool,
    now: datetime,
    terms: Terms = TERMS,
) -> Fate:
    """What may be destroyed of a period's partitions that are still there; `destroyed`: its key is gone already.

    Nothing is touched before `kept_until`, nor while a hold stands on it. From that instant on (inclusive) everything
    else may be. A key goes only where that destroys something, or where no record is left under it.
    """
    lives = life(classes, day, today=local_date(now, zone_of(classes)), terms=terms)
    standing = [hold for hold in holds if hold.stands(now) and hold.reaches(classes, day)]
    held = {
        project: tuple(hold.number for hold in standing if hold.covers(classes, day, project)) for project in projects
    }
    held = {project: numbers for project, numbers in held.items() if numbers}
    on_all = tuple(hold.number for hold in standing if not hold.project)
    due = lives.kept_until <= now
    doomed = frozenset(set(projects) - set(held)) if due else frozenset()
    empty = not projects and not on_all
    return Fate(
        life=lives,
        due=due,
        doomed=doomed,
        held=held,
        all_held_by=on_all,
        key_dies=due and not destroyed and (bool(doomed) or empty),
    )
