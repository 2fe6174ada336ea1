"""Works under the ОЦП: standard hours in Astana, the Operator's agreement, notices, the year's ten hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from blocks.errors import NotFound
from blocks.terms.base import Decision, Verdict
from blocks.terms.calendars import calendar
from blocks.terms.policy import MaintenancePolicy
from blocks.terms.tariffs import Timeline
from blocks.terms.works import Kind
from blocks.terms.works_ocp import (
    emergency_report,
    emergency_told,
    in_standard_hours,
    operator_knows,
    planned_told,
    routine_agreed,
    routine_hours,
    standard_hours,
    urgent_agreed,
    yearly_stops,
)
from tests.terms.test_works import EMERGENCY, HOUR, INSTANT, MINUTE, at, other, says_nothing, works

DAY = timedelta(days=1)
TUESDAY = "2026-11-24T12:00+05:00"
AT_NIGHT = "2026-11-24T01:00+05:00"
PLANNED, DAILY, URGENT = Kind.PLANNED, Kind.DAILY, Kind.URGENT
BOUNDS = [-INSTANT, timedelta(), INSTANT]

CONCERNED: list[tuple[Any, set[Kind]]] = [
    (emergency_told, {EMERGENCY}),
    (planned_told, {PLANNED, DAILY}),
    (in_standard_hours, {PLANNED, DAILY, URGENT}),
    (routine_agreed, {PLANNED, DAILY}),
    (urgent_agreed, {URGENT}),
    (operator_knows, {EMERGENCY}),
    (emergency_report, {EMERGENCY}),
    (yearly_stops, {PLANNED, DAILY}),
    (routine_hours, {PLANNED, DAILY}),
]


def due(decision: Decision) -> datetime:
    assert decision.deadline is not None
    assert decision.deadline.zone == "Asia/Almaty"
    return decision.deadline.due


@pytest.mark.clause("OCP-3.2.7", "OCP-3.2.8", "OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.2.7a", "OCP-P3.2.7b", "OCP-P3.2.7c")
@pytest.mark.clause("OCP-P3.T1", "OCP-P3.7.2")
@pytest.mark.parametrize(("decide", "kinds"), CONCERNED)
def test_ocp_a_rule_concerns_its_kinds_of_works_and_only_services_of_the_platform(
    decide: Any, kinds: set[Kind]
) -> None:
    inside_hours = decide is in_standard_hours
    for kind in Kind:
        facts = works(
            AT_NIGHT if inside_hours else TUESDAY,
            20 * MINUTE,
            "OCP",
            kind=kind,
            repaired_at=at("2026-11-24T13:00+05:00"),
        )
        assert says_nothing(decide(facts)) is (kind not in kinds)
        assert says_nothing(decide(facts.model_copy(update={"agreements": frozenset({"KS", "QS", "OT"})})))


@pytest.mark.clause("OCP-P3.2.5")
@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 11, 23), "2026-11-22T19:00Z", "2026-11-23T01:00Z"),
        (date(2026, 11, 27), "2026-11-26T19:00Z", "2026-11-27T01:00Z"),
        (date(2026, 11, 28), "2026-11-27T19:00Z", "2026-11-28T02:00Z"),
        (date(2026, 11, 29), "2026-11-28T19:00Z", "2026-11-29T02:00Z"),
        (date(2024, 2, 29), "2024-02-28T18:00Z", "2024-02-29T00:00Z"),
        (date(2024, 3, 1), "2024-02-29T19:00Z", "2024-03-01T01:00Z"),
    ],
)
def test_ocp_p3_2_5_standard_hours_are_astana_s_and_longer_at_weekends(day: date, start: str, end: str) -> None:
    assert standard_hours(day) == (at(start), at(end))


@pytest.mark.clause("OCP-P3.2.5")
def test_ocp_p3_2_5_a_saturday_that_is_officially_worked_keeps_a_saturday_s_hours() -> None:
    assert calendar("KZ").is_working_day(date(2024, 5, 4))
    assert standard_hours(date(2024, 5, 4)).length == 7 * HOUR
    assert not calendar("KZ").is_working_day(date(2024, 5, 1))
    assert standard_hours(date(2024, 5, 1)).length == 6 * HOUR


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.7a")
@pytest.mark.parametrize(
    ("start", "end", "within"),
    [
        ("2026-11-24T00:00+05:00", "2026-11-24T06:00+05:00", True),
        ("2026-11-23T23:59:59.999999+05:00", "2026-11-24T06:00+05:00", False),
        ("2026-11-24T05:00+05:00", "2026-11-24T06:00:00.000001+05:00", False),
        ("2026-11-28T00:00+05:00", "2026-11-28T07:00+05:00", True),
        ("2026-11-29T06:30+05:00", "2026-11-29T07:00+05:00", True),
        ("2026-11-29T06:30+05:00", "2026-11-29T07:00:00.000001+05:00", False),
        ("2026-11-30T06:30+05:00", "2026-11-30T06:40+05:00", False),
        ("2024-02-29T00:00+06:00", "2024-02-29T06:00+06:00", True),
        ("2024-02-29T23:30+06:00", "2024-02-29T23:40+06:00", False),
        ("2024-03-01T00:00+06:00", "2024-03-01T00:30+06:00", False),
        ("2024-03-01T00:00+05:00", "2024-03-01T06:00+05:00", True),
        ("2026-11-24T01:00+05:00", "2026-11-25T02:00+05:00", False),
    ],
)
def test_ocp_p3_2_5_urgent_works_are_within_the_standard_hours_or_outside(
    start: str, end: str, *, within: bool
) -> None:
    facts = works(start, at(end) - at(start), "OCP", kind=URGENT)
    inside, outside = in_standard_hours(facts), urgent_agreed(facts)
    assert says_nothing(inside) is not within
    assert says_nothing(outside) is within
    assert (inside if within else outside).values == {"needs_agreement": True}


AGREED: list[tuple[Any, Kind, str]] = [
    (in_standard_hours, PLANNED, AT_NIGHT),
    (in_standard_hours, DAILY, AT_NIGHT),
    (in_standard_hours, URGENT, AT_NIGHT),
    (routine_agreed, PLANNED, AT_NIGHT),
    (routine_agreed, DAILY, AT_NIGHT),
    (routine_agreed, PLANNED, TUESDAY),
    (urgent_agreed, URGENT, TUESDAY),
    (routine_hours, PLANNED, TUESDAY),
]


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.2.7a", "OCP-P3.7.2")
@pytest.mark.parametrize(("decide", "kind", "start"), AGREED)
@pytest.mark.parametrize(
    ("agreed", "verdict"), [(None, Verdict.ACTION), (True, Verdict.ALLOWED), (False, Verdict.REFUSED)]
)
def test_ocp_p3_2_5_works_wait_for_the_operator_s_agreement_and_a_no_refuses_them(
    decide: Any, kind: Kind, start: str, *, agreed: bool | None, verdict: Verdict
) -> None:
    decision = decide(works(start, HOUR, "OCP", kind=kind, operator_agreed=agreed))
    assert decision.verdict is verdict
    assert decision.values == {"needs_agreement": True}
    assert ("did not agree" in decision.what) is (agreed is False)


AHEAD: list[tuple[Any, Kind, str, timedelta]] = [
    (planned_told, PLANNED, TUESDAY, 5 * DAY),
    (planned_told, DAILY, AT_NIGHT, 5 * DAY),
    (planned_told, PLANNED, "2024-03-02T10:00+05:00", 5 * DAY),
    (routine_agreed, PLANNED, TUESDAY, DAY),
    (routine_agreed, DAILY, AT_NIGHT, DAY),
    (routine_agreed, PLANNED, "2024-03-01T10:00+05:00", DAY),
    (urgent_agreed, URGENT, TUESDAY, 2 * HOUR),
    (urgent_agreed, URGENT, "2024-02-29T23:30+05:00", 2 * HOUR),
    (in_standard_hours, URGENT, AT_NIGHT, 2 * HOUR),
]


@pytest.mark.clause("OCP-3.2.8", "OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.2.7a")
@pytest.mark.parametrize(("decide", "kind", "start", "ahead"), AHEAD)
@pytest.mark.parametrize("late_by", BOUNDS)
def test_ocp_3_2_8_a_notice_is_in_time_at_its_latest_moment_and_late_after_it(
    decide: Any, kind: Kind, start: str, ahead: timedelta, late_by: timedelta
) -> None:
    latest = at(start) - ahead
    decision = decide(works(start, 30 * MINUTE, "OCP", kind=kind, proposed_at=latest + late_by))
    assert due(decision) == latest
    assert (decision.verdict is Verdict.REFUSED) is (late_by > timedelta())
    assert ("too late" in decision.what) is (late_by > timedelta())


@pytest.mark.clause("OCP-3.2.8")
def test_ocp_3_2_8_five_days_are_5_x_24_hours_also_over_kazakhstan_s_change_of_offset() -> None:
    decision = planned_told(works("2024-03-02T10:00+05:00", HOUR, "OCP"))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.local.isoformat() == "2024-02-26T11:00:00+06:00"


@pytest.mark.clause("OCP-P3.2.5")
@pytest.mark.parametrize("kind", [PLANNED, DAILY])
def test_ocp_p3_2_5_names_no_time_of_notice_for_planned_works(kind: Kind) -> None:
    late = works(AT_NIGHT, HOUR, "OCP", kind=kind, proposed_at=at(AT_NIGHT))
    decision = in_standard_hours(late)
    assert decision.verdict is Verdict.ACTION
    assert decision.deadline is None


@pytest.mark.clause("OCP-P3.2.6")
def test_ocp_p3_2_6_a_no_and_a_late_notice_are_told_together() -> None:
    what = routine_agreed(works(TUESDAY, HOUR, "OCP", operator_agreed=False, proposed_at=at(TUESDAY))).what
    assert "did not agree" in what
    assert "too late" in what


DISCOVERED = at("2026-11-24T11:00+05:00")


@pytest.mark.clause("OCP-3.2.7", "OCP-P3.2.7b")
@pytest.mark.parametrize("decide", [emergency_told, operator_knows])
@pytest.mark.parametrize("late_by", BOUNDS)
def test_ocp_p3_2_7b_an_emergency_is_told_within_20_minutes_of_its_discovery(decide: Any, late_by: timedelta) -> None:
    latest = DISCOVERED + 20 * MINUTE
    facts = works(
        TUESDAY,
        HOUR,
        "OCP",
        kind=EMERGENCY,
        discovered_at=DISCOVERED,
        proposed_at=latest + late_by,
        operator_agreed=False,
    )
    decision = decide(facts)
    assert due(decision) == latest
    assert decision.verdict is (Verdict.REFUSED if late_by > timedelta() else Verdict.DUE)
    assert ("too late" in decision.what) is (late_by > timedelta())


@pytest.mark.clause("OCP-3.2.7")
def test_ocp_3_2_7_says_by_when_the_operator_knows() -> None:
    decision = emergency_told(works(TUESDAY, HOUR, "OCP", kind=EMERGENCY, discovered_at=DISCOVERED))
    assert decision.values == {"operator_by": "2026-11-24T11:20:00+05:00"}


@pytest.mark.clause("OCP-3.2.7")
def test_ocp_3_2_7_the_end_users_figure_is_a_policy_with_a_first_day() -> None:
    first = "2019-05-30T00:00+06:00"
    early = {"kind": EMERGENCY, "proposed_at": at("2019-05-01T00:00Z")}
    assert emergency_told(works(first, HOUR, "OCP", **early)).verdict is Verdict.DUE
    with pytest.raises(NotFound, match="maintenance policy"):
        emergency_told(works(at(first) - INSTANT, HOUR, "OCP", **early))


def with_policy(monkeypatch: pytest.MonkeyPatch, **figures: int) -> None:
    entry = (date(2019, 5, 30), MaintenancePolicy(**figures))
    monkeypatch.setattr("blocks.terms.works.MAINTENANCE_POLICY", Timeline("maintenance policy", [entry]))


@pytest.mark.clause("OCP-3.2.7", "OCP-P3.2.7b")
@pytest.mark.parametrize(("minutes", "first"), [(5, 5), (40, 20)])
@pytest.mark.parametrize("late_by", BOUNDS)
def test_ocp_3_2_7_the_end_users_figure_is_ours_and_the_operator_s_20_minutes_stay(
    monkeypatch: pytest.MonkeyPatch, minutes: int, first: int, late_by: timedelta
) -> None:
    with_policy(monkeypatch, emergency_minutes=minutes)
    told = DISCOVERED + first * MINUTE + late_by
    facts = works(TUESDAY, HOUR, "OCP", kind=EMERGENCY, discovered_at=DISCOVERED, proposed_at=told)
    decision = emergency_told(facts)
    assert due(decision) == DISCOVERED + minutes * MINUTE
    assert decision.verdict is (Verdict.REFUSED if late_by > timedelta() else Verdict.DUE)
    assert decision.values == {"operator_by": "2026-11-24T11:20:00+05:00"}
    assert due(operator_knows(facts)) == DISCOVERED + 20 * MINUTE


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.7a")
def test_ocp_p3_2_5_our_figure_holds_within_the_standard_hours_and_2_hours_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_policy(monkeypatch, urgent_minutes=30)
    assert due(in_standard_hours(works(AT_NIGHT, HOUR, "OCP", kind=URGENT))) == at(AT_NIGHT) - 30 * MINUTE
    assert due(urgent_agreed(works(TUESDAY, HOUR, "OCP", kind=URGENT))) == at(TUESDAY) - 2 * HOUR


@pytest.mark.clause("OCP-P3.2.7c")
def test_ocp_p3_2_7c_a_report_is_due_12_hours_after_the_repair() -> None:
    repaired = at("2024-02-29T20:00+06:00")
    decision = emergency_report(works(TUESDAY, HOUR, "OCP", kind=EMERGENCY, repaired_at=repaired))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at("2024-03-01T07:00+05:00")
    assert says_nothing(emergency_report(works(TUESDAY, HOUR, "OCP", kind=EMERGENCY)))


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize("kind", [PLANNED, DAILY])
@pytest.mark.parametrize("held_as", [PLANNED, DAILY])
@pytest.mark.parametrize("over", BOUNDS)
def test_ocp_p3_t1_planned_and_daily_stops_take_10_hours_a_year(kind: Kind, held_as: Kind, over: timedelta) -> None:
    held = other("2026-03-01T00:00+05:00", 9 * HOUR + 30 * MINUTE + over, "OCP", "KS", kind=held_as)
    decision = yearly_stops(works(TUESDAY, 30 * MINUTE, "OCP", kind=kind, others=(held,)))
    assert decision.verdict is (Verdict.REFUSED if over > timedelta() else Verdict.ALLOWED)
    assert decision.values == {"minutes_of_year": 601 if over > timedelta() else 600}
    assert ("in 2026, over 10 hours" in decision.what) is (over > timedelta())


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize("over", BOUNDS)
def test_ocp_p3_t1_one_stop_of_10_hours_takes_the_whole_year(over: timedelta) -> None:
    decision = yearly_stops(works(TUESDAY, 10 * HOUR + over, "OCP"))
    assert decision.verdict is (Verdict.REFUSED if over > timedelta() else Verdict.ALLOWED)


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize(
    ("kind", "agreements"), [(URGENT, ("OCP",)), (EMERGENCY, ("OCP",)), (PLANNED, ("KS", "QS", "OT"))]
)
def test_ocp_p3_t1_urgent_works_emergencies_and_other_machines_count_to_nothing(
    kind: Kind, agreements: tuple[str, ...]
) -> None:
    held = other("2026-11-20T00:00+05:00", 30 * HOUR, *agreements, kind=kind)
    decision = yearly_stops(works(TUESDAY, HOUR, "OCP", others=(held,)))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"minutes_of_year": 60}


@pytest.mark.clause("OCP-P3.T1")
def test_ocp_p3_t1_stops_at_the_same_time_are_counted_once() -> None:
    held = other("2026-11-24T12:30+05:00", 9 * HOUR + 30 * MINUTE, "OCP", kind=DAILY)
    decision = yearly_stops(works(TUESDAY, HOUR, "OCP", others=(held,)))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"minutes_of_year": 600}


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize(
    ("start", "length", "verdict", "minutes"),
    [
        ("2026-12-31T18:00+05:00", 16 * HOUR, Verdict.ALLOWED, 600),
        ("2026-12-31T13:59:59.999999+05:00", 16 * HOUR, Verdict.REFUSED, 601),
        ("2026-12-31T14:00+05:00", 20 * HOUR, Verdict.ALLOWED, 600),
        ("2026-12-31T14:00+05:00", 20 * HOUR + INSTANT, Verdict.REFUSED, 601),
        ("2026-12-31T19:00Z", 10 * HOUR, Verdict.ALLOWED, 600),
        ("2023-12-31T18:00Z", 10 * HOUR, Verdict.ALLOWED, 600),
    ],
)
def test_ocp_p3_t1_the_year_is_astana_s_and_a_stop_is_cut_at_its_end(
    start: str, length: timedelta, verdict: Verdict, minutes: int
) -> None:
    decision = yearly_stops(works(start, length, "OCP"))
    assert decision.verdict is verdict
    assert decision.values == {"minutes_of_year": minutes}


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize(
    ("full", "start", "verdict"),
    [
        ("2026-06-01T00:00+05:00", "2026-12-31T23:59:59.999999+05:00", Verdict.REFUSED),
        ("2026-06-01T00:00+05:00", "2027-01-01T00:00+05:00", Verdict.ALLOWED),
        ("2026-06-01T00:00+05:00", "2025-12-31T23:30+05:00", Verdict.ALLOWED),
        ("2026-06-01T00:00+05:00", "2025-12-31T23:30:00.000001+05:00", Verdict.REFUSED),
        ("2023-06-01T00:00+06:00", "2023-12-31T17:59:59.999999Z", Verdict.REFUSED),
        ("2023-06-01T00:00+06:00", "2023-12-31T18:00Z", Verdict.ALLOWED),
        ("2026-12-31T20:00+05:00", "2027-02-01T01:00+05:00", Verdict.ALLOWED),
    ],
)
def test_ocp_p3_t1_a_full_year_leaves_room_in_the_next(full: str, start: str, verdict: Verdict) -> None:
    held = other(full, 10 * HOUR, "OCP", kind=DAILY)
    assert yearly_stops(works(start, 30 * MINUTE, "OCP", kind=DAILY, others=(held,))).verdict is verdict


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ("2026-09-25T10:00+05:00", Verdict.ALLOWED),
        ("2026-09-25T22:59:59.999999+05:00", Verdict.ALLOWED),
        ("2026-09-25T23:00+05:00", Verdict.REFUSED),
        ("2026-09-26T00:00+05:00", Verdict.REFUSED),
        ("2026-11-24T11:30+05:00", Verdict.REFUSED),
        ("2026-11-24T12:30+05:00", Verdict.REFUSED),
        ("2026-12-01T01:00+05:00", Verdict.REFUSED),
        ("2027-01-22T23:59:59.999999+05:00", Verdict.REFUSED),
        ("2027-01-23T00:00+05:00", Verdict.ALLOWED),
        ("2027-01-22T19:00Z", Verdict.ALLOWED),
    ],
)
def test_ocp_p3_t1_60_calendar_days_lie_between_planned_stops_before_and_after(held: str, verdict: Verdict) -> None:
    decision = yearly_stops(works(TUESDAY, HOUR, "OCP", others=(other(held, HOUR, "OCP"),)))
    assert decision.verdict is verdict
    assert ("W-7: less than 60 days" in decision.what) is (verdict is Verdict.REFUSED)


@pytest.mark.clause("OCP-P3.T1")
@pytest.mark.parametrize(
    ("ended", "start", "verdict"),
    [
        ("2024-01-01T10:00+06:00", "2024-02-29T10:00+06:00", Verdict.REFUSED),
        ("2024-01-01T10:00+06:00", "2024-03-01T00:00+05:00", Verdict.ALLOWED),
        ("2024-01-01T10:00+06:00", "2024-03-01T00:00+06:00", Verdict.REFUSED),
        ("2025-01-01T10:00+05:00", "2025-03-01T10:00+05:00", Verdict.REFUSED),
        ("2025-01-01T10:00+05:00", "2025-03-02T00:00+05:00", Verdict.ALLOWED),
    ],
)
def test_ocp_p3_t1_days_are_counted_over_29_february_and_the_change_of_offset(
    ended: str, start: str, verdict: Verdict
) -> None:
    held = other(ended, HOUR, "OCP")
    assert yearly_stops(works(start, HOUR, "OCP", others=(held,))).verdict is verdict


@pytest.mark.clause("OCP-P3.T1")
def test_ocp_p3_t1_daily_works_need_no_60_days_and_give_none() -> None:
    yesterday = "2026-11-23T12:00+05:00"
    assert yearly_stops(works(TUESDAY, HOUR, "OCP", kind=DAILY, others=(other(yesterday, HOUR, "OCP"),))).allowed
    held = other(yesterday, HOUR, "OCP", kind=DAILY)
    assert yearly_stops(works(TUESDAY, HOUR, "OCP", others=(held,))).allowed


@pytest.mark.clause("OCP-P3.T1")
def test_ocp_p3_t1_all_faults_are_told_at_once() -> None:
    what = yearly_stops(works(TUESDAY, HOUR, "OCP", others=(other("2026-11-20T00:00+05:00", 10 * HOUR, "OCP"),))).what
    assert "660 minutes of planned downtime in 2026" in what
    assert "W-7: less than 60 days" in what


NIGHTS = [
    ("2026-11-24T22:59:59.999999+05:00", 10 * MINUTE, False),
    ("2026-11-24T23:00+05:00", 30 * MINUTE, True),
    ("2026-11-24T23:45+05:00", 30 * MINUTE, True),
    ("2026-11-25T00:00+05:00", 30 * MINUTE, True),
    ("2026-11-25T05:30+05:00", 30 * MINUTE, True),
    ("2026-11-25T05:30:00.000001+05:00", 30 * MINUTE, False),
    ("2026-11-25T06:00+05:00", INSTANT, False),
    ("2026-11-25T12:00+05:00", 10 * MINUTE, False),
    ("2026-11-28T06:30+05:00", 30 * MINUTE, True),
    ("2026-11-28T06:30:00.000001+05:00", 30 * MINUTE, False),
    ("2026-11-29T06:30+05:00", 30 * MINUTE, True),
    ("2026-11-30T06:30+05:00", 30 * MINUTE, False),
    ("2026-11-24T18:00Z", 30 * MINUTE, True),
    ("2026-11-24T17:59:59.999999Z", 30 * MINUTE, False),
    ("2024-02-29T23:00+06:00", 30 * MINUTE, True),
    ("2024-02-29T22:59:59.999999+06:00", 30 * MINUTE, False),
    ("2024-02-29T23:30+05:00", 30 * MINUTE, True),
    ("2024-03-01T05:30+05:00", 30 * MINUTE, True),
    ("2024-02-28T23:50+06:00", 20 * MINUTE, True),
    ("2026-12-31T23:50+05:00", 30 * MINUTE, True),
]


@pytest.mark.clause("OCP-P3.7.2")
@pytest.mark.parametrize(("start", "length", "at_night"), NIGHTS)
def test_ocp_p3_7_2_short_stops_are_at_night_from_23_00_to_the_end_of_standard_hours(
    start: str, length: timedelta, *, at_night: bool
) -> None:
    daily = routine_hours(works(start, length, "OCP", kind=DAILY, operator_agreed=True))
    assert daily.verdict is (Verdict.ALLOWED if at_night else Verdict.REFUSED)
    assert ("not at night" in daily.what) is not at_night
    planned = routine_hours(works(start, length, "OCP"))
    assert planned.verdict is (Verdict.ALLOWED if at_night else Verdict.ACTION)
    assert planned.values == ({} if at_night else {"needs_agreement": True})


@pytest.mark.clause("OCP-P3.7.2")
@pytest.mark.parametrize("over", BOUNDS)
def test_ocp_p3_7_2_daily_works_stop_a_service_for_30_minutes_at_most(over: timedelta) -> None:
    start = "2026-11-24T23:00+05:00"
    decision = routine_hours(works(start, 30 * MINUTE + over, "OCP", kind=DAILY))
    assert decision.verdict is (Verdict.REFUSED if over > timedelta() else Verdict.ALLOWED)
    assert ("over 30 minutes" in decision.what) is (over > timedelta())
    planned = routine_hours(works(start, 30 * MINUTE + over, "OCP"))
    assert planned.verdict is (Verdict.ACTION if over > timedelta() else Verdict.ALLOWED)


@pytest.mark.clause("OCP-P3.7.2")
@pytest.mark.parametrize(
    ("kind", "agreement", "gap", "verdict"),
    [
        (DAILY, "OCP", timedelta(), Verdict.REFUSED),
        (PLANNED, "OCP", timedelta(), Verdict.REFUSED),
        (DAILY, "OCP", INSTANT, Verdict.ALLOWED),
        (DAILY, "KS", timedelta(), Verdict.ALLOWED),
        (URGENT, "OCP", timedelta(), Verdict.ALLOWED),
    ],
)
def test_ocp_p3_7_2_routine_windows_that_touch_are_one_stop(
    kind: Kind, agreement: str, gap: timedelta, verdict: Verdict
) -> None:
    before = other("2026-11-24T23:00+05:00", 20 * MINUTE - gap, agreement, kind=kind)
    facts = works("2026-11-24T23:20+05:00", 20 * MINUTE, "OCP", kind=DAILY, others=(before,))
    assert routine_hours(facts).verdict is verdict


@pytest.mark.clause("OCP-P3.7.2")
@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [
        ("2026-11-27T22:00+05:00", "2026-11-28T07:00+05:00", Verdict.ALLOWED),
        ("2026-11-27T21:59:59.999999+05:00", "2026-11-28T07:00+05:00", Verdict.ACTION),
        ("2026-11-27T22:00+05:00", "2026-11-28T07:00:00.000001+05:00", Verdict.ACTION),
        ("2026-11-28T01:00+05:00", "2026-11-28T03:00+05:00", Verdict.ALLOWED),
        ("2026-11-28T22:00+05:00", "2026-11-29T03:00+05:00", Verdict.ACTION),
        ("2026-11-26T22:00+05:00", "2026-11-27T03:00+05:00", Verdict.ACTION),
        ("2026-11-27T01:00+05:00", "2026-11-27T03:00+05:00", Verdict.ACTION),
        ("2024-03-01T22:00+05:00", "2024-03-02T07:00+05:00", Verdict.ALLOWED),
        ("2024-02-23T22:00+06:00", "2024-02-24T07:00+06:00", Verdict.ALLOWED),
        ("2024-03-01T22:00+06:00", "2024-03-01T23:00+06:00", Verdict.ACTION),
        ("2026-11-27T22:10+05:00", "2026-11-27T22:40+05:00", Verdict.ACTION),
    ],
)
def test_ocp_p3_7_2_longer_planned_works_are_on_friday_from_22_00_or_by_agreement(
    start: str, end: str, verdict: Verdict
) -> None:
    facts = works(start, at(end) - at(start), "OCP")
    assert routine_hours(facts).verdict is verdict
    refused = routine_hours(facts.model_copy(update={"operator_agreed": False}))
    assert (refused.verdict is Verdict.REFUSED) is (verdict is Verdict.ACTION)
    assert routine_hours(facts.model_copy(update={"operator_agreed": True})).verdict is Verdict.ALLOWED


@pytest.mark.clause("OCP-P3.7.2")
def test_ocp_p3_7_2_all_faults_of_daily_works_are_told_at_once() -> None:
    what = routine_hours(works(TUESDAY, HOUR, "OCP", kind=DAILY)).what
    assert "over 30 minutes" in what
    assert "not at night" in what
