"""Works under KS, QS and OT: the Saturday window, notices beforehand, and downtime that nothing exempts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.base import Decision, Verdict
from blocks.terms.calendars import calendar
from blocks.terms.intervals import Interval
from blocks.terms.policy import MAINTENANCE_POLICY, MaintenancePolicy
from blocks.terms.works import Kind, OtherWindow, WorksFacts, ks_notice, ks_saturday, ot_works, qs_notice

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SATURDAY = "2026-11-28T09:00+03:00"
LONG_BEFORE = at("2019-06-01T00:00Z")
EMERGENCY = Kind.EMERGENCY
NOT_EMERGENCIES = [Kind.PLANNED, Kind.DAILY, Kind.URGENT]


def works(start: str | datetime, length: timedelta, *agreements: str, **more: Any) -> WorksFacts:
    begins = at(start) if isinstance(start, str) else start
    facts = {"kind": Kind.PLANNED, "proposed_at": LONG_BEFORE, **more}
    if facts["kind"] is EMERGENCY:
        facts = {"discovered_at": begins, **facts}
    return WorksFacts.model_validate({"start": begins, "end": begins + length, "agreements": agreements, **facts})


def other(start: str, length: timedelta, *agreements: str, kind: Kind = Kind.PLANNED) -> OtherWindow:
    return OtherWindow.model_validate(
        {"number": "W-7", "kind": kind, "start": at(start), "end": at(start) + length, "agreements": agreements}
    )


def down(start: str, length: timedelta) -> Interval:
    return Interval(start=at(start), end=at(start) + length)


def says_nothing(decision: Decision) -> bool:
    return (
        decision.verdict is Verdict.ALLOWED
        and "says nothing" in decision.what
        and decision.deadline is None
        and decision.values == {}
    )


@pytest.mark.parametrize("length", [timedelta(), -INSTANT])
def test_works_that_do_not_end_after_they_start_are_bad_facts(length: timedelta) -> None:
    with pytest.raises(ValidationError, match="end after they start"):
        works(SATURDAY, length, "KS")
    with pytest.raises(ValidationError, match="end after they start"):
        other(SATURDAY, length, "KS")
    assert works(SATURDAY, INSTANT, "KS").span.length == INSTANT


def test_an_emergency_without_its_discovery_is_a_bad_fact() -> None:
    with pytest.raises(ValidationError, match="discovered"):
        works(SATURDAY, HOUR, "KS", kind=EMERGENCY, discovered_at=None)


def test_an_agreement_that_does_not_exist_is_a_bad_fact() -> None:
    with pytest.raises(ValidationError):
        works(SATURDAY, HOUR, "XX")


@pytest.mark.clause("KS-3.7")
@pytest.mark.parametrize("kind", NOT_EMERGENCIES)
@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [
        ("2026-11-28T09:00+03:00", "2026-11-28T11:00+03:00", Verdict.ALLOWED),
        ("2026-11-28T06:00Z", "2026-11-28T08:00Z", Verdict.ALLOWED),
        ("2026-11-28T08:59:59.999999+03:00", "2026-11-28T10:00+03:00", Verdict.REFUSED),
        ("2026-11-28T09:00:00.000001+03:00", "2026-11-28T11:00+03:00", Verdict.ALLOWED),
        ("2026-11-28T10:00+03:00", "2026-11-28T10:59:59.999999+03:00", Verdict.ALLOWED),
        ("2026-11-28T10:00+03:00", "2026-11-28T11:00:00.000001+03:00", Verdict.REFUSED),
        ("2026-11-28T09:00+03:00", "2026-11-28T11:00:00.000001+03:00", Verdict.REFUSED),
        ("2026-11-28T11:00+03:00", "2026-11-28T11:00:00.000001+03:00", Verdict.REFUSED),
        ("2026-11-27T09:00+03:00", "2026-11-27T10:00+03:00", Verdict.REFUSED),
        ("2026-11-29T09:00+03:00", "2026-11-29T10:00+03:00", Verdict.REFUSED),
        ("2026-11-28T09:00Z", "2026-11-28T10:00Z", Verdict.REFUSED),
        ("2026-11-28T09:00+03:00", "2026-12-05T10:00+03:00", Verdict.REFUSED),
        ("2020-02-29T09:00+03:00", "2020-02-29T11:00+03:00", Verdict.ALLOWED),
    ],
)
def test_ks_3_7_works_lie_within_one_saturday_09_to_11_moscow(
    start: str, end: str, verdict: Verdict, kind: Kind
) -> None:
    decision = ks_saturday(works(start, at(end) - at(start), "KS", kind=kind))
    assert decision.verdict is verdict
    assert decision.values == {"counts_as_downtime": False}


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_a_saturday_that_is_officially_worked_is_still_a_saturday() -> None:
    worked = date(2024, 4, 27)
    assert calendar("RU").is_working_day(worked)
    assert not calendar("RU").is_working_day(date(2024, 4, 29))
    assert ks_saturday(works("2024-04-27T09:00+03:00", HOUR, "KS")).verdict is Verdict.ALLOWED
    assert ks_saturday(works("2024-04-29T09:00+03:00", HOUR, "KS")).verdict is Verdict.REFUSED


@pytest.mark.clause("KS-3.7")
@pytest.mark.parametrize(
    ("start", "length", "verdict"),
    [
        ("2026-11-28T10:00+03:00", HOUR, Verdict.REFUSED),
        ("2026-11-22T23:00+03:00", HOUR, Verdict.ALLOWED),
        ("2026-11-22T23:00+03:00", HOUR + INSTANT, Verdict.REFUSED),
        ("2026-11-23T00:00+03:00", HOUR, Verdict.REFUSED),
        ("2026-11-29T23:59:59.999999+03:00", HOUR, Verdict.REFUSED),
        ("2026-11-30T00:00+03:00", HOUR, Verdict.ALLOWED),
        ("2026-11-29T20:59:59.999999Z", HOUR, Verdict.REFUSED),
        ("2026-11-29T21:00Z", HOUR, Verdict.ALLOWED),
        ("2026-11-21T09:00+03:00", HOUR, Verdict.ALLOWED),
        ("2026-12-05T09:00+03:00", HOUR, Verdict.ALLOWED),
        ("2026-11-20T09:00+03:00", timedelta(days=30), Verdict.REFUSED),
    ],
)
def test_ks_3_7_no_other_works_in_the_same_moscow_week(start: str, length: timedelta, verdict: Verdict) -> None:
    decision = ks_saturday(works(SATURDAY, HOUR, "KS", others=(other(start, length, "KS"),)))
    assert decision.verdict is verdict
    assert ("W-7" in decision.what) is (verdict is Verdict.REFUSED)


@pytest.mark.clause("KS-3.7")
@pytest.mark.parametrize("kind", NOT_EMERGENCIES)
def test_ks_3_7_only_other_works_under_ks_that_are_no_emergency_take_the_week(kind: Kind) -> None:
    def verdict(*agreements: str, kind: Kind) -> Verdict:
        taken = other("2026-11-25T09:00+03:00", HOUR, *agreements, kind=kind)
        return ks_saturday(works(SATURDAY, HOUR, "KS", others=(taken,))).verdict

    assert verdict("OCP", "KS", kind=kind) is Verdict.REFUSED
    assert verdict("OCP", "QS", kind=kind) is Verdict.ALLOWED
    assert verdict("KS", kind=EMERGENCY) is Verdict.ALLOWED


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_weeks_run_over_the_year_s_end() -> None:
    saturday = "2027-01-02T09:00+03:00"
    for start, verdict in (
        ("2026-12-28T00:00+03:00", Verdict.REFUSED),
        ("2026-12-27T22:00+03:00", Verdict.ALLOWED),
        ("2027-01-04T00:00+03:00", Verdict.ALLOWED),
    ):
        assert ks_saturday(works(saturday, HOUR, "KS", others=(other(start, HOUR, "KS"),))).verdict is verdict


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_all_faults_are_told_at_once() -> None:
    taken = other("2026-11-25T09:00+03:00", HOUR, "KS")
    wrong_day = ks_saturday(works("2026-11-24T09:00+03:00", HOUR, "KS", others=(taken,)))
    assert "not on a Saturday" in wrong_day.what
    assert "W-7: works in the same week" in wrong_day.what
    assert "split the works" in ks_saturday(works(SATURDAY, 2 * HOUR + INSTANT, "KS")).what


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_an_emergency_is_an_outage_that_is_repaired_and_counts_as_downtime() -> None:
    decision = ks_saturday(works("2026-11-24T03:00+03:00", 9 * HOUR, "KS", kind=EMERGENCY))
    assert decision.verdict is Verdict.ACTION
    assert decision.values == {"counts_as_downtime": True}


@pytest.mark.clause("KS-3.7", "KS-3.12")
def test_ks_3_7_and_3_12_say_nothing_of_works_that_stop_no_service_of_ks() -> None:
    elsewhere = works("2026-11-24T03:00+03:00", 9 * HOUR, "OCP", "QS", "OT")
    assert says_nothing(ks_saturday(elsewhere))
    assert says_nothing(ks_notice(elsewhere))


@pytest.mark.clause("KS-3.12")
@pytest.mark.parametrize("kind", NOT_EMERGENCIES)
@pytest.mark.parametrize(
    ("late_by", "verdict"), [(-INSTANT, Verdict.DUE), (timedelta(), Verdict.DUE), (INSTANT, Verdict.REFUSED)]
)
def test_ks_3_12_customers_hear_72_hours_before_the_start(kind: Kind, late_by: timedelta, verdict: Verdict) -> None:
    latest = at("2026-11-25T09:00+03:00")
    decision = ks_notice(works(SATURDAY, HOUR, "KS", kind=kind, proposed_at=latest + late_by))
    assert decision.verdict is verdict
    assert ("too late" in decision.what) is (verdict is Verdict.REFUSED)
    assert decision.deadline is not None
    assert decision.deadline.due == latest
    assert decision.deadline.local.isoformat() == "2026-11-25T09:00:00+03:00"


@pytest.mark.clause("QS-5.2.2")
@pytest.mark.parametrize("kind", NOT_EMERGENCIES)
@pytest.mark.parametrize(
    ("late_by", "verdict"), [(-INSTANT, Verdict.DUE), (timedelta(), Verdict.DUE), (INSTANT, Verdict.REFUSED)]
)
def test_qs_5_2_2_users_hear_24_hours_before_the_start(kind: Kind, late_by: timedelta, verdict: Verdict) -> None:
    latest = at("2024-02-29T12:30+03:00")
    decision = qs_notice(works("2024-03-01T12:30+03:00", HOUR, "QS", kind=kind, proposed_at=latest + late_by))
    assert decision.verdict is verdict
    assert decision.deadline is not None
    assert decision.deadline.local.isoformat() == "2024-02-29T12:30:00+03:00"


@pytest.mark.clause("QS-5.2.2")
def test_qs_5_2_2_says_nothing_of_works_that_stop_no_service_of_qs() -> None:
    assert says_nothing(qs_notice(works(SATURDAY, HOUR, "KS", "OCP", "OT")))


@pytest.mark.clause("KS-3.12", "QS-5.2.2")
@pytest.mark.parametrize("decide", [ks_notice, qs_notice])
@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ("2026-11-24T03:19:59.999999+03:00", Verdict.DUE),
        ("2026-11-24T03:20+03:00", Verdict.DUE),
        ("2026-11-24T03:20:00.000001+03:00", Verdict.REFUSED),
    ],
)
def test_ks_3_12_and_qs_5_2_2_an_emergency_is_told_within_20_minutes_of_its_discovery(
    decide: Any, told: str, verdict: Verdict
) -> None:
    discovered = at("2026-11-24T03:00+03:00")
    facts = works(
        "2026-11-24T04:00+03:00", HOUR, "KS", "QS", kind=EMERGENCY, discovered_at=discovered, proposed_at=at(told)
    )
    decision: Decision = decide(facts)
    assert decision.verdict is verdict
    assert decision.deadline is not None
    assert decision.deadline.due == discovered + 20 * MINUTE


@pytest.mark.clause("KS-3.12", "QS-5.2.2")
def test_ks_3_12_and_qs_5_2_2_our_figures_are_a_policy_that_has_a_first_day() -> None:
    assert MAINTENANCE_POLICY.on(date(2019, 5, 30)) == MaintenancePolicy(
        ks_notice_hours=72, qs_notice_hours=24, emergency_minutes=20, urgent_minutes=120
    )
    early = {"proposed_at": at("2019-01-01T00:00Z")}
    first = "2019-05-30T00:00+03:00"
    assert ks_notice(works(first, HOUR, "KS", **early)).verdict is Verdict.DUE
    assert qs_notice(works(first, HOUR, "QS", **early)).verdict is Verdict.DUE
    before = at(first) - INSTANT
    with pytest.raises(NotFound, match="maintenance policy"):
        ks_notice(works(before, HOUR, "KS", **early))
    with pytest.raises(NotFound, match="maintenance policy"):
        qs_notice(works(before, HOUR, "QS", **early))


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize("kind", NOT_EMERGENCIES)
@pytest.mark.parametrize(
    ("length", "verdict"),
    [
        (30 * MINUTE - INSTANT, Verdict.ALLOWED),
        (30 * MINUTE, Verdict.ALLOWED),
        (30 * MINUTE + INSTANT, Verdict.REFUSED),
    ],
)
def test_ot_1_works_are_downtime_and_one_stop_lasts_30_minutes(kind: Kind, length: timedelta, verdict: Verdict) -> None:
    decision = ot_works(works("2026-11-24T12:00+02:00", length, "OT", kind=kind))
    assert decision.clause == "OT-1"
    assert decision.verdict is verdict
    assert decision.values["counts_as_downtime"] is True
    assert decision.values["minutes_of_year"] == (30 if length <= 30 * MINUTE else 31)
    assert ("split the works" in decision.what) is (verdict is Verdict.REFUSED)


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize(
    ("touching", "verdict"),
    [
        (down("2026-11-24T12:20+02:00", 10 * MINUTE), Verdict.ALLOWED),
        (down("2026-11-24T12:20+02:00", 10 * MINUTE + INSTANT), Verdict.REFUSED),
        (down("2026-11-24T12:20:00.000001+02:00", HOUR), Verdict.ALLOWED),
        (down("2026-11-24T11:50+02:00", 10 * MINUTE), Verdict.ALLOWED),
        (down("2026-11-24T11:49+02:00", 11 * MINUTE), Verdict.REFUSED),
        (down("2026-11-24T11:49+02:00", 11 * MINUTE - INSTANT), Verdict.ALLOWED),
        (down("2026-11-24T12:05+02:00", 10 * MINUTE), Verdict.ALLOWED),
    ],
)
def test_ot_1_stops_that_touch_are_one_stop(touching: Interval, verdict: Verdict) -> None:
    window = ("2026-11-24T12:00+02:00", 20 * MINUTE)
    assert ot_works(works(*window, "OT", downtime=(touching,))).verdict is verdict
    length = touching.end - touching.start
    for kind in Kind:
        twin = other(touching.start.isoformat(), length, "OT", kind=kind)
        assert ot_works(works(*window, "OT", others=(twin,))).verdict is verdict
        elsewhere = other(touching.start.isoformat(), length, "KS", kind=kind)
        assert ot_works(works(*window, "OT", others=(elsewhere,))).verdict is Verdict.ALLOWED


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize(
    ("before", "verdict", "minutes"),
    [
        (7 * HOUR + 30 * MINUTE - INSTANT, Verdict.ALLOWED, 480),
        (7 * HOUR + 30 * MINUTE, Verdict.ALLOWED, 480),
        (7 * HOUR + 30 * MINUTE + INSTANT, Verdict.REFUSED, 481),
    ],
)
def test_ot_1_a_calendar_year_has_8_hours_downtime_so_far_included(
    before: timedelta, verdict: Verdict, minutes: int
) -> None:
    outages = (down("2026-03-01T12:00+02:00", HOUR), down("2026-03-01T12:30+02:00", before - 30 * MINUTE))
    decision = ot_works(works("2026-11-24T12:00+02:00", 30 * MINUTE, "OT", downtime=outages))
    assert decision.verdict is verdict
    assert decision.values["minutes_of_year"] == minutes
    assert ("in 2026, over 8 hours" in decision.what) is (verdict is Verdict.REFUSED)
    held = other("2026-03-01T12:00+02:00", before, "OT", kind=Kind.URGENT)
    assert ot_works(works("2026-11-24T12:00+02:00", 30 * MINUTE, "OT", others=(held,))).verdict is verdict


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        ("2026-12-31T23:30+02:00", Verdict.REFUSED),
        ("2026-12-31T23:59:59.999999+02:00", Verdict.REFUSED),
        ("2027-01-01T00:00+02:00", Verdict.ALLOWED),
        ("2026-12-31T22:00Z", Verdict.ALLOWED),
        ("2025-12-31T23:30+02:00", Verdict.ALLOWED),
        ("2025-12-31T23:30:00.000001+02:00", Verdict.REFUSED),
    ],
)
def test_ot_1_the_year_is_a_calendar_year_of_kyiv(start: str, verdict: Verdict) -> None:
    full = (down("2026-06-01T12:00+03:00", 8 * HOUR),)
    assert ot_works(works(start, 30 * MINUTE, "OT", downtime=full)).verdict is verdict


@pytest.mark.clause("OT-1")
def test_ot_1_a_stop_that_ends_with_the_year_takes_nothing_of_the_next() -> None:
    over = (down("2026-06-01T12:00+03:00", 9 * HOUR),)
    ends_with_2025 = "2025-12-31T23:30+02:00"
    assert ot_works(works(ends_with_2025, 30 * MINUTE, "OT", downtime=over)).verdict is Verdict.ALLOWED
    ends_in_2026 = at(ends_with_2025) + INSTANT
    assert ot_works(works(ends_in_2026, 30 * MINUTE, "OT", downtime=over)).verdict is Verdict.REFUSED


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [
        ("2026-03-29T02:45+02:00", "2026-03-29T04:15+03:00", Verdict.ALLOWED),
        ("2026-03-29T02:45+02:00", "2026-03-29T04:15:00.000001+03:00", Verdict.REFUSED),
        ("2026-10-25T03:45+03:00", "2026-10-25T03:15+02:00", Verdict.ALLOWED),
        ("2026-10-25T03:15+03:00", "2026-10-25T03:45+02:00", Verdict.REFUSED),
    ],
)
def test_ot_1_half_an_hour_over_a_change_of_the_clocks_is_half_an_hour(start: str, end: str, verdict: Verdict) -> None:
    assert ot_works(works(start, at(end) - at(start), "OT")).verdict is verdict


@pytest.mark.clause("OT-1")
def test_ot_1_all_faults_are_told_at_once() -> None:
    full = (down("2026-06-01T12:00+03:00", 8 * HOUR),)
    what = ot_works(works("2026-11-24T12:00+02:00", HOUR, "OT", downtime=full)).what
    assert "a stop over 30 minutes" in what
    assert "540 minutes of downtime in 2026" in what


@pytest.mark.clause("OT-1")
def test_ot_1_an_emergency_is_repaired_however_long_and_counts() -> None:
    decision = ot_works(works("2026-11-24T12:00+02:00", 9 * HOUR, "OT", kind=EMERGENCY))
    assert decision.verdict is Verdict.ACTION
    assert decision.values == {"counts_as_downtime": True}


@pytest.mark.clause("OT-1")
def test_ot_1_says_nothing_of_works_that_stop_no_service_of_ot() -> None:
    assert says_nothing(ot_works(works("2026-11-24T12:00+02:00", 9 * HOUR, "KS", "OCP", "QS")))


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_policy_figure_is_positive(minutes: int) -> None:
    with pytest.raises(ValidationError):
        MaintenancePolicy(emergency_minutes=minutes)


def test_moments_are_utc_inside() -> None:
    assert works(SATURDAY, HOUR, "KS").start.tzinfo is UTC
