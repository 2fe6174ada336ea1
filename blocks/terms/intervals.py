"""Intervals of time: half-open, exact, never sampled. Unions, differences and sums of them by sorting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from pydantic import model_validator

from blocks.terms.base import Frozen, Moment


def exact_seconds(length: timedelta) -> Decimal:
    """A length in seconds, to the microsecond."""
    return Decimal(f"{length // timedelta(microseconds=1)}E-6")


class Span(NamedTuple):
    """From `start`, included, to `end`, left out; both UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it lasts."""
        return self.end - self.start


class Interval(Frozen):
    """A span as a fact that is put to a rule: it does not run backwards."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _runs_forward(self) -> Interval:
        if self.end < self.start:
            raise ValueError("an interval does not end before it starts")
        return self

    @property
    def span(self) -> Span:
        """The same as a span."""
        return Span(self.start, self.end)


def union(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans put together: sorted, without overlaps; those that touch become one, empty ones vanish."""
    current: Span | None = None
    for span in sorted(spans):
        if span.end <= span.start:
            continue
        if current is None:
            current = span
        elif span.start <= current.end:
            if span.end > current.end:
                current = Span(current.start, span.end)
        else:
            yield current
            current = span
    if current is not None:
        yield current


def clip(spans: Iterable[Span], within: Span) -> Iterator[Span]:
    """What of each span lies within another; what lies outside vanishes."""
    for span in spans:
        start, end = max(span.start, within.start), min(span.end, within.end)
        if start < end:
            yield Span(start, end)


def subtract(spans: Iterable[Span], taken: Iterable[Span]) -> Iterator[Span]:
    """What is left of the union of spans when the union of others is taken out."""
    away = list(union(taken))
    index = 0
    for span in union(spans):
        start = span.start
        while index < len(away) and away[index].end <= start:
            index += 1
        at = index
        while at < len(away) and away[at].start < span.end:
            if away[at].start > start:
                yield Span(start, away[at].start)
            start = max(start, away[at].end)
            at += 1
        if start < span.end:
            yield Span(start, span.end)


def total(spans: Iterable[Span]) -> timedelta:
    """The length of spans that do not overlap (those of `union`, `clip` of it, `subtract`)."""
    return sum((span.length for span in spans), timedelta())
