"""Probe samples turned into intervals, one sample at a time, and what several vantage points agree on.

A sample says something about an instant; an interval is what is kept. Not one probe interval is invented or lost: the
intervals tile the time from the first sample to one interval after the last, and gaps stand there as unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from blocks.terms.intervals import Span, subtract, union


class State(StrEnum):
    """What is known of a service."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Sample(NamedTuple):
    """What one probe saw at an instant."""

    at: datetime
    up: bool


class StateSpan(NamedTuple):
    """A state from `start` to `end`, which is left out. `seen` is the last sample in it: what is behind it may change.

    The latest span reaches one interval beyond its last sample; the next sample moves its end.
    """

    state: State
    start: datetime
    seen: datetime
    end: datetime

    @property
    def span(self) -> Span:
        """The same without the state."""
        return Span(self.start, self.end)


def extend(last: StateSpan | None, sample: Sample, interval: timedelta) -> tuple[StateSpan, ...]:
    """Take one more sample in: the latest span as it is now, then any new ones. The last of them is the latest.

    Samples up to 1.5 intervals apart, inclusive, leave nothing open between them: the state of the earlier one holds up
    to the later one, and a change happens at the later one. After a longer gap the earlier state holds for one interval
    and the rest is unknown. The same sample twice changes nothing; an older or contradicting one is a ValueError.
    """
    if interval <= timedelta():
        raise ValueError("a probe interval is positive")
    at, state = sample.at, State.UP if sample.up else State.DOWN
    new = StateSpan(state, at, at, at + interval)
    if last is None:
        return (new,)
    if last.state is State.UNKNOWN:
        raise ValueError("the latest span is the one that ends with a sample")
    if at == last.seen and state is last.state:
        return (last,)
    if at <= last.seen:
        raise ValueError("samples come in the order of time")
    if 2 * (at - last.seen) > 3 * interval:
        known_until = last.seen + interval
        return (last._replace(end=known_until), StateSpan(State.UNKNOWN, known_until, at, at), new)
    if state is last.state:
        return (last._replace(seen=at, end=new.end),)
    return (last._replace(end=at), new)


def agreed(per_vantage: Mapping[str, Iterable[Span]], needed: int) -> Iterator[Span]:
    """The spans in which at least `needed` vantage points have a span; a vantage point counts once at any moment."""
    if needed < 1:
        raise ValueError("at least one vantage point is needed")
    changes: Counter[datetime] = Counter()
    for spans in per_vantage.values():
        for span in union(spans):
            changes[span.start] += 1
            changes[span.end] -= 1
    count, start = 0, None
    for moment in sorted(changes):
        count += changes[moment]
        if count >= needed and start is None:
            start = moment
        elif count < needed and start is not None:
            yield Span(start, moment)
            start = None


def agreed_down(down: Mapping[str, Iterable[Span]], needed: int) -> Iterator[Span]:
    """The spans in which at least `needed` vantage points say that it is down."""
    return agreed(down, needed)


def agreed_unknown(known: Mapping[str, Iterable[Span]], needed: int, within: Span) -> Iterator[Span]:
    """The spans of `within` in which fewer than `needed` vantage points know anything, up or down.

    Those are never agreed to be down. Where enough of them know and do not agree that it is down, it is up.
    """
    return subtract([within], agreed(known, needed))
