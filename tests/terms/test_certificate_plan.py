"""When a certificate's successor is ordered, announced and put into service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import NotFound, Refused
from blocks.terms.base import Verdict
from blocks.terms.certificate_facts import (
    KS_PLAN,
    KS_SHORT,
    PlanFacts,
    PlanTerms,
    RenewalWindow,
    Replacement,
    Successor,
    WeekWindow,
    ks_terms,
)
from blocks.terms.certificate_plan import (
    ReplacementFacts,
    plan_replacement,
    renew_at,
    replacement_announced,
    told_by,
)
from blocks.terms.certificate_year import public_lifetime, year_plan
from blocks.terms.deadlines import in_calendar_months
from blocks.terms.intervals import Interval

at = datetime.fromisoformat
INSTANT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), "Europe/Berlin"
SWAP = at("2026-12-26T09:00+03:00")
ISSUED = at("2026-11-23T04:00Z")
NIGHTLY = PlanTerms(
    margin=HOUR * 12,
    least_margin=HOUR * 12,
    work=HOUR * 30,
    windows=(WeekWindow(weekday=6, opens=time(2, 15), closes=time(2, 45), zone=BERLIN),),
)
"""The half hour that Berlin skips in spring and has twice in autumn."""


def decided(swap: str | datetime, told: str | datetime | None, published: str | datetime | None = None) -> Verdict:
    return replacement_announced(
        ReplacementFacts.model_validate({"swap_at": swap, "announced_at": told, "published_at": published or told})
    ).verdict


# --- the rule


@pytest.mark.clause("KS-3.8")
@pytest.mark.parametrize(
    ("swap", "latest"),
    [
        ("2026-12-26T09:00+03:00", "2026-11-26T09:00+03:00"),
        ("2027-03-27T09:00+03:00", "2027-02-27T09:00+03:00"),
        ("2026-03-31T09:00+03:00", "2026-02-28T09:00+03:00"),
        ("2028-03-31T09:00+03:00", "2028-02-29T09:00+03:00"),
        ("2028-03-29T09:00+03:00", "2028-02-29T09:00+03:00"),
        ("2026-02-28T09:00+03:00", "2026-01-28T09:00+03:00"),
        ("2026-11-30T09:00+03:00", "2026-10-30T09:00+03:00"),
        ("2027-01-02T09:00+03:00", "2026-12-02T09:00+03:00"),
    ],
)
def test_ks_3_8_the_notice_is_a_calendar_month_ahead_of_the_swap_and_at_the_bound_it_is_in_time(
    swap: str, latest: str
) -> None:
    assert decided(swap, at(latest) - INSTANT) is Verdict.ALLOWED
    assert decided(swap, latest) is Verdict.ALLOWED
    assert decided(swap, at(latest) + INSTANT) is Verdict.REFUSED


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_the_month_runs_from_the_later_of_notice_and_publication() -> None:
    in_time, late = "2026-11-26T09:00+03:00", "2026-11-26T09:00:00.000001+03:00"
    assert decided(SWAP, in_time, in_time) is Verdict.ALLOWED
    assert decided(SWAP, in_time, late) is Verdict.REFUSED
    assert decided(SWAP, late, in_time) is Verdict.REFUSED


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_what_was_not_announced_or_not_published_is_refused_and_due_by_the_same_moment() -> None:
    for facts, missing in (
        ({}, "not announced; not published"),
        ({"announced_at": ISSUED}, "not published"),
        ({"published_at": ISSUED}, "not announced"),
    ):
        decision = replacement_announced(ReplacementFacts.model_validate({"swap_at": SWAP, **facts}))
        assert (decision.verdict, decision.what) == (Verdict.REFUSED, missing)
        assert decision.deadline is not None
        assert decision.deadline.local.isoformat() == "2026-11-26T09:00:00+03:00"


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_an_emergency_is_allowed_with_its_reason_and_has_a_notice_of_its_own() -> None:
    decision = replacement_announced(ReplacementFacts(swap_at=SWAP, emergency="key compromised"))
    assert decision.verdict is Verdict.ALLOWED
    assert "key compromised" in decision.what
    assert decision.values == {"emergency": True}
    assert decision.deadline is not None
    assert decision.deadline.due == SWAP
    assert replacement_announced(ReplacementFacts(swap_at=SWAP, emergency="  ")).verdict is Verdict.REFUSED


@pytest.mark.clause("KS-3.8")
@given(
    swap=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - given its zone below
    zone=st.sampled_from(["Europe/Moscow", BERLIN, "America/New_York"]),
    months=st.integers(1, 3),
)
@settings(max_examples=400, deadline=None)
def test_ks_3_8_a_month_counted_back_is_a_month_counted_forward_too(swap: datetime, zone: str, months: int) -> None:
    moment = swap.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    by = told_by(moment, zone, months)
    assert in_calendar_months(by, months, zone).due <= moment
    assert moment - by >= timedelta(days=28 * months) - HOUR


def test_a_wall_time_that_dst_skips_a_month_before_is_told_an_hour_earlier() -> None:
    swap = at("2027-04-28T02:30+02:00")
    assert told_by(swap, BERLIN) == at("2027-03-28T01:30+01:00")


# --- the plan of one certificate


def facts(days: float, *, now: datetime = ISSUED, **more: Any) -> PlanFacts:
    return PlanFacts(not_before=ISSUED, not_after=ISSUED + days * DAY, now=now, **more)


def planned(days: float, *, now: datetime = ISSUED, **more: Any) -> Replacement:
    return plan_replacement(facts(days, now=now, **more), ks_terms(days * DAY))


def test_the_swap_is_in_the_latest_window_that_keeps_the_margin() -> None:
    end = at("2027-02-20T11:00+03:00")
    for valid, start in ((end + KS_PLAN.margin, "2027-02-20"), (end + KS_PLAN.margin - INSTANT, "2027-02-13")):
        plan = plan_replacement(PlanFacts(not_before=ISSUED, not_after=valid, now=ISSUED), KS_PLAN)
        assert plan.swap.start == at(f"{start}T09:00+03:00")
        assert plan.swap.end == at(f"{start}T11:00+03:00")
        assert plan.retire_at == plan.swap.end + KS_PLAN.margin
        assert (plan.kept, plan.finding) == (True, "")


def test_the_successor_is_ordered_with_time_to_work_before_the_last_moment_of_the_notice() -> None:
    plan = planned(90)
    assert plan.announce_by == told_by(plan.swap.start, "Europe/Moscow")
    assert plan.issue_at == plan.announce_by - KS_PLAN.work
    assert plan.announce_at == plan.issue_at
    assert plan.successor == Interval(start=plan.issue_at, end=plan.issue_at + 90 * DAY)


def test_what_is_needed_soon_is_ordered_now_and_swapped_in_the_first_window_that_keeps_the_notice() -> None:
    plan = planned(90, soon=True)
    assert plan.issue_at == ISSUED
    assert plan.kept
    before = Interval(start=plan.swap.start - 7 * DAY, end=plan.swap.end - 7 * DAY)
    latest = told_by(plan.swap.start, "Europe/Moscow")
    assert told_by(before.start, "Europe/Moscow") - KS_PLAN.work < ISSUED <= latest - KS_PLAN.work
    came = Successor(not_before=ISSUED, not_after=ISSUED + 90 * DAY, swap=plan.swap)
    assert planned(90, soon=True, successor=came, now=latest).swap == plan.swap, "it stays until its notice is missed"
    late = planned(90, soon=True, successor=came, now=latest + INSTANT).swap
    assert told_by(late.start - 7 * DAY, "Europe/Moscow") < plan.swap.start <= told_by(late.start, "Europe/Moscow")
    moved = came.model_copy(update={"swap": late})
    assert planned(90, soon=True, successor=moved, now=latest + 5 * DAY).swap == late, "it is put off by a month"
    told = came.model_copy(update={"published_at": ISSUED, "announced_at": ISSUED, "swap": planned(90).swap})
    assert planned(90, soon=True, successor=told).swap == planned(90).swap, "what customers were told stands"


def test_what_is_needed_soon_and_leaves_no_time_for_a_notice_is_swapped_as_late_as_ever() -> None:
    assert planned(20, soon=True).swap == planned(20).swap
    assert planned(20, soon=True).issue_at == ISSUED


def test_a_plan_stays_what_it_was_until_the_last_moment_of_its_notice() -> None:
    plan = planned(90)
    for now in (plan.issue_at, plan.announce_by):
        again = planned(90, now=now)
        assert (again.swap, again.issue_at, again.finding) == (plan.swap, plan.issue_at, "")
    late = planned(90, now=plan.announce_by + INSTANT)
    assert not late.noticed
    assert late.in_window
    assert late.swap == plan.swap
    assert late.issue_at == plan.announce_by + INSTANT
    assert "was due on" in late.finding


def test_a_window_that_is_open_is_still_a_window_and_one_that_is_over_is_none() -> None:
    told = Successor(
        not_before=ISSUED, not_after=ISSUED + 90 * DAY, published_at=ISSUED, announced_at=ISSUED,
        swap=Interval(start=at("2027-02-06T09:00+03:00"), end=at("2027-02-06T11:00+03:00")),
    )  # fmt: skip
    assert told.swap is not None
    in_it = planned(90, now=told.swap.end - INSTANT, successor=told)
    assert (in_it.swap, in_it.kept, in_it.finding) == (told.swap, True, "")
    missed = planned(90, now=told.swap.end, successor=told)
    assert missed.swap.start == at("2027-02-13T09:00+03:00")
    assert (missed.in_window, missed.noticed, missed.announce_at) == (True, False, told.swap.end)
    assert "tell them of" in missed.finding
    assert "no margin for another try" in missed.finding
    assert planned(90, now=missed.swap.end, successor=told).swap.start == at("2027-02-20T09:00+03:00")
    again = planned(90, now=at("2027-02-20T11:00+03:00"), successor=told)
    assert again.swap.end + KS_PLAN.least_margin == ISSUED + 90 * DAY
    assert not again.in_window


def test_the_window_that_customers_were_told_stands_even_if_another_would_now_be_better() -> None:
    told = Successor(
        not_before=ISSUED, not_after=ISSUED + 90 * DAY, published_at=ISSUED, announced_at=ISSUED + HOUR,
        swap=Interval(start=at("2027-01-02T09:00+03:00"), end=at("2027-01-02T11:00+03:00")),
    )  # fmt: skip
    plan = planned(90, now=ISSUED + 3 * DAY, successor=told)
    assert plan.swap == told.swap
    assert plan.kept
    assert plan.announce_at == told.announced_at
    early = told.model_copy(update={"published_at": ISSUED + 20 * DAY})
    assert not planned(90, now=ISSUED + 21 * DAY, successor=early).noticed


def test_an_issued_successor_that_was_not_announced_is_announced_now() -> None:
    waiting = Successor(not_before=ISSUED, not_after=ISSUED + 90 * DAY, published_at=ISSUED)
    plan = planned(90, now=ISSUED + DAY, successor=waiting)
    assert plan.announce_at == ISSUED + DAY
    assert plan.kept


@pytest.mark.parametrize("days", [6, 30])
def test_a_profile_too_short_for_the_promise_says_so_and_which_profile_would_do(days: int) -> None:
    plan = planned(days)
    assert not plan.kept
    assert f"{days} days of validity leave no room" in plan.finding
    assert "at least 40 days" in plan.finding
    assert plan.swap.end + KS_SHORT.margin <= ISSUED + days * DAY
    assert plan.issue_at == plan.swap.start - KS_SHORT.work


def test_the_profile_that_a_finding_names_keeps_the_promise_and_one_well_below_it_does_not() -> None:
    least = KS_SHORT.least
    for day in range(7):
        first = Interval(start=ISSUED + day * DAY, end=ISSUED + day * DAY + least)
        assert all(one.kept for one in year_plan(first, lambda _: least, ISSUED + 500 * DAY))
    first = Interval(start=ISSUED, end=ISSUED + least - 3 * DAY)
    assert not all(one.kept for one in year_plan(first, lambda _: least - 3 * DAY, ISSUED + 500 * DAY))


def test_without_a_window_before_the_end_the_swap_is_outside_and_says_so() -> None:
    monday = PlanFacts(not_before=ISSUED, not_after=ISSUED + 3 * DAY, now=ISSUED)
    plan = plan_replacement(monday, KS_SHORT)
    assert not plan.in_window
    assert plan.swap.end + KS_SHORT.margin == monday.not_after
    assert "outside of the windows" in plan.finding


def test_a_certificate_that_has_ended_is_replaced_now() -> None:
    plan = planned(90, now=ISSUED + 90 * DAY)
    assert plan.swap.start == plan.issue_at == ISSUED + 90 * DAY
    assert "replace it now" in plan.finding
    almost = planned(90, now=ISSUED + 90 * DAY - INSTANT)
    assert "no margin for another try" in almost.finding


def test_a_successor_with_a_shorter_life_is_not_ordered_so_early_that_it_ends_before_it_serves() -> None:
    plan = plan_replacement(facts(90, lifetime=6 * DAY), ks_terms(6 * DAY))
    assert plan.successor.end >= plan.swap.end + KS_SHORT.margin
    assert "at least 40 days" in plan.finding


def test_the_swap_leaves_the_margin_to_a_successor_that_ends_first() -> None:
    short = Successor(not_before=ISSUED, not_after=ISSUED + 40 * DAY)
    plan = planned(90, now=ISSUED, successor=short)
    assert plan.swap.end + KS_PLAN.margin <= short.not_after


# --- the CA's advice


def advice(start_day: float, end_day: float, why: str = "") -> RenewalWindow:
    return RenewalWindow(start=ISSUED + start_day * DAY, end=ISSUED + end_day * DAY, why=why)


def test_the_swap_is_over_by_the_end_of_the_cas_advice_where_the_notice_leaves_room() -> None:
    plan = planned(90, ari=advice(58, 60))
    assert plan.swap.end <= ISSUED + 60 * DAY < planned(90).swap.start
    assert plan.swap.end + 7 * DAY > ISSUED + 60 * DAY
    assert plan.kept


def test_where_the_advice_leaves_no_room_the_notice_is_kept_and_the_order_placed_as_advised() -> None:
    plan = planned(200, ari=advice(5, 7), draw=0.5)
    assert plan.kept
    assert plan.issue_at == ISSUED + 6 * DAY
    assert plan.swap.start - plan.announce_by < 32 * DAY
    assert plan.swap.start < ISSUED + 45 * DAY


def test_with_47_days_the_advice_of_two_thirds_changes_nothing() -> None:
    serves = at("2026-12-26T09:00+03:00")
    natural = advice(31, 32)
    plan = planned(47, serves_from=serves, ari=natural)
    assert plan.kept
    assert plan == planned(47, serves_from=serves)


def test_a_profile_too_short_for_the_notice_still_follows_the_advice_in_a_window() -> None:
    plan = planned(30, ari=advice(18, 20))
    assert plan.in_window
    assert plan.swap.end <= ISSUED + 20 * DAY < planned(30).swap.end


def test_advice_wholly_in_the_past_is_an_emergency_at_once() -> None:
    now = ISSUED + 7 * DAY
    assert planned(90, now=now - INSTANT, ari=advice(5, 7)).emergency == ""
    plan = planned(90, now=now, ari=advice(5, 7, "https://ca.example.net/incident"))
    assert plan.swap.start == plan.issue_at == now
    assert "https://ca.example.net/incident" in plan.emergency
    assert not plan.kept
    assert plan.emergency in plan.finding
    assert len(planned(90, now=now, ari=advice(5, 7, "x" * 500)).emergency) == 200


def test_an_emergency_that_a_person_tells_is_replaced_at_once_even_with_a_successor_announced() -> None:
    told = Successor(not_before=ISSUED, not_after=ISSUED + 90 * DAY, published_at=ISSUED, announced_at=ISSUED)
    for successor in (None, told):
        plan = planned(90, now=ISSUED + DAY, emergency="key compromised", successor=successor)
        assert (plan.emergency, plan.swap.start, plan.kept) == ("key compromised", ISSUED + DAY, False)


def test_a_successor_that_was_ordered_by_the_advice_answers_it_and_one_issued_after_it_serves_at_once() -> None:
    now = ISSUED + 61 * DAY
    swap = Interval(start=at("2027-02-06T09:00+03:00"), end=at("2027-02-06T11:00+03:00"))
    told_at = ISSUED + 30 * DAY
    ready = Successor(
        not_before=told_at, not_after=told_at + 90 * DAY, published_at=told_at, announced_at=told_at, swap=swap
    )
    assert planned(90, now=now, ari=advice(58, 60), successor=ready).swap == swap
    assert planned(90, now=now, ari=advice(58, 60, "revoked soon"), successor=ready).emergency
    after = Successor(not_before=ISSUED + 60 * DAY, not_after=ISSUED + 150 * DAY)
    assert planned(90, now=now, ari=advice(58, 60), successor=after).swap.start == now


def test_the_moment_of_renewal_is_drawn_within_the_window_and_never_in_the_past() -> None:
    window = advice(10, 12)
    assert renew_at(window, 0, now=ISSUED) == window.start
    assert renew_at(window, 0.5, now=ISSUED) == ISSUED + 11 * DAY
    assert renew_at(window, 1, now=ISSUED) == window.end
    assert renew_at(window, 0.5, now=ISSUED + 30 * DAY) == ISSUED + 30 * DAY
    for wrong in (-0.01, 1.01):
        with pytest.raises(ValueError, match="between 0 and 1"):
            renew_at(window, wrong, now=ISSUED)


# --- a year, day by day


class Swap(NamedTuple):
    """What the simulated provider did: when, with which announcement, and what its plan said."""

    at: datetime
    until: datetime
    told_at: datetime
    plan: Replacement


class Served(NamedTuple):
    """A certificate with the time in which it was shown."""

    valid: Interval
    start: datetime
    end: datetime


class Provider:
    """Asks the planner once a day, does what it says, and at each swap in its own time."""

    def __init__(self, begins: datetime, lifetime: timedelta, terms: PlanTerms, *, advised: bool = False) -> None:
        self.lifetime, self.terms, self.advised = lifetime, terms, advised
        self.chain = [Interval(start=begins, end=begins + lifetime)]
        self.from_ = [begins]
        self.told: list[Successor] = []
        self.serving = 0
        self.swaps: list[Swap] = []

    def plan(self, number: int, now: datetime) -> Replacement:
        return plan_replacement(
            PlanFacts(
                not_before=self.chain[number].start,
                not_after=self.chain[number].end,
                now=now,
                serves_from=self.from_[number],
                successor=self.told[number] if number < len(self.told) else None,
                ari=self.advice(self.chain[number]) if self.advised else None,
            ),
            self.terms,
        )

    def advice(self, valid: Interval) -> RenewalWindow:
        middle = valid.start + self.lifetime * 2 / 3
        return RenewalWindow(start=middle - self.lifetime * 0.02, end=middle + self.lifetime * 0.02)

    def day(self, now: datetime) -> None:
        while (plan := self.plan(len(self.told), now)).issue_at <= now:
            begins = now - HOUR
            made = Interval(start=begins, end=begins + self.lifetime - timedelta(seconds=1))
            self.chain.append(made)
            self.from_.append(plan.swap.start)
            self.told.append(
                Successor(not_before=made.start, not_after=made.end, published_at=now, announced_at=now, swap=plan.swap)
            )
        while self.serving < len(self.told) and (due := self.plan(self.serving, now)).swap.start < now + DAY:
            told_at = self.told[self.serving].told_at
            assert told_at is not None
            assert due.swap.start >= now or not due.kept
            self.swaps.append(Swap(due.swap.start, due.swap.end, told_at, due))
            self.serving += 1
            self.from_[self.serving] = due.swap.start

    def served(self) -> list[Served]:
        starts = [*self.from_[: self.serving + 1], None]
        return [
            Served(self.chain[number], start, end)
            for number, (start, end) in enumerate(pairwise(starts))
            if start is not None and end is not None
        ]


def a_year(begins: datetime, lifetime: timedelta, terms: PlanTerms, days: int = 366) -> Provider:
    provider = Provider(begins, lifetime, terms)
    for day in range(days):
        provider.day(begins + day * DAY)
    return provider


def in_moscow_window(swap: Swap) -> bool:
    start, end = swap.at.astimezone(MOSCOW), swap.until.astimezone(MOSCOW)
    return start.isoweekday() == 6 and (start.time(), end.time()) == (time(9), time(11)) and start.date() == end.date()


def check(provider: Provider) -> None:
    for one in provider.served():
        assert one.valid.start <= one.start
        assert one.end < one.valid.end
    for swap, shown in zip(provider.swaps, provider.served(), strict=True):
        assert swap.until + provider.terms.margin <= shown.valid.end
        facts = ReplacementFacts(swap_at=swap.at, announced_at=swap.told_at, published_at=swap.told_at)
        kept = replacement_announced(facts).allowed and in_moscow_window(swap)
        assert swap.plan.kept is kept
        assert kept or swap.plan.finding


START = st.datetimes(datetime(2024, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones


@pytest.mark.clause("KS-3.8")
@pytest.mark.parametrize(("days", "at_least"), [(47, 20), (90, 6), (200, 1)])
def test_ks_3_8_a_year_has_no_gap_and_every_swap_has_its_month_and_its_window(days: int, at_least: int) -> None:
    for begins in (at("2027-01-31T05:00Z"), at("2028-02-29T20:59Z"), at("2026-12-31T21:00Z")):
        provider = a_year(begins, days * DAY, ks_terms(days * DAY))
        check(provider)
        assert len(provider.swaps) >= at_least
        assert all(swap.plan.kept for swap in provider.swaps)


@pytest.mark.clause("KS-3.8")
@given(begins=START, days=st.sampled_from([40, 47, 60, 90, 100]))
@settings(max_examples=30, deadline=None)
def test_ks_3_8_whatever_day_it_begins_on_a_long_enough_lifetime_keeps_the_promise(begins: datetime, days: int) -> None:
    provider = a_year(begins, days * DAY + HOUR * 2, ks_terms(days * DAY), 220)
    check(provider)
    assert provider.swaps
    assert all(swap.plan.kept and not swap.plan.finding for swap in provider.swaps)


@pytest.mark.clause("KS-3.8")
@given(begins=START, days=st.sampled_from([200, 398]))
@settings(max_examples=6, deadline=None)
def test_ks_3_8_long_lifetimes_keep_the_promise_too(begins: datetime, days: int) -> None:
    provider = a_year(begins, days * DAY, ks_terms(days * DAY), days)
    check(provider)
    assert [swap.plan.kept for swap in provider.swaps] == [True]


@pytest.mark.clause("KS-3.8")
@given(begins=START, days=st.sampled_from([6, 7, 15, 33, 35, 38, 39]))
@settings(max_examples=30, deadline=None)
def test_ks_3_8_a_lifetime_too_short_for_the_promise_has_no_gap_and_a_finding_each_time(
    begins: datetime, days: int
) -> None:
    provider = a_year(begins, days * DAY, ks_terms(days * DAY), 120)
    check(provider)
    assert len(provider.swaps) >= 3
    assert days > 30 or not any(swap.plan.noticed for swap in provider.swaps)


@given(begins=START)
@settings(max_examples=12, deadline=None)
def test_windows_of_a_zone_with_dst_have_no_gap_and_whole_months_too(begins: datetime) -> None:
    provider = a_year(begins, 90 * DAY, NIGHTLY, 300)
    for swap, shown in zip(provider.swaps, provider.served(), strict=True):
        assert swap.until + NIGHTLY.margin <= shown.valid.end
        assert in_calendar_months(swap.told_at, 1, BERLIN).due <= swap.at
        assert swap.at.astimezone(ZoneInfo(BERLIN)).isoweekday() == 7
        assert swap.plan.kept


@given(begins=START, days=st.sampled_from([6, 47, 90, 100]))
@settings(max_examples=15, deadline=None)
def test_a_ca_that_advises_two_thirds_of_each_lifetime_makes_no_emergency(begins: datetime, days: int) -> None:
    provider = Provider(begins, days * DAY, ks_terms(days * DAY), advised=True)
    for day in range(150):
        provider.day(begins + day * DAY)
    check(provider)
    assert not any(swap.plan.emergency for swap in provider.swaps)
    assert days == 6 or all(swap.plan.kept for swap in provider.swaps)
    if days > 60:
        assert all(swap.until <= provider.advice(swap.plan.replaced).end for swap in provider.swaps)


# --- a year ahead


def test_the_public_lifetimes_fall_on_their_days() -> None:
    for day, days in (("2026-03-15", 200), ("2027-03-15", 100), ("2029-03-15", 47)):
        assert public_lifetime(at(f"{day}T00:00Z")) == days * DAY
        assert public_lifetime(at(f"{day}T00:00Z") - INSTANT) > days * DAY
    with pytest.raises(NotFound):
        public_lifetime(at("2020-08-31T23:59Z"))


def lasting(days: float) -> Callable[[datetime], timedelta]:
    return lambda _: days * DAY


@pytest.mark.parametrize(("days", "swaps"), [(200, 2), (100, 5), (47, 24)])
def test_a_year_of_public_certificates_has_as_many_replacements_as_their_lifetime_leaves(days: int, swaps: int) -> None:
    first = Interval(start=ISSUED, end=ISSUED + days * DAY)
    made = year_plan(first, lasting(days), ISSUED + 365 * DAY)
    assert len(made) == swaps
    assert all(one.kept for one in made)
    assert [one.replaced for one in made[1:]] == [one.successor for one in made[:-1]]


def test_with_47_days_the_next_is_announced_before_the_last_one_serves_and_with_100_it_is_not() -> None:
    def overlaps(days: int) -> bool:
        made = year_plan(Interval(start=ISSUED, end=ISSUED + days * DAY), lasting(days), ISSUED + 365 * DAY)
        return any(later.announce_at < earlier.swap.start for earlier, later in pairwise(made))

    assert overlaps(47)
    assert not overlaps(100)


def test_a_successor_has_the_lifetime_of_the_day_on_which_it_is_issued() -> None:
    first = Interval(start=at("2028-11-01T00:00Z"), end=at("2028-11-01T00:00Z") + 100 * DAY)
    made = year_plan(first, public_lifetime, at("2029-12-31T00:00Z"))
    lengths = [one.successor.span.length for one in made]
    assert {length.days for length in lengths} == {100, 47}
    assert lengths == [public_lifetime(one.issue_at) for one in made]
    assert all(one.kept for one in made)
    for earlier, later in pairwise(made):
        assert later.swap.end < earlier.successor.end


def test_a_lifetime_that_leaves_no_time_to_replace_is_refused() -> None:
    shortest = KS_SHORT.shortest
    with pytest.raises(Refused, match="before it could be replaced"):
        year_plan(Interval(start=ISSUED, end=ISSUED + shortest), lambda _: shortest, ISSUED + 9 * DAY)
    with pytest.raises(Refused):
        year_plan(Interval(start=ISSUED, end=ISSUED + 90 * DAY), lambda _: shortest, ISSUED + 365 * DAY)
    longer = shortest + HOUR
    assert year_plan(Interval(start=ISSUED, end=ISSUED + longer), lambda _: longer, ISSUED + 9 * DAY)


def test_facts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="ends after it begins"):
        PlanFacts(not_before=ISSUED, not_after=ISSUED, now=ISSUED)
    with pytest.raises(ValidationError, match="opens before it closes"):
        WeekWindow(weekday=5, opens=time(9), closes=time(9), zone=BERLIN)
    with pytest.raises(ValidationError, match="not less than the least"):
        PlanTerms(margin=HOUR, least_margin=HOUR + INSTANT, work=HOUR, windows=NIGHTLY.windows)


def test_what_was_told_does_not_hold_where_the_one_before_serves_no_earlier() -> None:
    told = Interval(start=at("2027-02-06T09:00+03:00"), end=at("2027-02-06T11:00+03:00"))
    made = Successor(
        not_before=ISSUED, not_after=ISSUED + 90 * DAY, published_at=ISSUED, announced_at=ISSUED, swap=told
    )
    before = planned(90, serves_from=told.start - 7 * DAY, successor=made)
    assert before.swap == told
    moved = planned(90, serves_from=told.start, successor=made)
    assert moved.swap.start > told.start
    assert "the window that customers were told cannot be kept" in moved.finding
