"""Rounds of probes become exact spans, and spans become outages, once, whoever is killed or late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from blocks.clients.probes import Seen
from blocks.errors import Transient
from blocks.ledger import ProbeSpan, ProbeState, transaction
from blocks.office import Office
from blocks.terms.probes import Sample, StateSpan, extend
from tasks.probing import judge, record_round, service_seen, stale_probes
from tests.outage_work import (
    INTERVAL,
    SECOND,
    close_window,
    letters,
    look,
    outages,
    owed,
    spans,
    times,
    watch,
    window,
)
from tests.work import MINUTE, NOW

LONG = timedelta(hours=10)


def test_rounds_in_one_state_are_one_span(watching: Office) -> None:
    watch(watching, NOW, "uuu uuu uuu")
    assert spans(watching) == [("up", NOW, NOW + 3 * MINUTE)]


def test_a_change_is_exactly_where_it_was_seen(watching: Office) -> None:
    look(watching, NOW, "uuu")
    look(watching, NOW + 61 * SECOND, "duu")
    look(watching, NOW + 120 * SECOND, "uuu")
    assert spans(watching) == [
        ("up", NOW, NOW + 61 * SECOND),
        ("down", NOW + 61 * SECOND, NOW + 120 * SECOND),
        ("up", NOW + 120 * SECOND, NOW + 180 * SECOND),
    ]


@pytest.mark.clause("OCP-P3.5")
def test_ocp_p3_5_a_prober_that_was_killed_loses_only_unknown_time(watching: Office) -> None:
    watch(watching, NOW, "uuu uuu")
    watch(watching, NOW + 30 * MINUTE, "uuu uuu")
    assert spans(watching) == [
        ("up", NOW, NOW + 2 * MINUTE),
        ("up", NOW + 30 * MINUTE, NOW + 32 * MINUTE),
    ]
    assert outages(watching) == []


def test_a_round_that_failed_is_wholly_absent(watching: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    look(watching, NOW, "uuu")
    seen = {("complex", point): (False, "refused") for point in ("first", "second")}
    calls: Iterator[Callable[..., tuple[StateSpan, ...]]] = iter([extend, lost])

    def second_is_lost(last: StateSpan | None, sample: Sample, interval: timedelta) -> tuple[StateSpan, ...]:
        return next(calls)(last, sample, interval)

    with monkeypatch.context() as patched:
        patched.setattr("tasks.probing.extend", second_is_lost)
        with pytest.raises(Transient):
            record_round(watching, seen, at=NOW + MINUTE, interval=INTERVAL)
    assert spans(watching, "first") == [("up", NOW, NOW + MINUTE)]
    assert record_round(watching, seen, at=NOW + MINUTE, interval=INTERVAL) == 2


def lost(*_facts: object) -> tuple[StateSpan, ...]:
    raise Transient("the ledger's connection was lost")


def test_a_round_recorded_twice_or_late_changes_nothing(watching: Office) -> None:
    watch(watching, NOW, "ddd uuu")
    before = spans(watching)
    again = {("complex", "first"): (False, "late")}
    for at in (NOW, NOW + 30 * SECOND, NOW + MINUTE):
        assert record_round(watching, again, at=at, interval=INTERVAL) == 0
    assert spans(watching) == before


@pytest.mark.clause("KS-3.13")
def test_ks_3_13_one_port_that_is_shut_is_a_service_down() -> None:
    up, shut = Seen(up=True, detail="answers", milliseconds=1), Seen(up=False, detail="refused", milliseconds=1)
    assert service_seen([up, up]) == (True, "answers")
    assert service_seen([up, shut]) == (False, "refused")


def test_one_vantage_point_alone_opens_nothing(watching: Office) -> None:
    watch(watching, NOW, "duu duu duu d-- d--")
    assert outages(watching) == []


def test_an_outage_has_the_exact_times_on_which_the_points_agree(watching: Office) -> None:
    watch(watching, NOW, "uuu duu ddu ddd udd uud uuu")
    assert times(watching) == [(NOW + 2 * MINUTE, NOW + 5 * MINUTE)]
    assert "first: connection refused; second: connection refused" in outages(watching)[0].what


def test_unknown_is_not_up(watching: Office) -> None:
    """Down, then the prober is away: it lasts until enough points see it up, and the gap is one outage with it."""
    watch(watching, NOW, "ddd ddd")
    look(watching, NOW + 60 * MINUTE, "u--")
    assert times(watching) == [(NOW, None)]
    look(watching, NOW + 61 * MINUTE, "u--")
    look(watching, NOW + 62 * MINUTE, "uud")
    assert times(watching) == [(NOW, NOW + 62 * MINUTE)]


def test_down_before_and_after_a_gap_is_one_outage(watching: Office) -> None:
    watch(watching, NOW, "ddd ddd")
    watch(watching, NOW + 60 * MINUTE, "ddd uuu")
    assert times(watching) == [(NOW, NOW + 61 * MINUTE)]


def test_two_outages_are_two(watching: Office) -> None:
    watch(watching, NOW, "ddd uuu uuu ddd uuu")
    assert times(watching) == [(NOW, NOW + MINUTE), (NOW + 3 * MINUTE, NOW + 4 * MINUTE)]
    assert [row.number for row in outages(watching)] == ["O-2026-000001", "O-2026-000002"]


def test_what_was_recorded_and_never_judged_is_judged_later(watching: Office) -> None:
    for number, up in enumerate((True, False, False, True, False, True)):
        seen = {("complex", point): (up, "seen") for point in ("first", "second", "third")}
        record_round(watching, seen, at=NOW + number * MINUTE, interval=INTERVAL)
    judged = judge(watching, now=NOW + 5 * MINUTE)
    assert len(judged.opened) == len(judged.closed) == 2
    assert times(watching) == [(NOW + MINUTE, NOW + 3 * MINUTE), (NOW + 4 * MINUTE, NOW + 5 * MINUTE)]


@pytest.mark.parametrize(
    "midnight",
    [
        datetime(2026, 11, 20, 21, 0, tzinfo=UTC),  # Moscow's midnight
        datetime(2026, 12, 31, 21, 0, tzinfo=UTC),  # Moscow's new year
        datetime(2026, 12, 31, 19, 0, tzinfo=UTC),  # Astana's new year
    ],
)
def test_an_outage_over_midnight_is_one(watching: Office, midnight: datetime) -> None:
    watch(watching, midnight - 2 * MINUTE, "uuu ddd ddd ddd uuu")
    assert times(watching) == [(midnight - MINUTE, midnight + 2 * MINUTE)]


def test_two_judges_at_once_make_one_outage_and_tell_once(watching: Office) -> None:
    seen = {("complex", point): (False, "refused") for point in ("first", "second", "third")}
    record_round(watching, seen, at=NOW, interval=INTERVAL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: judge(watching, now=NOW), range(4)))
    assert times(watching) == [(NOW, None)]
    assert len(letters(watching, "outage_opened")) == 2  # the end users and our operator
    again = {("complex", point): (True, "answers") for point in ("first", "second", "third")}
    record_round(watching, again, at=NOW + MINUTE, interval=INTERVAL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: judge(watching, now=NOW + MINUTE), range(4)))
    assert len(letters(watching, "outage_closed")) == 2


def test_judging_again_changes_nothing(watching: Office) -> None:
    at = watch(watching, NOW, "ddd ddd uuu", "platform")
    before = (times(watching), len(letters(watching, "outage_opened")), len(letters(watching, "outage_logs")))
    assert not judge(watching, now=at + 10 * SECOND).letters
    assert (times(watching), len(letters(watching, "outage_opened")), len(letters(watching, "outage_logs"))) == before


def test_an_outage_within_an_open_window_is_recorded_and_silent(watching: Office) -> None:
    number = window(watching, NOW, NOW + LONG)
    watch(watching, NOW, "uuu ddd ddd ddd uuu")
    close_window(watching, number, NOW + 20 * MINUTE)
    look(watching, NOW + 20 * MINUTE, "uuu")
    assert times(watching) == [(NOW + MINUTE, NOW + 4 * MINUTE)]
    assert letters(watching, "outage_opened") == letters(watching, "outage_closed") == []
    assert outages(watching)[0].told_at is None


def test_a_window_of_another_service_silences_nothing(watching: Office) -> None:
    window(watching, NOW, NOW + LONG, services=["broker"])
    watch(watching, NOW, "ddd")
    assert len(letters(watching, "outage_opened")) == 2


@pytest.mark.clause("OCP-P3.2.7b")
def test_ocp_p3_2_7b_an_outage_that_outlasts_its_window_is_told_and_counts_from_the_closing(watching: Office) -> None:
    number = window(watching, NOW, NOW + LONG, services=["platform"])
    watch(watching, NOW, "ddd ddd ddd", "platform")
    assert letters(watching, "outage_opened") == []
    closed = NOW + 2 * MINUTE + 30 * SECOND
    close_window(watching, number, closed)
    look(watching, NOW + 3 * MINUTE, "ddd", "platform")
    assert letters(watching, "outage_opened") == []  # within a probe interval of the closing
    look(watching, NOW + 4 * MINUTE, "ddd", "platform")
    assert len(letters(watching, "outage_opened")) == 2
    assert owed(watching)["OCP-P3.2.7b"].due_at == closed + 20 * MINUTE
    assert times(watching) == [(NOW, None)]


def test_the_last_round_of_a_window_does_not_outlast_it(watching: Office) -> None:
    number = window(watching, NOW, NOW + LONG)
    watch(watching, NOW, "ddd ddd")
    close_window(watching, number, NOW + 90 * SECOND)
    look(watching, NOW + 2 * MINUTE, "uuu")
    assert letters(watching, "outage_opened") == []


def test_a_window_that_is_not_closed_in_time_silences_no_longer_than_its_plan(watching: Office) -> None:
    window(watching, NOW, NOW + 2 * MINUTE)  # opened, and its run was killed
    watch(watching, NOW, "ddd ddd ddd ddd")
    assert letters(watching, "outage_opened") == []  # within a probe interval of the planned end
    look(watching, NOW + 4 * MINUTE, "ddd")
    assert len(letters(watching, "outage_opened")) == 2


@pytest.mark.clause("OCP-P3.2.7b")
def test_ocp_p3_2_7b_what_outlasts_the_plan_of_its_window_counts_from_the_planned_end(watching: Office) -> None:
    window(watching, NOW, NOW + 2 * MINUTE, services=["platform"])
    watch(watching, NOW, "ddd ddd ddd ddd ddd", "platform")
    assert owed(watching)["OCP-P3.2.7b"].due_at == NOW + 22 * MINUTE


def test_a_year_of_flaps_of_one_point_is_judged_at_once(watching: Office) -> None:
    began = NOW - timedelta(days=365)
    with transaction(watching.sessions) as session:
        for hour in range(365 * 24):
            at = began + timedelta(hours=hour)
            for state, since, until in (("down", at, at + MINUTE), ("up", at + MINUTE, at + 60 * MINUTE)):
                session.add(
                    ProbeSpan(
                        service="complex",
                        vantage="first",
                        state=ProbeState(state),
                        began_at=since,
                        until_at=until,
                        detail="x",
                    )
                )
    took = []
    for _ in range(5):
        start = time.perf_counter()
        judge(watching, now=NOW)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05  # thousands of rows would take longer
    assert outages(watching) == []


@pytest.mark.clause("OCP-P3.5")
def test_ocp_p3_5_a_silent_prober_is_noticed_after_five_minutes(watching: Office) -> None:
    assert {stale.service: stale.last_probe_at for stale in stale_probes(watching, now=NOW)} == {
        "complex": None,
        "platform": None,
    }
    for service in ("complex", "platform"):
        watch(watching, NOW, "uuu uud", service)
    last = NOW + MINUTE
    assert stale_probes(watching, now=last + 5 * MINUTE) == []
    found = stale_probes(watching, now=last + 5 * MINUTE + SECOND)
    assert [(stale.service, stale.last_probe_at) for stale in found] == [("complex", last), ("platform", last)]
    assert found[0].decision.clause == "OCP-P3.5"
