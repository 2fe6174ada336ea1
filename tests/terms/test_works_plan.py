"""A plan put to every rule at once: examples, and properties against an oracle that walks the minutes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st

from blocks.errors import NotFound
from blocks.terms.intervals import Interval
from blocks.terms.works import Kind, OtherWindow, Window, WorksFacts
from blocks.terms.works_plan import PlanVerdict, check_plan
from tests.terms.test_works import EMERGENCY, HOUR, INSTANT, LONG_BEFORE, MINUTE, SATURDAY, at, down, other, works

DAY = timedelta(days=1)
PLANNED, DAILY, URGENT = Kind.PLANNED, Kind.DAILY, Kind.URGENT
ROUTINE = {PLANNED, DAILY}
ZONES = {zone: ZoneInfo(zone) for zone in ("Europe/Moscow", "Asia/Almaty", "Europe/Kyiv")}


def broken(verdict: PlanVerdict) -> set[str]:
    return {decision.clause for decision in verdict.broken}


def owed(verdict: PlanVerdict) -> set[tuple[str, str, str, str]]:
    return {(n.agreement, n.audience, n.clause, n.latest.local.isoformat()) for n in verdict.notices}


def starts(verdict: PlanVerdict) -> list[str]:
    return [window.start.isoformat() for window in verdict.suggestions]


def moved(facts: WorksFacts, window: Interval) -> WorksFacts:
    return WorksFacts.model_validate(
        {**facts.model_dump(), "start": window.start, "end": window.end, "operator_agreed": None}
    )


# ---- the oracle: it shares nothing with the rules, walks whole minutes and asks the wall clock of each


def walk(window: Window | Interval) -> list[datetime]:
    assert window.start.second == window.end.second == window.start.microsecond == window.end.microsecond == 0
    return [window.start + n * MINUTE for n in range(int((window.end - window.start).total_seconds()) // 60)]


def local(minutes: list[datetime], zone: str) -> list[datetime]:
    return [minute.astimezone(ZONES[zone]) for minute in minutes]


def years(stops: set[datetime], zone: str) -> dict[int, int]:
    count: dict[int, int] = {}
    for minute in local(list(stops), zone):
        count[minute.year] = count.get(minute.year, 0) + 1
    return count


def run(minutes: list[datetime], stops: set[datetime]) -> int:
    first, last = minutes[0], minutes[-1]
    while first - MINUTE in stops:
        first -= MINUTE
    while last + MINUTE in stops:
        last += MINUTE
    return int((last - first) / MINUTE) + 1


def standard(minute: datetime) -> bool:
    return minute.hour < (7 if minute.strftime("%a") in {"Sat", "Sun"} else 6)


def oracle_ks(f: WorksFacts) -> set[str]:
    if f.kind is EMERGENCY:
        return {"KS-3.12"} if f.proposed_at - f.discovered > 20 * MINUTE else set()
    found = {"KS-3.12"} if f.start - f.proposed_at < timedelta(hours=72) else set()
    ours = local(walk(f), "Europe/Moscow")
    weeks = {
        minute.isocalendar()[:2]
        for held in f.others
        if "KS" in held.agreements and held.kind is not EMERGENCY
        for minute in local(walk(held), "Europe/Moscow")
    }
    on_saturday = all(minute.strftime("%a") == "Sat" and minute.hour in {9, 10} for minute in ours)
    if not on_saturday or ours[0].date() != ours[-1].date() or ours[0].isocalendar()[:2] in weeks:
        found.add("KS-3.7")
    return found


def oracle_qs(f: WorksFacts) -> set[str]:
    late = f.proposed_at - f.discovered > 20 * MINUTE if f.kind is EMERGENCY else f.start - f.proposed_at < 24 * HOUR
    return {"QS-5.2.2"} if late else set()


def oracle_ot(f: WorksFacts) -> set[str]:
    if f.kind is EMERGENCY:
        return set()
    ours = walk(f)
    stops = set(ours)
    for outage in f.downtime:
        stops |= set(walk(outage))
    for held in f.others:
        stops |= set(walk(held)) if "OT" in held.agreements else set()
    touched = {minute.year for minute in local(ours, "Europe/Kyiv")}
    full = any(count > 480 for year, count in years(stops, "Europe/Kyiv").items() if year in touched)
    return {"OT-1"} if full or run(ours, stops) > 30 else set()


def oracle_ocp(f: WorksFacts) -> set[str]:
    if f.kind is EMERGENCY:
        return {"OCP-3.2.7", "OCP-P3.2.7b"} if f.proposed_at - f.discovered > 20 * MINUTE else set()
    ahead, refused = f.start - f.proposed_at, f.operator_agreed is False
    ours = local(walk(f), "Asia/Almaty")
    inside = all(map(standard, ours)) and ours[0].date() == ours[-1].date()
    if f.kind is URGENT:
        return {"OCP-P3.2.5" if inside else "OCP-P3.2.7a"} if refused or ahead < 2 * HOUR else set()
    found = {"OCP-P3.2.5"} if inside and refused else set()
    found |= {"OCP-3.2.8"} if ahead < 120 * HOUR else set()
    found |= {"OCP-P3.2.6"} if ahead < 24 * HOUR or refused else set()
    return found | oracle_stops(f, ours)


def oracle_stops(f: WorksFacts, ours: list[datetime]) -> set[str]:
    found = set()
    routine = [o for o in f.others if "OCP" in o.agreements and o.kind in ROUTINE]
    stops = set(walk(f)).union(*(walk(o) for o in routine))
    touched = {minute.year for minute in ours}
    if any(count > 600 for year, count in years(stops, "Asia/Almaty").items() if year in touched):
        found.add("OCP-P3.T1")
    if f.kind is PLANNED and any(nights_between(f, o) < 60 for o in routine if o.kind is PLANNED):
        found.add("OCP-P3.T1")
    short = run(walk(f), stops) <= 30
    night = all(standard(minute) or minute.hour == 23 for minute in ours)
    friday = all(minute.strftime("%a %H") in {"Fri 22", "Fri 23", *(f"Sat 0{h}" for h in range(7))} for minute in ours)
    friday &= ours[-1] - ours[0] < DAY
    if f.kind is DAILY and not (short and night):
        found.add("OCP-P3.7.2")
    if f.kind is PLANNED and f.operator_agreed is False and not (night if short else friday):
        found.add("OCP-P3.7.2")
    return found


def nights_between(one: Window, two: Window) -> int:
    first, second = sorted([one, two], key=lambda window: window.start)
    day, nights = first.end.astimezone(ZONES["Asia/Almaty"]).date(), 0
    while day < second.start.astimezone(ZONES["Asia/Almaty"]).date():
        day, nights = day + DAY, nights + 1
    return nights


def oracle(f: WorksFacts) -> set[str]:
    each = {"KS": oracle_ks, "QS": oracle_qs, "OT": oracle_ot, "OCP": oracle_ocp}
    return {clause for agreement in f.agreements for clause in each[agreement](f)}


# ---- plans near the bounds


WALLS = [
    *(("Europe/Moscow", hour, minute) for hour, minute in ((9, 0), (9, 30), (10, 0), (10, 30), (11, 0))),
    *(("Asia/Almaty", hour, minute) for hour, minute in ((0, 0), (5, 30), (6, 0), (6, 30), (22, 0), (23, 0), (23, 30))),
    *(("Europe/Kyiv", hour, minute) for hour, minute in ((0, 0), (3, 0), (12, 0), (23, 30))),
]
SHORT = [1, 10, 20, 29, 30, 31]
LENGTHS = [*SHORT, *SHORT, 60, 119, 120, 121, 300, 540, 600, 601]
JITTER = st.sampled_from([-1, 0, 0, 0, 1])
DAYS_APART = [0, 1, 3, 6, 7, 59, 60, 61, 300]
AGREEMENTS = st.frozensets(st.sampled_from(["KS", "OCP", "QS", "OT"]), min_size=1, max_size=3)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    zone, hour, minute = draw(st.sampled_from(WALLS))
    day = draw(
        st.sampled_from([date(2023, 12, 31), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 2)])
        | st.integers(0, 420).map(lambda n: date(2023, 11, 4) + n * DAY)
        | st.integers(0, 60).map(lambda n: date(2023, 11, 4) + 7 * n * DAY)
    )
    wall = datetime.combine(day, time(hour, minute), ZONES[zone])
    return wall.astimezone(UTC) + draw(JITTER) * MINUTE


@st.composite
def others(draw: st.DrawFn, start: datetime, length: timedelta) -> OtherWindow:
    takes = draw(st.sampled_from(LENGTHS)) * MINUTE
    touch = draw(st.sampled_from([timedelta(), length, -takes]))
    days = draw(st.sampled_from(DAYS_APART)) * draw(st.sampled_from([-1, 1]))
    begins = start + touch + days * DAY + draw(JITTER) * MINUTE
    return OtherWindow.model_validate(
        {
            "number": "W-7",
            "kind": draw(st.sampled_from([PLANNED, DAILY, DAILY, URGENT, EMERGENCY])),
            "start": begins,
            "end": begins + takes,
            "agreements": draw(AGREEMENTS),
        }
    )


@st.composite
def plans(draw: st.DrawFn) -> WorksFacts:
    start, length = draw(moments()), draw(st.sampled_from(LENGTHS)) * MINUTE
    kind = draw(st.sampled_from(Kind))
    discovered = start - draw(st.sampled_from([0, 5, 30])) * MINUTE
    ahead = draw(st.sampled_from([2400, 2400, 120, 72, 24, 2, 0])) * HOUR
    told = discovered + draw(st.sampled_from([0, 20])) * MINUTE if kind is EMERGENCY else start - ahead
    facts: dict[str, Any] = {
        "kind": kind,
        "start": start,
        "end": start + length,
        "proposed_at": told + draw(JITTER) * MINUTE,
        "agreements": draw(AGREEMENTS),
        "others": draw(st.lists(others(start, length), max_size=3)),
        "downtime": [
            {"start": outage.start, "end": outage.end} for outage in draw(st.lists(others(start, length), max_size=2))
        ],
        "discovered_at": discovered if kind is EMERGENCY else None,
        "operator_agreed": draw(st.sampled_from([None, None, True, False])),
    }
    return WorksFacts.model_validate(facts)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.clause("KS-3.7", "KS-3.12", "OCP-3.2.7", "OCP-3.2.8", "OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.2.7a")
@pytest.mark.clause("OCP-P3.2.7b", "OCP-P3.T1", "OCP-P3.7.2", "QS-5.2.2", "OT-1")
@settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
@given(plans())
def test_a_plan_breaks_exactly_the_clauses_that_walking_its_minutes_finds(facts: WorksFacts) -> None:
    verdict = check_plan(facts, suggest=0)
    assert broken(verdict) == oracle(facts)
    assert verdict.accepted is (not verdict.broken)
    event("accepted" if verdict.accepted else "refused")


@pytest.mark.clause("KS-3.7", "OCP-P3.T1", "OCP-P3.7.2", "OT-1")
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@example(works("2024-02-24T09:00+03:00", 2 * HOUR, "KS", "OCP", others=(other("2024-01-20T09:00+03:00", HOUR, "OCP"),)))
@example(works("2024-02-29T23:00+06:00", 30 * MINUTE, "OCP", kind=DAILY, proposed_at=at("2024-02-27T12:00:30Z")))
@given(plans())
def test_a_suggested_date_passes_when_it_is_checked_again(facts: WorksFacts) -> None:
    verdict = check_plan(facts)
    assume(not verdict.accepted and facts.kind is not EMERGENCY)
    assert bool(verdict.suggestions) is (verdict.why_no_date == "")
    assert sorted({window.start for window in verdict.suggestions}) == [w.start for w in verdict.suggestions]
    for window in verdict.suggestions:
        assert window.end - window.start == facts.span.length
        assert window.start > facts.start
        assert check_plan(moved(facts, window)).accepted
        assert oracle(moved(facts, window)) == set()


@pytest.mark.clause("KS-3.12", "OCP-3.2.7", "OCP-3.2.8", "OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.2.7a", "OCP-P3.2.7b")
@pytest.mark.clause("QS-5.2.2")
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(plans(), st.integers(0, 10_000))
def test_an_earlier_notice_breaks_nothing_more(facts: WorksFacts, minutes: int) -> None:
    later = check_plan(facts, suggest=0)
    earlier = check_plan(facts.model_copy(update={"proposed_at": facts.proposed_at - minutes * MINUTE}), suggest=0)
    assert broken(earlier) <= broken(later)
    assert earlier.notices == later.notices
    assert earlier.needs_agreement == later.needs_agreement


@pytest.mark.clause("KS-3.12", "OCP-3.2.8", "OCP-P3.2.7b", "QS-5.2.2")
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(plans())
def test_a_notice_at_its_latest_moment_is_in_time_and_late_after_it(facts: WorksFacts) -> None:
    agreed = facts.model_copy(update={"operator_agreed": True})
    notices = check_plan(agreed, suggest=0).notices
    assume(notices)
    first = min(notice.latest.due for notice in notices)
    clauses = {notice.clause for notice in notices if notice.latest.due == first}
    in_time = check_plan(agreed.model_copy(update={"proposed_at": first}), suggest=0)
    late = check_plan(agreed.model_copy(update={"proposed_at": first + INSTANT}), suggest=0)
    assert broken(in_time).isdisjoint({notice.clause for notice in notices})
    assert clauses <= broken(late)
    assert not late.accepted


# ---- examples


@pytest.mark.clause("KS-3.7", "OCP-P3.7.2", "OCP-P3.T1")
def test_a_saturday_on_a_shared_machine_passes_and_still_waits_for_the_operator() -> None:
    verdict = check_plan(works(SATURDAY, 2 * HOUR, "KS", "OCP", "QS", proposed_at=at("2026-11-23T09:00+03:00")))
    assert verdict.accepted
    assert verdict.needs_agreement == ("OCP-P3.2.6", "OCP-P3.7.2")
    assert (verdict.broken, verdict.suggestions, verdict.why_no_date) == ((), (), "")
    assert owed(verdict) == {
        ("KS", "customers", "KS-3.12", "2026-11-25T09:00:00+03:00"),
        ("OCP", "operator", "OCP-3.2.8", "2026-11-23T11:00:00+05:00"),
        ("OCP", "customers", "OCP-3.2.8", "2026-11-23T11:00:00+05:00"),
        ("QS", "customers", "QS-5.2.2", "2026-11-27T09:00:00+03:00"),
    }


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.6", "OCP-P3.7.2")
@pytest.mark.parametrize(
    ("agreed", "accepted", "pending"),
    [(None, True, ("OCP-P3.2.6", "OCP-P3.7.2")), (True, True, ()), (False, False, ())],
)
def test_ocp_p3_2_6_an_agreement_is_pending_until_the_operator_has_answered(
    agreed: bool | None, accepted: bool, pending: tuple[str, ...]
) -> None:
    verdict = check_plan(works("2026-11-24T12:00+05:00", HOUR, "OCP", operator_agreed=agreed))
    assert verdict.accepted is accepted
    assert verdict.needs_agreement == pending
    assert broken(verdict) == (set() if accepted else {"OCP-P3.2.6", "OCP-P3.7.2"})


@pytest.mark.clause("OCP-P3.2.6")
def test_ocp_p3_2_6_after_a_no_other_times_are_suggested() -> None:
    verdict = check_plan(works("2026-11-24T12:00+05:00", HOUR, "OCP", operator_agreed=False))
    assert starts(verdict) == ["2026-11-24T17:00:00+00:00", "2026-11-24T18:00:00+00:00", "2026-11-24T19:00:00+00:00"]


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.7a")
@pytest.mark.parametrize(
    ("start", "clause", "latest"),
    [
        ("2026-11-24T01:00+05:00", "OCP-P3.2.5", "2026-11-23T23:00:00+05:00"),
        ("2026-11-24T12:00+05:00", "OCP-P3.2.7a", "2026-11-24T10:00:00+05:00"),
    ],
)
def test_ocp_p3_2_7a_urgent_works_are_agreed_and_told_to_both(start: str, clause: str, latest: str) -> None:
    verdict = check_plan(works(start, HOUR, "OCP", kind=URGENT))
    assert verdict.accepted
    assert verdict.needs_agreement == (clause,)
    assert owed(verdict) == {("OCP", "operator", clause, latest), ("OCP", "customers", clause, latest)}


@pytest.mark.clause("OCP-3.2.7", "OCP-P3.2.7b", "KS-3.12", "QS-5.2.2", "OT-1")
def test_an_emergency_is_accepted_under_all_agreements_and_told_at_once() -> None:
    facts = works("2026-11-24T12:00+05:00", 40 * HOUR, "KS", "OCP", "QS", "OT", kind=EMERGENCY, operator_agreed=False)
    verdict = check_plan(facts)
    assert verdict.accepted
    assert verdict.needs_agreement == ()
    assert owed(verdict) == {
        ("KS", "customers", "KS-3.12", "2026-11-24T10:20:00+03:00"),
        ("OCP", "operator", "OCP-P3.2.7b", "2026-11-24T12:20:00+05:00"),
        ("OCP", "customers", "OCP-3.2.7", "2026-11-24T12:20:00+05:00"),
        ("QS", "customers", "QS-5.2.2", "2026-11-24T10:20:00+03:00"),
    }


@pytest.mark.clause("OCP-P3.2.7b")
def test_ocp_p3_2_7b_a_late_notice_of_an_emergency_is_a_broken_clause_and_no_other_date_helps() -> None:
    start = "2026-11-24T12:00+05:00"
    verdict = check_plan(works(start, HOUR, "OCP", kind=EMERGENCY, proposed_at=at(start) + 21 * MINUTE))
    assert broken(verdict) == {"OCP-3.2.7", "OCP-P3.2.7b"}
    assert verdict.suggestions == ()
    assert "repaired at once" in verdict.why_no_date


@pytest.mark.clause("KS-3.7", "KS-3.12", "OCP-3.2.8", "OCP-P3.2.6", "OCP-P3.T1", "OCP-P3.7.2", "QS-5.2.2", "OT-1")
def test_every_broken_clause_is_told_at_once() -> None:
    start = "2026-11-24T12:00+05:00"
    facts = works(
        start,
        11 * HOUR,
        "KS",
        "OCP",
        "QS",
        "OT",
        kind=DAILY,
        proposed_at=at(start),
        operator_agreed=False,
    )
    assert broken(check_plan(facts, suggest=0)) == {
        *("KS-3.7", "KS-3.12", "OCP-3.2.8", "OCP-P3.2.6", "OCP-P3.T1", "OCP-P3.7.2", "QS-5.2.2", "OT-1"),
    }


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_the_next_saturdays_are_suggested_after_the_notice() -> None:
    monday = "2026-11-23T12:00+03:00"
    verdict = check_plan(works(monday, 2 * HOUR, "KS", proposed_at=at(monday) - HOUR))
    assert starts(verdict) == ["2026-11-28T06:00:00+00:00", "2026-12-05T06:00:00+00:00", "2026-12-12T06:00:00+00:00"]
    thursday = check_plan(works("2026-11-26T12:00+03:00", 2 * HOUR, "KS", proposed_at=at("2026-11-26T09:00+03:00")))
    assert starts(thursday)[0] == "2026-12-05T06:00:00+00:00"


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_the_wanted_time_of_day_is_tried_too_and_no_taken_week() -> None:
    taken = other("2026-12-02T09:00+03:00", HOUR, "KS")
    verdict = check_plan(works("2026-11-24T10:15+03:00", 45 * MINUTE, "KS", others=(taken,)), suggest=4)
    assert starts(verdict) == [
        "2026-11-28T06:00:00+00:00",
        "2026-11-28T07:15:00+00:00",
        "2026-12-12T06:00:00+00:00",
        "2026-12-12T07:15:00+00:00",
    ]


@pytest.mark.clause("OCP-3.2.8")
@pytest.mark.parametrize(
    ("told", "first"),
    [
        ("2026-11-23T10:17+05:00", "2026-11-28T05:17:00+00:00"),
        ("2026-11-23T10:17:00.000001+05:00", "2026-11-28T05:18:00+00:00"),
    ],
)
def test_ocp_3_2_8_the_soonest_whole_minute_that_leaves_5_days_is_suggested(told: str, first: str) -> None:
    verdict = check_plan(works("2026-11-24T12:00+05:00", HOUR, "OCP", proposed_at=at(told)))
    assert starts(verdict)[0] == first


@pytest.mark.clause("OCP-P3.2.7a")
def test_ocp_p3_2_7a_urgent_works_are_suggested_two_hours_on() -> None:
    verdict = check_plan(
        works("2026-11-24T12:00+05:00", HOUR, "OCP", kind=URGENT, proposed_at=at("2026-11-24T11:00+05:00"))
    )
    assert starts(verdict) == ["2026-11-24T08:00:00+00:00", "2026-11-24T17:00:00+00:00", "2026-11-24T18:00:00+00:00"]


@pytest.mark.clause("OCP-P3.T1")
def test_ocp_p3_t1_the_day_after_60_days_is_suggested() -> None:
    held = other("2026-11-20T10:00+05:00", HOUR, "OCP")
    verdict = check_plan(works("2026-11-24T12:00+05:00", HOUR, "OCP", others=(held,)))
    assert broken(verdict) == {"OCP-P3.T1"}
    assert starts(verdict)[0] == at("2027-01-19T00:00+05:00").astimezone(UTC).isoformat()


@pytest.mark.clause("OT-1")
def test_ot_1_a_full_year_sends_works_into_the_next() -> None:
    full = (down("2026-06-01T12:00+03:00", 8 * HOUR),)
    verdict = check_plan(works("2026-11-24T12:00+02:00", 10 * MINUTE, "OT", downtime=full))
    assert at(starts(verdict)[0]) == at("2027-01-01T08:00+02:00")


@pytest.mark.clause("OT-1")
def test_ot_1_nothing_is_suggested_in_the_past_though_the_agreement_asks_for_no_notice() -> None:
    told = at("2026-12-24T12:00+02:00")
    full = (down("2026-11-24T12:10+02:00", HOUR),)
    verdict = check_plan(works("2026-11-24T12:00+02:00", 10 * MINUTE, "OT", downtime=full, proposed_at=told))
    assert at(starts(verdict)[0]) == told
    years_later = check_plan(
        works("2020-11-24T12:00+02:00", HOUR / 2, "KS", downtime=full, proposed_at=at("2026-11-24T12:00Z"))
    )
    assert at(starts(years_later)[0]) == at("2026-11-28T09:00+03:00")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            works(SATURDAY, 2 * HOUR + MINUTE, "KS", "OCP"),
            "KS-3.7: longer than the two hours of a Saturday: split the works",
        ),
        (works(SATURDAY, 31 * MINUTE, "OT"), "OT-1: a stop over 30 minutes: split the works"),
        (
            works("2026-11-24T23:00+05:00", HOUR, "OCP", kind=DAILY),
            "OCP-P3.7.2: daily works that stop a service over 30 minutes",
        ),
        (
            works(SATURDAY, 10 * MINUTE, "KS", "OCP", "QS", kind=DAILY, proposed_at=at(SATURDAY)),
            "in 800 days no start keeps KS-3.7, OCP-P3.7.2 at once: split the works by agreement",
        ),
        (works("2200-12-31T22:00Z", HOUR, "OT"), "no start lies ahead in the years that we can date"),
    ],
)
@pytest.mark.clause("KS-3.7", "OCP-P3.7.2", "OT-1")
def test_a_plan_without_any_other_date_says_why(facts: WorksFacts, why: str) -> None:
    verdict = check_plan(facts)
    assert not verdict.accepted
    assert verdict.suggestions == ()
    assert verdict.why_no_date == why


@pytest.mark.parametrize("count", [0, 1, 5])
def test_as_many_dates_are_suggested_as_are_asked_for(count: int) -> None:
    facts = works("2026-11-24T12:00+05:00", HOUR, "KS")
    assert len(check_plan(facts, suggest=count).suggestions) == count
    assert check_plan(facts, suggest=0).why_no_date == ""


def test_works_that_touch_no_agreement_are_free() -> None:
    verdict = check_plan(works(SATURDAY, 50 * HOUR))
    assert verdict == PlanVerdict(accepted=True)


def test_works_before_our_first_policy_have_no_figures() -> None:
    with pytest.raises(NotFound, match="maintenance policy"):
        check_plan(works(LONG_BEFORE - 10 * DAY, HOUR, "KS"))
