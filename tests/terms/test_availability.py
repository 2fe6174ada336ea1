"""Availability: periods, budgets, and the targets of three agreements."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.availability import Kind, Standing, Target, budget, measure, period, standing
from blocks.terms.base import Decision, Verdict
from blocks.terms.intervals import Span
from blocks.terms.outages import Group
from blocks.terms.targets import (
    KS_TARGET,
    OCP_TARGETS,
    OT_TARGET,
    GroupRecord,
    Monitored,
    Resource,
    ResourceRecord,
    ks_availability,
    ocp_availability,
    ot_availability,
    seconds,
)
from flows.cli.bench_availability import bench_availability, outages_of

at = datetime.fromisoformat
MOSCOW, KYIV, ALMATY = "Europe/Moscow", "Europe/Kyiv", "Asia/Almaty"
INSTANT = timedelta(microseconds=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def span(start: str, length: timedelta) -> Span:
    return Span(at(start), at(start) + length)


def down(start: str, length: timedelta) -> dict[str, Any]:
    return {"start": at(start), "end": at(start) + length}


def ticketed(start: str, length: timedelta) -> dict[str, Any]:
    return {**down(start, length), "first_ticket_at": at(start)}


def ks(*outages: dict[str, Any], **facts: Any) -> Decision:
    whole = {"year": 2025, "as_of": "2026-01-01T00:00+03:00", "outages": outages}
    return ks_availability(Monitored.model_validate({**whole, **facts}))


def ot(*outages: dict[str, Any], **facts: Any) -> Decision:
    whole = {"year": 2025, "group": "ОВВ", "as_of": "2026-01-02T00:00+02:00", "outages": outages}
    return ot_availability(GroupRecord.model_validate({**whole, **facts}))


def ocp(*outages: dict[str, Any], **facts: Any) -> Decision:
    whole = {"year": 2024, "quarter": 1, "resource": "power", "as_of": "2024-04-01T00:00+05:00", "outages": outages}
    return ocp_availability(ResourceRecord.model_validate({**whole, **facts}))


@pytest.mark.parametrize(
    ("kind", "year", "number", "zone", "start", "end"),
    [
        ("year", 2025, 1, MOSCOW, "2024-12-31T21:00Z", "2025-12-31T21:00Z"),
        ("year", 2025, 1, KYIV, "2024-12-31T22:00Z", "2025-12-31T22:00Z"),
        ("month", 2025, 12, MOSCOW, "2025-11-30T21:00Z", "2025-12-31T21:00Z"),
        ("month", 2025, 1, MOSCOW, "2024-12-31T21:00Z", "2025-01-31T21:00Z"),
        ("month", 2025, 3, KYIV, "2025-02-28T22:00Z", "2025-03-31T21:00Z"),
        ("month", 2025, 10, KYIV, "2025-09-30T21:00Z", "2025-10-31T22:00Z"),
        ("quarter", 2025, 1, KYIV, "2024-12-31T22:00Z", "2025-03-31T21:00Z"),
        ("quarter", 2025, 4, KYIV, "2025-09-30T21:00Z", "2025-12-31T22:00Z"),
        ("quarter", 2024, 1, ALMATY, "2023-12-31T18:00Z", "2024-03-31T19:00Z"),
        ("quarter", 2024, 2, ALMATY, "2024-03-31T19:00Z", "2024-06-30T19:00Z"),
        ("month", 2024, 2, ALMATY, "2024-01-31T18:00Z", "2024-02-29T19:00Z"),
        ("month", 2024, 3, ALMATY, "2024-02-29T19:00Z", "2024-03-31T19:00Z"),
    ],
)
def test_a_period_is_whole_on_the_wall_clock(
    kind: Kind, year: int, number: int, zone: str, start: str, end: str
) -> None:
    assert period(kind, year, number, zone) == Span(at(start), at(end))
    assert period(kind, year, number, zone).start.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("kind", "year", "number", "zone", "length"),
    [
        ("year", 2025, 1, MOSCOW, 365 * DAY),
        ("year", 2024, 1, MOSCOW, 366 * DAY),
        ("year", 2100, 1, MOSCOW, 365 * DAY),
        ("year", 2024, 1, KYIV, 366 * DAY),
        ("year", 2024, 1, ALMATY, 366 * DAY + HOUR),
        ("year", 2025, 1, ALMATY, 365 * DAY),
        ("month", 2025, 3, KYIV, 31 * DAY - HOUR),
        ("month", 2025, 10, KYIV, 31 * DAY + HOUR),
        ("quarter", 2025, 1, KYIV, 90 * DAY - HOUR),
        ("quarter", 2024, 1, ALMATY, 91 * DAY + HOUR),
        ("quarter", 2025, 1, ALMATY, 90 * DAY),
        ("month", 2024, 2, ALMATY, 29 * DAY + HOUR),
    ],
)
def test_the_length_of_a_period_follows_leap_years_dst_and_offset_changes(
    kind: Kind, year: int, number: int, zone: str, length: timedelta
) -> None:
    assert period(kind, year, number, zone).length == length


@pytest.mark.parametrize("zone", [MOSCOW, KYIV, ALMATY])
@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_months_and_quarters_tile_the_year(zone: str, year: int) -> None:
    whole = period("year", year, 1, zone)
    kinds: tuple[tuple[Kind, int], ...] = (("month", 12), ("quarter", 4))
    for kind, count in kinds:
        parts = [period(kind, year, number, zone) for number in range(1, count + 1)]
        assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]
        assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert period("year", year + 1, 1, zone).start == whole.end


@pytest.mark.parametrize(
    ("kind", "number"), [("month", 0), ("month", 13), ("quarter", 0), ("quarter", 5), ("year", 0), ("year", 2)]
)
def test_a_year_has_twelve_months_and_four_quarters(kind: Kind, number: int) -> None:
    with pytest.raises(ValueError, match=f"no {kind}"):
        period(kind, 2025, number, MOSCOW)


@pytest.mark.clause("KS-3.1")
@pytest.mark.parametrize(("year", "allowed"), [(2025, "315.36"), (2024, "316.224")])
def test_ks_3_1_the_budget_is_one_hundred_thousandth_of_the_year(year: int, allowed: str) -> None:
    target = KS_TARGET.on(datetime(year, 12, 31).date())  # noqa: DTZ001
    assert seconds(target.allowed(target.period(year).length)) == allowed
    assert ks(year=year).values["allowed_seconds"] == allowed


@pytest.mark.clause("KS-3.1")
@pytest.mark.parametrize(("year", "allowed"), [(2025, 315_360_000), (2024, 316_224_000)])
def test_ks_3_1_exactly_the_budget_is_kept_and_a_microsecond_more_breaks_it(year: int, allowed: int) -> None:
    exact, as_of = timedelta(microseconds=allowed), f"{year + 1}-01-01T00:00+03:00"
    start = f"{year}-06-01T12:00+03:00"
    kept = ks(down(start, exact), year=year, as_of=as_of)
    assert (kept.verdict, kept.values["percent"], kept.values["left_seconds"]) == (Verdict.ALLOWED, "99.99900", "0")
    assert ks(down(start, exact - INSTANT), year=year, as_of=as_of).verdict is Verdict.ALLOWED
    broken = ks(down(start, exact + INSTANT), year=year, as_of=as_of)
    assert (broken.verdict, broken.values["percent"]) == (Verdict.REFUSED, "99.99899")
    assert broken.values["left_seconds"] == "-0.000001"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_a_year_without_outages_is_100_percent_and_one_with_a_microsecond_is_not() -> None:
    assert ks().values["percent"] == "100.00000"
    assert ks(down("2025-06-01T12:00+03:00", INSTANT)).values["percent"] == "99.99999"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_an_outage_over_new_year_is_cut_at_midnight_in_moscow() -> None:
    over = down("2025-12-31T23:58+03:00", 4 * MINUTE)
    assert ks(over, as_of="2026-02-01T00:00+03:00").values["down_seconds"] == "120"
    assert ks(over, year=2026, as_of="2026-02-01T00:00+03:00").values["down_seconds"] == "120"
    assert ks(over, year=2024).values["down_seconds"] == "0"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_the_last_minute_of_the_year_belongs_to_it() -> None:
    last = down("2025-12-31T23:59+03:00", MINUTE)
    assert ks(last).values["down_seconds"] == "60"
    assert ks(last, year=2026, as_of="2026-02-01T00:00+03:00").values["count"] == 0


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_an_open_outage_is_cut_at_the_moment_of_asking() -> None:
    opened = {"start": "2025-06-01T12:00+03:00"}
    assert ks(opened, as_of="2025-06-01T12:05+03:00").values["down_seconds"] == "300"
    assert ks(opened, as_of="2025-06-01T12:05:15.360001+03:00").values["down_seconds"] == "315.360001"
    assert ks(opened, as_of="2025-06-01T12:00+03:00").values["count"] == 0
    assert ks(opened, as_of="2027-01-01T00:00+03:00").values["down_seconds"] == seconds(213 * DAY + 12 * HOUR)


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_what_happens_after_the_moment_of_asking_is_not_there_yet() -> None:
    later = down("2025-06-01T12:00+03:00", HOUR)
    found = ks(later, as_of="2025-05-01T00:00+03:00")
    assert (found.verdict, found.values["count"], found.values["longest_seconds"]) == (Verdict.ALLOWED, 0, "0")


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_overlapping_and_nested_outages_count_once() -> None:
    found = ks(
        down("2025-06-01T12:00+03:00", 3 * MINUTE),
        down("2025-06-01T12:01+03:00", MINUTE),
        down("2025-06-01T12:02+03:00", 2 * MINUTE),
        down("2025-07-01T12:00+03:00", MINUTE),
    )
    assert found.values["down_seconds"] == "300"
    assert (found.values["count"], found.values["longest_seconds"]) == (2, "240")


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_planned_works_take_out_only_what_lies_within_them() -> None:
    works = {"start": "2025-06-07T09:00+03:00", "end": "2025-06-07T11:00+03:00"}
    partly = down("2025-06-07T10:00+03:00", HOUR + 2 * MINUTE)
    assert ks(partly, planned=[works]).values["down_seconds"] == "120"
    around = down("2025-06-07T08:59+03:00", 2 * HOUR + 2 * MINUTE)
    found = ks(around, planned=[works])
    assert (found.values["down_seconds"], found.values["count"]) == ("120", 2)


@pytest.mark.clause("KS-3.1")
@pytest.mark.clause("KS-3.9")
def test_ks_3_1_a_decided_exclusion_is_taken_out() -> None:
    outage = down("2025-06-01T12:00+03:00", HOUR)
    assert ks(outage).verdict is Verdict.REFUSED
    assert ks(outage, excluded=[outage]).verdict is Verdict.ALLOWED
    assert ks(outage, excluded=[outage]).values["percent"] == "100.00000"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_unknown_time_is_left_out_when_measured_and_is_down_at_worst() -> None:
    gap = down("2025-03-01T00:00+03:00", timedelta(seconds=315.36))
    kept = ks(unknown=[gap])
    assert (kept.verdict, kept.values["percent"]) == (Verdict.ALLOWED, "100.00000")
    assert kept.values["percent_at_worst"] == "99.99900"
    assert kept.values["unknown_seconds"] == "315.36"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_unknown_time_that_could_break_the_target_is_a_risk_and_at_the_end_a_persons_decision() -> None:
    gap = down("2025-03-01T00:00+03:00", timedelta(seconds=315.36) + INSTANT)
    assert ks(unknown=[gap]).verdict is Verdict.PERSON
    assert ks(unknown=[gap], as_of="2025-12-31T23:59:59.999999+03:00").verdict is Verdict.ACTION


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_nothing_known_is_a_persons_decision() -> None:
    whole = {"start": "2025-01-01T00:00+03:00", "end": "2026-01-01T00:00+03:00"}
    assert ks(unknown=[whole]).verdict is Verdict.PERSON
    assert ks(as_of="2025-01-01T00:00+03:00").verdict is Verdict.PERSON
    assert ks(as_of="2024-06-01T00:00+03:00").verdict is Verdict.PERSON


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_the_present_rate_foretells_the_end_of_the_year() -> None:
    half = "2025-07-02T12:00+03:00"  # half of 365 days
    kept = ks(down("2025-06-01T12:00+03:00", timedelta(seconds=157.68)), as_of=half)
    assert (kept.verdict, kept.values["forecast_seconds"]) == (Verdict.ALLOWED, "315.36")
    risk = ks(down("2025-06-01T12:00+03:00", timedelta(seconds=157.68) + INSTANT), as_of=half)
    assert (risk.verdict, risk.values["forecast_seconds"]) == (Verdict.ACTION, "315.360002")
    assert risk.what == "the service: at risk"


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_a_service_that_began_within_the_year_is_measured_from_then_on() -> None:
    found = ks(down("2025-06-01T12:00+03:00", HOUR), owed_from="2025-07-02T12:00+03:00")
    assert (found.values["down_seconds"], found.values["allowed_seconds"]) == ("0", "157.68")
    assert ks(owed_from="2024-05-01T00:00+03:00").values["allowed_seconds"] == "315.36"
    assert ks(owed_from="2026-05-01T00:00+03:00").verdict is Verdict.PERSON


@pytest.mark.clause("KS-3.1")
def test_ks_3_1_the_target_is_dated() -> None:
    assert ks(year=2019, as_of="2020-01-01T00:00+03:00").verdict is Verdict.ALLOWED
    with pytest.raises(NotFound):
        ks(year=2018)


@pytest.mark.clause("OT-1")
def test_ot_1_eight_hours_are_stricter_than_99_9_percent_and_hold() -> None:
    target = OT_TARGET.on(at("2025-12-31").date())
    by_share = Target(clause="OT-1", kind="year", zone=KYIV, percent=Decimal("99.9"))
    assert by_share.allowed(365 * DAY) == timedelta(hours=8.76)
    assert target.allowed(365 * DAY) == target.allowed(366 * DAY) == 8 * HOUR
    assert target.allowed(100 * DAY) == timedelta(hours=2.4)
    assert ot().values["allowed_seconds"] == "28800"


def sixteen(length: timedelta) -> list[dict[str, Any]]:
    return [ticketed(f"2025-06-{day:02d}T12:00+03:00", length) for day in range(1, 17)]


@pytest.mark.clause("OT-1")
def test_ot_1_exactly_eight_hours_in_pieces_of_30_minutes_are_kept() -> None:
    kept = ot(*sixteen(30 * MINUTE))
    assert (kept.verdict, kept.what, kept.values["left_seconds"]) == (Verdict.ALLOWED, "ОВВ: kept", "0")
    more = ot(*sixteen(30 * MINUTE), ticketed("2025-07-01T00:00+03:00", INSTANT))
    assert (more.verdict, more.values["left_seconds"]) == (Verdict.REFUSED, "-0.000001")
    assert Decimal(str(more.values["percent"])) > Decimal("99.9")
    assert ot(*sixteen(30 * MINUTE - INSTANT)).verdict is Verdict.ALLOWED


@pytest.mark.clause("OT-1")
@pytest.mark.parametrize(
    ("length", "verdict"),
    [
        (30 * MINUTE - INSTANT, Verdict.ALLOWED),
        (30 * MINUTE, Verdict.ALLOWED),
        (30 * MINUTE + INSTANT, Verdict.REFUSED),
    ],
)
def test_ot_1_a_single_outage_lasts_at_most_30_minutes(length: timedelta, verdict: Verdict) -> None:
    assert ot(ticketed("2025-06-01T12:00+03:00", length)).verdict is verdict


@pytest.mark.clause("OT-1")
def test_ot_1_outages_that_touch_are_one() -> None:
    first, second = ticketed("2025-06-01T12:00Z", 20 * MINUTE), ticketed("2025-06-01T12:20Z", 20 * MINUTE)
    assert ot(first, second).verdict is Verdict.REFUSED
    assert ot(first, ticketed("2025-06-01T12:20:01Z", 20 * MINUTE)).verdict is Verdict.ALLOWED


@pytest.mark.clause("OT-1")
def test_ot_1_an_outage_over_new_year_is_cut_for_the_8_hours_and_whole_for_the_30_minutes() -> None:
    over = ticketed("2025-12-31T23:40+02:00", 31 * MINUTE)
    found = ot(over)
    assert (found.values["down_seconds"], found.values["longest_seconds"]) == ("1200", "1860")
    assert found.verdict is Verdict.REFUSED
    assert ot(over, year=2026).values["down_seconds"] == "660"
    assert ot(over, as_of="2026-01-01T00:00+02:00").verdict is Verdict.ALLOWED


@pytest.mark.clause("OT-1")
@pytest.mark.clause("OT-3")
def test_ot_1_an_outage_counts_from_its_first_ticket_and_without_one_not_at_all() -> None:
    outage = down("2025-06-01T12:00Z", 9 * HOUR)
    assert ot({**outage, "first_ticket_at": "2025-06-01T20:30:00Z"}).verdict is Verdict.ALLOWED
    assert ot({**outage, "first_ticket_at": "2025-06-01T20:29:59Z"}).verdict is Verdict.REFUSED
    assert ot({**outage, "first_ticket_at": None}).values["count"] == 0
    opened = {"start": "2025-06-01T12:00Z", "first_ticket_at": "2025-06-01T12:10Z"}
    assert ot(opened, as_of="2025-06-01T12:40Z").values["down_seconds"] == "1800"


@pytest.mark.clause("OT-1")
def test_ot_1_neither_planned_works_nor_gaps_of_monitoring_are_facts_of_it() -> None:
    for name in ("planned", "unknown"):
        with pytest.raises(ValidationError, match="Extra inputs"):
            ot(**{name: [down("2025-06-01T12:00Z", HOUR)]})


@pytest.mark.clause("OT-1")
def test_ot_1_the_customers_own_failures_are_taken_out() -> None:
    outage = ticketed("2025-06-01T12:00Z", HOUR)
    assert ot(outage, excluded=[down("2025-06-01T12:30Z", HOUR)]).verdict is Verdict.ALLOWED
    assert ot(outage, excluded=[down("2025-06-01T12:30:01Z", HOUR)]).verdict is Verdict.REFUSED


@pytest.mark.clause("OT-1")
@pytest.mark.clause("OT-2")
def test_ot_1_each_group_is_measured_by_itself() -> None:
    assert {ot(group=group).what for group in Group} == {"Автодозвон: kept", "ОВВ: kept"}
    with pytest.raises(ValidationError):
        ot(group="email")


@pytest.mark.clause("OCP-P3.3")
@pytest.mark.parametrize(
    ("resource", "quarter", "end", "allowed"),
    [
        # 91 days and the hour that was lived twice on the night to 1 March 2024
        ("power", 1, "2024-04-01T00:00+05:00", 1_573_200_000),
        ("climate", 1, "2024-04-01T00:00+05:00", 39_330_000_000),
        ("ip", 1, "2024-04-01T00:00+05:00", 39_330_000_000),
        ("power", 2, "2024-07-01T00:00+05:00", 1_572_480_000),
        ("ip", 4, "2025-01-01T00:00+05:00", 39_744_000_000),
    ],
)
def test_ocp_p3_3_exactly_the_quarters_budget_is_kept(resource: str, quarter: int, end: str, allowed: int) -> None:
    exact = timedelta(microseconds=allowed)
    start = (at(end) - 20 * DAY).isoformat()
    where = {"resource": resource, "quarter": quarter, "as_of": end}
    assert ocp(down(start, exact), **where).verdict is Verdict.ALLOWED
    assert ocp(down(start, exact), **where).values["left_seconds"] == "0"
    assert ocp(down(start, exact - INSTANT), **where).verdict is Verdict.ALLOWED
    assert ocp(down(start, exact + INSTANT), **where).verdict is Verdict.REFUSED


@pytest.mark.clause("OCP-P3.3")
def test_ocp_p3_3_the_percentages_are_those_of_the_agreement() -> None:
    targets = OCP_TARGETS.on(at("2018-01-01").date())
    assert {str(name): str(target.percent) for name, target in targets.items()} == {
        "power": "99.98",
        "climate": "99.5",
        "ip": "99.5",
    }
    assert set(targets) == set(Resource)


@pytest.mark.clause("OCP-P3.3")
def test_ocp_p3_3_an_outage_over_a_quarters_end_is_cut_at_midnight_in_almaty() -> None:
    over = down("2024-03-31T23:59+05:00", 3 * MINUTE)
    after = "2024-07-01T00:00+05:00"
    assert ocp(over, as_of=after).values["down_seconds"] == "60"
    assert ocp(over, quarter=2, as_of=after).values["down_seconds"] == "120"


@pytest.mark.clause("OCP-P3.3")
def test_ocp_p3_3_planned_and_urgent_works_do_not_count() -> None:
    works = down("2024-02-10T00:00+06:00", 7 * HOUR)
    assert ocp(works).verdict is Verdict.REFUSED
    assert ocp(works, planned=[works]).values["percent"] == "100.00000"
    assert ocp(works).what == "power: broken"


@pytest.mark.clause("OCP-P3.3")
@pytest.mark.parametrize("quarter", [0, 5])
def test_ocp_p3_3_a_year_has_four_quarters(quarter: int) -> None:
    with pytest.raises(ValidationError):
        ocp(quarter=quarter)


DAYS = 20
START = at("2025-01-01T00:00Z")


def minutes(spans: Iterable[Span]) -> set[int]:
    return {n for s in spans for n in range(-DAYS, 2 * DAYS) if s.start <= START + n * MINUTE < s.end}


POINT = st.integers(-DAYS, 2 * DAYS)
SPANS = st.lists(st.builds(lambda a, b: Span(START + a * MINUTE, START + b * MINUTE), POINT, POINT), max_size=5)


@given(SPANS, SPANS, SPANS, SPANS, POINT)
@settings(max_examples=500)
def test_what_is_measured_equals_a_count_minute_by_minute(
    recorded: list[Span], planned: list[Span], excluded: list[Span], unknown: list[Span], now: int
) -> None:
    within = Span(START, START + DAYS * MINUTE)
    found = measure(
        within, START + now * MINUTE, iter(recorded), planned=planned, excluded=excluded, unknown=iter(unknown)
    )
    elapsed = set(range(min(now, DAYS)))
    everything = minutes(recorded) & elapsed
    works, outside = minutes(planned), minutes(excluded)
    gaps = (minutes(unknown) & elapsed) - everything - works - outside
    assert found.elapsed == len(elapsed) * MINUTE
    assert found.down_with_planned == len(everything) * MINUTE
    assert found.down == len(everything - works - outside) * MINUTE
    assert found.excluded == len(everything & outside) * MINUTE
    assert found.unknown == len(gaps) * MINUTE
    counted = {n for n in minutes(recorded) - works - outside if n < now}
    runs = [{m for m in counted if set(range(min(n, m), max(n, m))) <= counted} for n in counted & elapsed]
    assert found.count == len({min(run) for run in runs})
    assert found.longest == max((len(run) for run in runs), default=0) * MINUTE
    up = len(elapsed) - len(gaps) - len(everything - works - outside)
    assert found.share() == (Fraction(up, len(elapsed - gaps)) if elapsed - gaps else None)
    assert found.share(worst=True) == (Fraction(up, len(elapsed)) if elapsed else None)


@given(st.integers(0, 10**9), st.integers(0, 12))
def test_a_percentage_is_rounded_down_and_never_up_to_100(lost: int, places: int) -> None:
    within = period("year", 2025, 1, MOSCOW)
    found = measure(within, within.end, [Span(within.start, within.start + timedelta(microseconds=lost))])
    text = found.percent(places)
    assert text is not None
    share = found.share()
    assert share is not None
    assert Fraction(text) <= 100 * share < Fraction(text) + Fraction(1, 10**places)
    assert (Fraction(text) == 100) == (lost == 0)
    assert len(text.partition(".")[2]) == places


def test_percentages_may_have_no_places_and_many() -> None:
    within = period("year", 2025, 1, MOSCOW)
    third = measure(within, within.start + 3 * DAY, [Span(within.start, within.start + DAY)])
    assert third.percent(0) == "66"
    assert third.percent(40) == "66." + "6" * 40


TARGET = Target(clause="KS-3.1", kind="year", zone=MOSCOW, percent=Decimal("99.999"))
YEAR = TARGET.period(2025)


def test_a_budget_says_what_is_left_and_what_the_rate_will_make_of_it() -> None:
    found = measure(YEAR, YEAR.start + 73 * DAY, [span("2025-02-01T00:00Z", timedelta(seconds=100))])
    spending = budget(TARGET, found)
    assert seconds(spending.allowed) == "315.36"
    assert (seconds(spending.spent), seconds(spending.left)) == ("100", "215.36")
    assert seconds(spending.forecast) == "500"
    assert standing(TARGET, found) is Standing.AT_RISK


def test_the_rate_is_that_of_the_known_time() -> None:
    unknown = Span(YEAR.start, YEAR.start + 36.5 * DAY)
    outage = span("2025-03-01T00:00Z", timedelta(seconds=50))
    found = measure(YEAR, YEAR.start + 73 * DAY, [outage], unknown=[unknown])
    assert seconds(budget(TARGET, found).forecast) == "450"


def test_a_forecast_is_rounded_up_to_the_microsecond() -> None:
    found = measure(YEAR, YEAR.start + 300 * DAY, [Span(YEAR.start, YEAR.start + INSTANT)])
    assert seconds(budget(TARGET, found).forecast) == "0.000002"


def test_nothing_known_yet_foretells_nothing() -> None:
    found = measure(YEAR, YEAR.start, [])
    assert (found.share(), found.percent(), found.percent(worst=True)) == (None, None, None)
    assert budget(TARGET, found).forecast == timedelta()
    assert found.length == 365 * DAY


def test_an_allowance_is_rounded_down_to_the_microsecond() -> None:
    assert TARGET.allowed(timedelta(microseconds=199_999)) == INSTANT
    assert TARGET.allowed(timedelta(microseconds=99_999)) == timedelta()


def test_the_bench_reports_each_number_of_outages() -> None:
    few, many = bench_availability(services=2, outages=(1, 50))
    assert (few.services, few.outages, few.samples) == (2, 1, 6_307_200)
    assert (many.outages, many.broken) == (50, 2)
    assert few.peak_rss_mb > 0


def test_the_made_up_outages_of_the_bench_are_in_order_and_apart() -> None:
    made = list(outages_of(7, 1000, YEAR))
    assert len(made) == 1000
    assert all(earlier.end < later.start for earlier, later in pairwise(made))
    assert YEAR.start <= made[0].start
    assert made[-1].end <= YEAR.end
