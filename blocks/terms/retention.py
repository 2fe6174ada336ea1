"""How long logs live: what must be kept, what must be gone, by class and day of the end of handling.

QSockets (QS) handles messages: payload logs (содержание) and metadata logs (метаданные). The ОЦП's logs are those of
the interaction with the platform. `audit` is our own journal of what was done, of which no agreement speaks.

A period in months that begins with an event is counted in days: it ends when the same day of its last month ends, on
the wall clock of the agreement. So everything of one class and one day of the end of handling has one life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import at_wall, end_of_day, local_date, months_later
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.tariffs import Timeline
from blocks.terms.zones import ASTANA, MOSCOW

_INSTANT = timedelta(microseconds=1)
_FIRST = date(2018, 1, 1)
Months = Annotated[int, Field(ge=1, le=1200)]


class LogClass(StrEnum):
    """What a log record is. In this order they are written, and the first one's zone gives the day."""

    PAYLOAD = "qs-payload"
    METADATA = "qs-metadata"
    PLATFORM = "ocp"
    AUDIT = "audit"


class Term(Frozen):
    """The life of a class: months it must be kept, months after which it must be gone (None: nothing is said).

    `by_law` marks a term that reaches records of before its first day as well, shorter or longer (else they keep the
    term of their own day).
    """

    clause: str
    zone: str
    keep: Months
    gone: Months | None
    by_law: bool = False


Terms = Mapping[LogClass, Timeline[Term]]


def _since_the_first(clause: str, zone: str, keep: int, gone: int | None) -> Timeline[Term]:
    term = Term(clause=clause, zone=zone, keep=keep, gone=gone)
    return Timeline(f"log term of {clause or 'our own audit'}", [(_FIRST, term)])


TERMS: Terms = MappingProxyType(
    {
        LogClass.PAYLOAD: _since_the_first("QS-3.5.3a", MOSCOW, 6, 6),
        LogClass.METADATA: _since_the_first("QS-3.5.3b", MOSCOW, 36, 36),
        LogClass.PLATFORM: _since_the_first("OCP-P2.8b", ASTANA, 12, None),
        LogClass.AUDIT: _since_the_first("", MOSCOW, RETENTION_POLICY.on(_FIRST).audit_months, None),
    }
)


def in_order(classes: Sequence[LogClass]) -> tuple[LogClass, ...]:
    """Classes of a record, each once, in their own order. Raises ValueError for none."""
    if not classes:
        raise ValueError("a log record has a class")
    return tuple(one for one in LogClass if one in classes)


def zone_of(classes: Sequence[LogClass]) -> str:
    """The zone in which the day of a record's end of handling is taken: that of its first class."""
    return TERMS[in_order(classes)[0]].entries[0][1].zone


def day_of(classes: Sequence[LogClass], ended_at: datetime) -> date:
    """The day of the end of handling."""
    return local_date(ended_at, zone_of(classes))


def term_on(log_class: LogClass, day: date, *, today: date, terms: Terms = TERMS) -> Term:
    """The term that a record of `day` has, seen from `today`.

    It is the one that held on that day. A later one reaches it only when it is by law, and from its own first day on.
    """
    found = terms[log_class].on(day)
    for since, later in terms[log_class].entries:
        if day < since <= today and later.by_law:
            found = later
    return found


class Life(Frozen):
    """The life of everything of some classes and one day: instants in UTC.

    It is kept until `kept_until` (00:00 after its last lawful day: from that instant on it may be destroyed), and
    destroyed by `gone_by`, inclusive. `contradiction` says what two terms cannot both have, empty when they can.
    """

    kept_until: Moment
    gone_by: Moment
    clauses: tuple[str, ...]
    zone: str
    contradiction: str = ""


