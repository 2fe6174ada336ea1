"""Frozen view models of service: status, maintenance, unavailability, availability and tickets.

Tasks read them from the ledger and reports turn them into documents. Moments are UTC; `zone` is the IANA zone on whose
wall clock a reader sees them. Seconds are exact decimals; percentages are decimal text without a sign (`99.9991`).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from blocks.terms.base import Frozen, Moment
from blocks.terms.zones import MOSCOW


class ServiceNow(Frozen):
    """A service at this moment; `since` is when that state began, if it is known."""

    name: str
    title: str
    state: Literal["up", "down", "works", "unknown"]
    since: Moment | None
    agreements: tuple[str, ...]


class WindowLine(Frozen):
    """A maintenance window in a list. `revision` grows with each change of it, the last of which is `changed_at`."""

    number: str
    starts_at: Moment
    ends_at: Moment
    zone: str
    state: Literal["planned", "open", "closed", "cancelled"]
    kind: str
    services: tuple[str, ...]
    what: str
    result: str
    revision: int = 0
    changed_at: Moment | None = None


class JournalLine(Frozen):
    """A fact of unavailability (факт недоступности); without `ended_at` and `seconds` it goes on.

    `counted`: whether it counts as ours; then `decided_by` and `reason` say who decided so and why.
    """

    number: str
    service: str
    group: str
    agreements: tuple[str, ...]
    began_at: Moment
    ended_at: Moment | None
    seconds: Decimal | None
    cause: str
    source: str
    counted: bool
    decided_by: str
    reason: str
    notified_at: Moment | None


class StatusPage(Frozen):
    """What anyone may see of a provider's services, shown on the clock of `zone`."""

    as_of: Moment
    provider: str
    services: tuple[ServiceNow, ...]
    windows: tuple[WindowLine, ...]
    journal: tuple[JournalLine, ...]
    zone: str = MOSCOW


class WorkLine(Frozen):
    """One piece of work in a window; `seconds` is how long the service stood because of it."""

    number: str
    title: str
    state: str
    began_at: Moment | None
    ended_at: Moment | None
    seconds: Decimal | None
    detail: str


class NoticeLine(Frozen):
    """Who had to be told of a window, by when at the latest, and when it was."""

    audience: str
    recipient: str
    clause: str
    latest: Moment
    sent_at: Moment | None
    state: str


class ApprovalLine(Frozen):
    """Who agreed to a window, when, and where the proof is."""

    who: str
    at: Moment
    proof: str


class StoryLine(Frozen):
    """One event: when, who, what."""

    at: Moment
    who: str
    what: str


class WindowReport(Frozen):
    """A maintenance window from its plan to its end."""

    number: str
    kind: str
    starts_at: Moment
    ends_at: Moment
    opened_at: Moment | None
    closed_at: Moment | None
    zone: str
    services: tuple[str, ...]
    agreements: tuple[str, ...]
    works: tuple[WorkLine, ...]
    notices: tuple[NoticeLine, ...]
    approval: ApprovalLine | None
    story: tuple[StoryLine, ...]


class DayCell(Frozen):
    """One day of a service on the agreement's calendar; a day that has not come has no cell."""

    day: date
    down_seconds: int
    planned_seconds: int
    unknown_seconds: int


class TargetLine(Frozen):
    """What an agreement allows, what is spent of it and, where it can be told, the spending by the period's end."""

    clause: str
    title: str
    allowed_seconds: Decimal
    spent_seconds: Decimal
    left_seconds: Decimal
    forecast_seconds: Decimal | None
    kept: bool
    at_risk: bool


class ServiceAvailability(Frozen):
    """A service in a period: by the agreement, with planned works as outages, and with unknown time as outages too.

    `burn` is what was left of `budget_seconds` at the end of each day; `forecast_seconds` is the spending by the
    period's end. Without a budget there is no such picture.
    """

    name: str
    title: str
    group: str
    percent_counted: str
    percent_with_planned: str
    percent_worst: str
    down_seconds: Decimal
    planned_seconds: Decimal
    unknown_seconds: Decimal
    count: int
    longest_seconds: Decimal
    days: tuple[DayCell, ...]
    budget_seconds: Decimal | None
    forecast_seconds: Decimal | None
    burn: tuple[tuple[date, Decimal], ...]


class AvailabilityReport(Frozen):
    """Availability under one agreement, from `starts_at`, included, to `ends_at`, left out, as known at `as_of`."""

    agreement: str
    period_title: str
    starts_at: Moment
    ends_at: Moment
    as_of: Moment
    zone: str
    services: tuple[ServiceAvailability, ...]
    targets: tuple[TargetLine, ...]
    outages: tuple[JournalLine, ...]


class SegmentView(Frozen):
    """A stretch of a ticket's timer, running or paused, and why; without `end` it goes on."""

    start: Moment
    end: Moment | None
    running: bool
    why: str


class TimerView(Frozen):
    """One clock that an agreement starts for a ticket."""

    clause: str
    name: str
    due: Moment | None
    met_at: Moment | None
    breached: bool
    spent_seconds: Decimal
    allowed_seconds: Decimal
    segments: tuple[SegmentView, ...]


class TicketView(Frozen):
    """A ticket with its clocks and all that happened to it."""

    number: str
    agreement: str
    kind: str
    priority: str
    state: str
    subject: str
    customer: str
    received_at: Moment
    zone: str
    timers: tuple[TimerView, ...]
    events: tuple[StoryLine, ...]
