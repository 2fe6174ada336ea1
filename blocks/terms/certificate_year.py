"""A year of one certificate's replacements ahead, and how long public CAs may issue for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from blocks.errors import Refused
from blocks.terms.base import Frozen, Moment
from blocks.terms.certificate_facts import PlanFacts, PlanTerms, Replacement, ks_terms
from blocks.terms.certificate_plan import plan_replacement
from blocks.terms.deadlines import local_date
from blocks.terms.intervals import Interval
from blocks.terms.tariffs import Timeline

PUBLIC_DAYS: Timeline[int] = Timeline(
    "public certificate lifetime",
    [(date(2020, 9, 1), 398), (date(2026, 3, 15), 200), (date(2027, 3, 15), 100), (date(2029, 3, 15), 47)],
)
"""The most days for which a publicly trusted certificate that is issued from that day on (UTC) may be valid."""


class YearPlan(Frozen):
    """The plan of one domain for documents: the time that is planned, the first certificate, and its replacements.

    `least_days` is the lifetime from which the promise can always be kept.
    """

    domain: str
    begins_at: Moment
    ends_at: Moment
    first: Interval
    replacements: tuple[Replacement, ...]
    least_days: int


def public_lifetime(moment: datetime) -> timedelta:
    """The longest lifetime of a public certificate issued at a moment. Raises NotFound before September 2020."""
    return timedelta(days=PUBLIC_DAYS.on(local_date(moment, "UTC")))


def year_plan(
    first: Interval,
    lifetime_of: Callable[[datetime], timedelta],
    until: datetime,
    *,
    terms_of: Callable[[timedelta], PlanTerms] = ks_terms,
) -> tuple[Replacement, ...]:
    """The replacements that begin before `until`, of a certificate that serves since it was issued, and of each next.

    `first` is its validity; `lifetime_of` gives that of a certificate issued at a moment, `terms_of` what is kept to
    with a lifetime. Raises Refused for lifetimes so short that a successor ends before it could be replaced.
    """
    made: list[Replacement] = []
    validity, serves_from = first, first.start
    while True:
        replacement = _next(validity, serves_from, lifetime_of, terms_of)
        if replacement.swap.start >= until:
            return tuple(made)
        made.append(replacement)
        validity, serves_from = replacement.successor, replacement.swap.start


def _next(
    validity: Interval,
    serves_from: datetime,
    lifetime_of: Callable[[datetime], timedelta],
    terms_of: Callable[[timedelta], PlanTerms],
) -> Replacement:
    """The plan as it stands when the certificate is issued; its successor's lifetime is that of its own issue."""
    lifetime = lifetime_of(validity.start)
    while True:
        shorter = min(validity.span.length, lifetime)
        terms = terms_of(shorter)
        if shorter <= terms.shortest:
            raise Refused("lifetime", f"a certificate that is valid for {shorter} ends before it could be replaced")
        facts = PlanFacts(
            not_before=validity.start,
            not_after=validity.end,
            now=validity.start,
            serves_from=serves_from,
            lifetime=lifetime,
        )
        planned = plan_replacement(facts, terms)
        actual = lifetime_of(planned.issue_at)
        if actual >= lifetime:
            return planned.model_copy(
                update={"successor": Interval(start=planned.issue_at, end=planned.issue_at + actual)}
            )
        lifetime = actual
