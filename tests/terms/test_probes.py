"""Probe samples as intervals, one sample at a time, and agreement between vantage points."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blocks.terms.intervals import Span, total, union
from blocks.terms.probes import Sample, State, StateSpan, agreed_down, agreed_unknown, extend

ZERO = datetime.fromisoformat("2025-12-31T20:59:00Z")
SECOND = timedelta(seconds=1)
TEN = timedelta(seconds=10)
INSTANT = timedelta(microseconds=1)
Stretch = tuple[State, datetime, datetime]


def feed(samples: list[Sample], interval: timedelta = TEN) -> list[StateSpan]:
    """Stored as the ledger does it: the latest row is replaced, new ones follow."""
    stored: list[StateSpan] = []
    for sample in samples:
        last = stored.pop() if stored else None
        stored.extend(extend(last, sample, interval))
    return stored


def stretches(spans: list[StateSpan]) -> list[Stretch]:
    return [(s.state, s.start, s.end) for s in spans]


def one_pass(samples: list[Sample], interval: timedelta) -> list[Stretch]:
    """The reference: every pair of neighbours by itself, then neighbours of one state put together."""
    pieces: list[Stretch] = []
    for earlier, later in [*pairwise(samples), (samples[-1], None)]:
        state = State.UP if earlier.up else State.DOWN
        if later is None:
            pieces.append((state, earlier.at, earlier.at + interval))
        elif later.at - earlier.at <= interval * 3 / 2:
            pieces.append((state, earlier.at, later.at))
        else:
            pieces += [
                (state, earlier.at, earlier.at + interval),
                (State.UNKNOWN, earlier.at + interval, later.at),
            ]
    joined: list[Stretch] = []
    for state, start, end in pieces:
        if joined and joined[-1][0] is state:
            joined[-1] = (state, joined[-1][1], end)
        else:
            joined.append((state, start, end))
    return joined


@st.composite
def sampled(draw: st.DrawFn) -> list[Sample]:
    steps = draw(st.lists(st.tuples(st.sampled_from([1, 5, 9, 10, 11, 14, 15, 16, 20, 45]), st.booleans()), min_size=1))
    at, samples = ZERO, []
    for step, up in steps:
        at += step * SECOND
        samples.append(Sample(at, up))
    return samples


@given(sampled())
@settings(max_examples=500)
def test_samples_one_by_one_make_the_same_intervals_as_one_pass(samples: list[Sample]) -> None:
    assert stretches(feed(samples)) == one_pass(samples, TEN)


@given(sampled())
@settings(max_examples=300)
def test_not_one_probe_interval_is_invented_or_lost(samples: list[Sample]) -> None:
    spans = feed(samples)
    assert spans[0].start == samples[0].at
    assert spans[-1].end == samples[-1].at + TEN
    assert all(earlier.end == later.start for earlier, later in pairwise(spans))
    assert all(s.start < s.end for s in spans)
    assert total(s.span for s in spans) == samples[-1].at + TEN - samples[0].at


@given(sampled(), st.integers(1, 60))
def test_the_latest_span_can_be_read_after_every_sample(samples: list[Sample], cut: int) -> None:
    assert stretches(feed(samples[:cut])) == one_pass(samples[:cut], TEN)


@given(sampled())
def test_a_repeated_sample_changes_nothing(samples: list[Sample]) -> None:
    assert feed([again for sample in samples for again in (sample, sample)]) == feed(samples)


def up_down(gap: timedelta, *, first: bool, second: bool) -> list[Stretch]:
    return stretches(feed([Sample(ZERO, first), Sample(ZERO + gap, second)]))


@pytest.mark.parametrize("gap", [INSTANT, TEN - INSTANT, TEN, TEN + INSTANT, 1.5 * TEN - INSTANT, 1.5 * TEN])
def test_a_state_holds_between_samples_up_to_one_and_a_half_intervals_apart(gap: timedelta) -> None:
    assert up_down(gap, first=True, second=True) == [(State.UP, ZERO, ZERO + gap + TEN)]
    assert up_down(gap, first=False, second=False) == [(State.DOWN, ZERO, ZERO + gap + TEN)]


@pytest.mark.parametrize("gap", [INSTANT, TEN, 1.5 * TEN])
@pytest.mark.parametrize(("first", "before", "after"), [(True, State.UP, State.DOWN), (False, State.DOWN, State.UP)])
def test_a_state_changes_at_the_later_sample(gap: timedelta, first: bool, before: State, after: State) -> None:
    changed = ZERO + gap
    assert up_down(gap, first=first, second=not first) == [(before, ZERO, changed), (after, changed, changed + TEN)]


@pytest.mark.parametrize("gap", [1.5 * TEN + INSTANT, 2 * TEN, timedelta(days=3)])
@pytest.mark.parametrize("second", [True, False])
def test_a_longer_gap_is_unknown_from_one_interval_after_the_earlier_sample(gap: timedelta, second: bool) -> None:
    assert up_down(gap, first=True, second=second) == [
        (State.UP, ZERO, ZERO + TEN),
        (State.UNKNOWN, ZERO + TEN, ZERO + gap),
        (State.UP if second else State.DOWN, ZERO + gap, ZERO + gap + TEN),
    ]


def test_one_sample_is_known_for_one_interval() -> None:
    assert extend(None, Sample(ZERO, up=False), TEN) == (StateSpan(State.DOWN, ZERO, ZERO, ZERO + TEN),)


def test_the_first_span_replaces_the_latest_and_the_last_is_the_latest() -> None:
    (last,) = extend(None, Sample(ZERO, up=True), TEN)
    cut, unknown, new = extend(last, Sample(ZERO + 3 * TEN, up=True), TEN)
    assert cut == last
    assert unknown.span == Span(ZERO + TEN, ZERO + 3 * TEN)
    assert (new.state, new.seen) == (State.UP, ZERO + 3 * TEN)


def test_gaps_are_judged_by_the_interval_that_holds_at_the_later_sample() -> None:
    (slow,) = extend(None, Sample(ZERO, up=True), 6 * TEN)
    cut, unknown, _ = extend(slow, Sample(ZERO + 3 * TEN, up=True), TEN)
    assert (cut.end, unknown.start) == (ZERO + TEN, ZERO + TEN)
    (quick,) = extend(None, Sample(ZERO, up=True), TEN)
    (held,) = extend(quick, Sample(ZERO + 9 * TEN, up=True), 6 * TEN)
    assert held.end == ZERO + 15 * TEN


def test_samples_out_of_order_or_against_each_other_are_refused() -> None:
    (last,) = extend(None, Sample(ZERO, up=True), TEN)
    with pytest.raises(ValueError, match="order of time"):
        extend(last, Sample(ZERO - INSTANT, up=True), TEN)
    with pytest.raises(ValueError, match="order of time"):
        extend(last, Sample(ZERO, up=False), TEN)


def test_an_interval_is_positive_and_a_gap_is_never_the_latest_span() -> None:
    with pytest.raises(ValueError, match="positive"):
        extend(None, Sample(ZERO, up=True), timedelta())
    unknown = StateSpan(State.UNKNOWN, ZERO, ZERO, ZERO)
    with pytest.raises(ValueError, match="ends with a sample"):
        extend(unknown, Sample(ZERO + TEN, up=True), TEN)


LONGEST = 40


def span(start: int, end: int) -> Span:
    return Span(ZERO + start * SECOND, ZERO + end * SECOND)


def seconds(spans: list[Span]) -> set[int]:
    return {n for s in spans for n in range(LONGEST) if s.start <= ZERO + n * SECOND < s.end}


POINT = st.integers(0, LONGEST)
VANTAGES = st.lists(st.lists(st.builds(span, POINT, POINT), max_size=6), max_size=4)


@given(VANTAGES, st.integers(1, 5))
@example([[span(0, 10)], [span(10, 20)]], 1)
@example([[span(0, 10), span(5, 15)], [span(20, 30)]], 2)
@settings(max_examples=300)
def test_agreement_is_that_of_enough_vantage_points_at_every_second(vantages: list[list[Span]], needed: int) -> None:
    found = list(agreed_down({str(n): spans for n, spans in enumerate(vantages)}, needed))
    votes = [sum(n in seconds(spans) for spans in vantages) for n in range(LONGEST)]
    assert seconds(found) == {n for n, count in enumerate(votes) if count >= needed}
    assert found == list(union(found))


@given(VANTAGES, st.integers(1, 5))
@settings(max_examples=300)
def test_a_moment_is_unknown_while_too_few_vantage_points_know_anything(
    vantages: list[list[Span]], needed: int
) -> None:
    within = span(3, 33)
    known = {str(n): spans for n, spans in enumerate(vantages)}
    found = list(agreed_unknown(known, needed, within))
    votes = [sum(n in seconds(spans) for spans in vantages) for n in range(LONGEST)]
    assert seconds(found) == {n for n, count in enumerate(votes) if count < needed and 3 <= n < 33}
    down = {name: spans[:2] for name, spans in known.items()}
    assert not seconds(list(agreed_down(down, needed))) & seconds(found)


def test_one_vantage_point_of_two_is_not_enough_and_the_common_part_is() -> None:
    down = {"ams": [span(0, 20)], "waw": [span(10, 30)], "fra": []}
    assert list(agreed_down(down, 2)) == [span(10, 20)]
    assert list(agreed_down(down, 1)) == [span(0, 30)]
    assert list(agreed_down(down, 3)) == []


def test_nobody_knows_anything_without_vantage_points() -> None:
    assert list(agreed_unknown({}, 1, span(0, 9))) == [span(0, 9)]
    assert list(agreed_down({}, 1)) == []


@pytest.mark.parametrize("needed", [0, -1])
def test_at_least_one_vantage_point_is_needed(needed: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        list(agreed_down({"ams": [span(0, 1)]}, needed))
