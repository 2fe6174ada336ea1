"""The facts and terms of a certificate's replacement, and the plan that is made of them."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from pydantic import Field, model_validator

from blocks.terms.base import Frozen, Moment
from blocks.terms.intervals import Interval
from blocks.terms.works import KS_CLOSES, KS_OPENS, SATURDAY
from blocks.terms.zones import MOSCOW

MOST_SAID = 200
"""Characters of the reason of an emergency."""
_DAY, _NONE = timedelta(days=1), timedelta(0)
_LONGEST_MONTH = timedelta(days=31, hours=1)


class WeekWindow(Frozen):
    """A time of every week in which swaps are permitted: from `opens` to `closes` on one day; Monday is 0."""

    weekday: int = Field(ge=0, le=6)
    opens: time
    closes: time
    zone: str

    @model_validator(mode="after")
    def _lasts(self) -> WeekWindow:
        if self.opens >= self.closes:
            raise ValueError("a window opens before it closes")
        return self


class PlanTerms(Frozen):
    """What a plan keeps to. `margin`: how long the old certificate stays valid after the window of the swap.

    `least_margin` is what is left of it when a window was missed and the next one is taken. `work`: the time for
    issuing with all its retries, before the last moment of the notice. The notice is counted on the wall clock of the
    window's zone.
    """

    margin: timedelta
    least_margin: timedelta = Field(ge=_NONE)
    work: timedelta = Field(ge=_NONE)
    windows: tuple[WeekWindow, ...] = Field(min_length=1)
    notice_months: int = Field(default=1, ge=1, le=12)

    @model_validator(mode="after")
    def _has_its_margin(self) -> PlanTerms:
        if self.margin < self.least_margin:
            raise ValueError("the margin is not less than the least one")
        return self

    @property
    def length(self) -> timedelta:
        """How long the longest of the windows is."""
        return max(closes - opens for opens, closes in map(_minutes, self.windows))

    @property
    def least(self) -> timedelta:
        """The lifetime from which every replacement can keep the promise, whatever the month; in whole days."""
        gap = timedelta(days=7, hours=1)
        needed = _LONGEST_MONTH * self.notice_months + gap + self.length + self.margin + self.work
        return -(-needed // _DAY) * _DAY

    @property
    def shortest(self) -> timedelta:
        """The lifetime down to which, and not at which, the old one can be kept until the new one serves."""
        return self.work + self.length + self.margin


def _minutes(window: WeekWindow) -> tuple[timedelta, timedelta]:
    opens, closes = window.opens, window.closes
    return timedelta(hours=opens.hour, minutes=opens.minute), timedelta(hours=closes.hour, minutes=closes.minute)


_KS_WINDOW = WeekWindow(weekday=SATURDAY, opens=KS_OPENS, closes=KS_CLOSES, zone=MOSCOW)
KS_PLAN = PlanTerms(
    margin=timedelta(days=8), least_margin=timedelta(hours=12), work=timedelta(days=3), windows=(_KS_WINDOW,)
)
"""A swap that fails or is missed has another Saturday before the old certificate ends."""
KS_SHORT = PlanTerms(
    margin=timedelta(hours=12), least_margin=timedelta(hours=12), work=timedelta(hours=30), windows=(_KS_WINDOW,)
)
"""For lifetimes that leave no spare Saturday; just so much that 47 days give a swap every second week."""
_ROOMY_FROM = timedelta(days=60)


def ks_terms(lifetime: timedelta) -> PlanTerms:
    """What we keep to under KS with certificates of a lifetime."""
    return KS_PLAN if lifetime >= _ROOMY_FROM else KS_SHORT


class RenewalWindow(Interval):
    """When a CA advises to renew (ARI, RFC 9773). `why` is its explanation, empty in the ordinary course."""

    why: str = ""


class Successor(Frozen):
    """The successor that was issued, and what customers were told of it; `swap` is the window that they were told."""

    not_before: Moment
    not_after: Moment
    published_at: Moment | None = None
    announced_at: Moment | None = None
    swap: Interval | None = None

    @property
    def told_at(self) -> datetime | None:
        """When customers had the notice and the certificate, both."""
        if self.published_at is None or self.announced_at is None:
            return None
        return max(self.published_at, self.announced_at)


class PlanFacts(Frozen):
    """One certificate, as it was issued, and what there is of its successor.

    `serves_from` is when it went or will go into service (None: since it was issued). `lifetime` is what the successor
    will have (None: the same). `draw` places our order in the CA's window, from 0 (its start) to 1. A successor that
    ends before it could serve is none: leave it out. `emergency` says why it cannot wait (its key is known to
    others, it was revoked), empty where it can. `soon`: its site needs another before its time, all promises kept (a
    name was added).
    """

    not_before: Moment
    not_after: Moment
    now: Moment
    serves_from: Moment | None = None
    lifetime: timedelta | None = Field(default=None, gt=_NONE)
    ari: RenewalWindow | None = None
    draw: float = Field(default=0, ge=0, le=1)
    emergency: str = Field(default="", max_length=MOST_SAID)
    soon: bool = False
    successor: Successor | None = None

    @model_validator(mode="after")
    def _lives(self) -> PlanFacts:
        if self.not_after <= self.not_before:
            raise ValueError("a certificate ends after it begins")
        return self

    @property
    def serves(self) -> datetime:
        """From when it is in service."""
        return self.serves_from or self.not_before

    @property
    def next_lifetime(self) -> timedelta:
        """How long the successor lives from its issue."""
        return self.lifetime or self.not_after - self.not_before


class Replacement(Frozen):
    """The plan of one replacement. `replaced` and `successor` are the validity of the two, expected where not issued.

    Order at `issue_at`, announce and publish at `announce_at` and at the latest by `announce_by`, swap in `swap`, keep
    the old one until `retire_at`; a moment that is past is overdue. `noticed` tells whether customers have their month,
    `in_window` whether the swap lies in a permitted window. `finding` says in plain words what a person should know and
    do, and is never empty when one of the two is false. `emergency` is the reason to record for a swap that was not
    planned. Whatever it says, the swap takes place: a promise of notice is no reason for an outage.
    """

    replaced: Interval
    successor: Interval
    issue_at: Moment
    announce_by: Moment
    announce_at: Moment
    swap: Interval
    retire_at: Moment
    noticed: bool
    in_window: bool
    finding: str = ""
    emergency: str = ""

    @property
    def kept(self) -> bool:
        """Whether the promise is kept: the month, and the window."""
        return self.noticed and self.in_window
