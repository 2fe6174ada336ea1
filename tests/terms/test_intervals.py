"""Interval arithmetic against a naive count of minutes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.terms.intervals import Interval, Span, clip, subtract, total, union

ZERO = datetime.fromisoformat("2024-02-29T00:00Z")
MINUTE = timedelta(minutes=1)
LONGEST = 60


def span(start: int, end: int) -> Span:
    return Span(ZERO + start * MINUTE, ZERO + end * MINUTE)


def minutes(spans: Iterable[Span]) -> set[int]:
    """Every whole minute that a span covers, found one by one."""
    return {n for s in spans for n in range(LONGEST) if s.start <= ZERO + n * MINUTE < s.end}


POINT = st.integers(0, LONGEST)
SPAN = st.builds(span, POINT, POINT)  # empty and backward ones among them
SPANS = st.lists(SPAN, max_size=12)


def assert_apart(spans: list[Span]) -> None:
    assert all(s.start < s.end for s in spans)
    assert all(earlier.end < later.start for earlier, later in pairwise(spans))


@given(SPANS)
@example([span(0, 10), span(10, 20)])
@example([span(0, 30), span(5, 10), span(20, 40)])
@settings(max_examples=300)
def test_a_union_covers_the_same_minutes_with_spans_that_lie_apart(spans: list[Span]) -> None:
    together = list(union(spans))
    assert_apart(together)
    assert minutes(together) == minutes(spans)
    assert total(together) == len(minutes(spans)) * MINUTE


@given(SPANS, SPAN)
@settings(max_examples=300)
def test_clipped_spans_cover_the_minutes_that_are_in_both(spans: list[Span], within: Span) -> None:
    clipped = list(clip(spans, within))
    assert minutes(clipped) == minutes(spans) & minutes([within])
    assert total(clip(union(spans), within)) == len(minutes(clipped)) * MINUTE
    assert all(within.start <= s.start < s.end <= within.end for s in clipped)


@given(SPANS, SPANS)
@example([span(0, 60)], [span(10, 20), span(20, 30), span(40, 50)])
@example([span(0, 10), span(20, 30)], [span(5, 25)])
@example([span(0, 10)], [span(0, 10)])
@settings(max_examples=500)
def test_a_difference_covers_the_minutes_of_the_first_that_are_not_in_the_second(
    spans: list[Span], taken: list[Span]
) -> None:
    left = list(subtract(spans, taken))
    assert_apart(left)
    assert minutes(left) == minutes(spans) - minutes(taken)
    assert total(left) == len(minutes(left)) * MINUTE


@given(SPANS, SPANS)
def test_what_is_taken_out_and_what_is_left_make_the_whole(spans: list[Span], taken: list[Span]) -> None:
    left = list(subtract(spans, taken))
    common = list(subtract(spans, left))
    assert total(left) + total(common) == total(union(spans))
    assert list(union([*left, *common])) == list(union(spans))


def test_spans_that_touch_become_one_and_spans_a_microsecond_apart_do_not() -> None:
    gap = timedelta(microseconds=1)
    touching, apart = span(10, 20), Span(ZERO + 10 * MINUTE + gap, ZERO + 20 * MINUTE)
    assert list(union([touching, span(0, 10)])) == [span(0, 20)]
    assert list(union([apart, span(0, 10)])) == [span(0, 10), apart]


def test_a_span_is_half_open() -> None:
    assert list(clip([span(0, 10)], span(10, 20))) == []
    assert list(subtract([span(0, 10)], [span(10, 20)])) == [span(0, 10)]
    assert span(0, 10).length == 10 * MINUTE


def test_nothing_adds_up_to_nothing() -> None:
    assert list(union([])) == []
    assert list(subtract([], [span(0, 10)])) == []
    assert total([]) == timedelta()


def test_a_span_is_taken_out_of_many_and_many_out_of_one() -> None:
    many = [span(0, 10), span(15, 20), span(30, 40)]
    assert list(subtract(many, [span(5, 35)])) == [span(0, 5), span(35, 40)]
    assert list(subtract([span(5, 35)], many)) == [span(10, 15), span(20, 30)]


def test_arithmetic_takes_iterators_once() -> None:
    assert list(subtract(iter([span(0, 10)]), iter([span(2, 3)]))) == [span(0, 2), span(3, 10)]
    assert total(union(iter([span(0, 10), span(5, 15)]))) == 15 * MINUTE


def test_an_interval_is_utc_and_does_not_run_backwards() -> None:
    found = Interval.model_validate({"start": "2024-03-01T00:00+06:00", "end": "2024-03-01T00:00+05:00"})
    assert found.span.length == timedelta(hours=1)
    assert found.span.start.isoformat() == "2024-02-29T18:00:00+00:00"
    assert Interval(start=ZERO, end=ZERO).span.length == timedelta()
    with pytest.raises(ValidationError, match="does not end before"):
        Interval(start=ZERO, end=ZERO - timedelta(microseconds=1))