def life(classes: Sequence[LogClass], day: date, *, today: date, terms: Terms = TERMS) -> Life:
    """The life of the records of some classes whose handling ended on `day`; `today` decides which terms reach them.

    A record of several classes is kept as long as each of them must be, and gone when the first of them must be. Where
    that cannot be, it is kept (what is destroyed does not come back) and a person must know: `contradiction`.
    Destruction itself is allowed the hours of our policy, since the agreements say only "automatically".
    """
    ordered = in_order(classes)
    zone = zone_of(ordered)
    last = end_of_day(day, zone) - _INSTANT
    kept: list[tuple[datetime, Term]] = []
    gone: list[tuple[datetime, Term]] = []
    for one in ordered:
        term = term_on(one, day, today=today, terms=terms)
        ended = local_date(last, term.zone)
        kept.append((end_of_day(months_later(ended, term.keep), term.zone), term))
        if term.gone is not None:
            gone.append((end_of_day(months_later(ended, term.gone), term.zone), term))
    kept_until, keeper = max(kept, key=lambda pair: pair[0])
    must_go, goer = min(gone, key=lambda pair: pair[0]) if gone else (kept_until, keeper)
    hours = RETENTION_POLICY.on(day).destroy_hours
    return Life(
        kept_until=kept_until,
        gone_by=max(kept_until, must_go) + timedelta(hours=hours),
        clauses=tuple(term.clause for _, term in kept if term.clause),
        zone=zone,
        contradiction="" if must_go >= kept_until else f"{goer.clause} ends before {keeper.clause or 'our audit'} does",
    )


def longest_days(log_class: LogClass, *, terms: Terms = TERMS) -> int:
    """Days that no record of a class outlives by any of its terms, destruction included."""
    months = max(max(term.keep, term.gone or 0) for _, term in terms[log_class].entries)
    return months * 31 + 3


def begins_at(classes: Sequence[LogClass], day: date) -> datetime:
    """The first instant of a day of those classes, in UTC."""
    return at_wall(day, datetime.min.time(), zone_of(classes))


class HandledFacts(Frozen):
    """When the handling of a message or of an exchange ended."""

    ended_at: Moment


def _destroy(clause: str, log_class: LogClass, what: str, facts: HandledFacts) -> Decision:
    day = day_of([log_class], facts.ended_at)
    lives = life([log_class], day, today=day)
    return Decision(
        clause=clause,
        verdict=Verdict.DUE,
        what=what,
        deadline=Deadline(due=lives.gone_by, zone=lives.zone),
        values={"kept_until": lives.kept_until.isoformat()},
    )


@rule("QS-3.5.3a", HandledFacts)
def payload_logs(facts: HandledFacts) -> Decision:
    """Payload logs are kept for 6 calendar months from the end of handling, then destroyed beyond recovery.

    They are kept to the end of the same day (Moscow) of the sixth month, or of its last day. `kept_until` is the
    instant from which they may be destroyed; the deadline allows the hours of our policy for doing it.
    """
    return _destroy("QS-3.5.3a", LogClass.PAYLOAD, "destroy payload logs beyond recovery", facts)


@rule("QS-3.5.3b", HandledFacts)
def metadata_logs(facts: HandledFacts) -> Decision:
    """Metadata logs are kept for 3 calendar years (36 months) from the end of handling, then likewise."""
    return _destroy("QS-3.5.3b", LogClass.METADATA, "destroy metadata logs beyond recovery", facts)


@rule("OCP-P2.8b", HandledFacts)
def platform_logs(facts: HandledFacts) -> Decision:
    """Logs of the interaction with the platform are kept for 12 calendar months, days of Astana.

    When they must be gone is not said. They may hold personal data, so we destroy them as soon as they may be.
    """
    return _destroy("OCP-P2.8b", LogClass.PLATFORM, "destroy the logs of the interaction", facts)


class ResidencyFacts(Frozen):
    """Whether data are personal data of Russian citizens, and the country in which the archive is declared to stand.

    `country` is its ISO 3166 code of two letters; empty when nobody declared it.
    """

    russian_citizens: bool
    country: str = Field(pattern=r"^([A-Z]{2})?$")


@rule("QS-3.8.3", ResidencyFacts)
def residency(facts: ResidencyFacts) -> Decision:
    """Personal data of Russian citizens are recorded and stored only on servers that are declared to stand in Russia.

    An archive that nobody declared is refused as one abroad is.
    """
    allowed = not facts.russian_citizens or facts.country == "RU"
    where = facts.country or "a country that nobody declared"
    return Decision(
        clause="QS-3.8.3",
        verdict=Verdict.ALLOWED if allowed else Verdict.REFUSED,
        what="may be stored here" if allowed else f"personal data of Russian citizens do not go to {where}",
    )
