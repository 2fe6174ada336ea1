"""The availability bench: a year of a thousand services from their intervals, service by service."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from blocks.terms.availability import Standing, measure, standing
from blocks.terms.intervals import Span
from blocks.terms.targets import KS_TARGET

PROBE = timedelta(seconds=10)


class Row(NamedTuple):
    """A run: what it stood for and what it took. `peak_rss_mb` is the process's peak so far."""

    services: int
    outages: int
    samples: int
    seconds: float
    spans_a_second: int
    broken: int
    peak_rss_mb: int


def outages_of(service: int, count: int, year: Span) -> Iterator[Span]:
    """The made-up outages of a service over a year, in order: whole probe intervals, up to 200 s each."""
    slot = year.length // count // PROBE
    for number in range(count):
        mixed = service * 7919 + number * 104729
        start = year.start + PROBE * (number * slot + mixed % max(slot - 20, 1))
        yield Span(start, start + PROBE * (1 + mixed % 20))


def weekly(year: Span, first: timedelta, length: timedelta) -> Iterator[Span]:
    """A span of that length each week of the year."""
    start = year.start + first
    while start < year.end:
        yield Span(start, start + length)
        start += timedelta(weeks=1)


def bench_availability(services: int = 1000, outages: tuple[int, ...] = (100, 1000), year: int = 2025) -> list[Row]:
    """The yearly report of that many services for each number of outages a service, with works and probe gaps."""
    target = KS_TARGET.on(date(year, 12, 31))
    within = target.period(year)
    rows = []
    for count in outages:
        began, broken = time.perf_counter(), 0
        for service in range(services):
            found = measure(
                within,
                within.end,
                outages_of(service, count, within),
                planned=weekly(within, timedelta(days=3, hours=9), timedelta(hours=2)),
                unknown=weekly(within, timedelta(days=1), 6 * PROBE),
            )
            broken += standing(target, found) is Standing.BROKEN
        took = time.perf_counter() - began
        rows.append(
            Row(
                services=services,
                outages=count,
                samples=services * (within.length // PROBE),
                seconds=round(took, 2),
                spans_a_second=round(services * count / took),
                broken=broken,
                peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            )
        )
    return rows
