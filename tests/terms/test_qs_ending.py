"""QSockets: refunds, liability, delay, force majeure, notices and the end of an agreement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import pytest

from blocks.terms import qs_ending
from blocks.terms.base import Deadline, Decision, Verdict
from blocks.terms.money import Money

at = datetime.fromisoformat


def rub(amount: str) -> Money:
    return Money.of(amount, "RUB")


def deadline_of(decision: Decision) -> Deadline:
    assert decision.deadline is not None
    return decision.deadline


def lost_period(
    *, over: bool = True, access: bool = False, ours: bool = True, confirmed: bool = True
) -> qs_ending.RefundFacts:
    return qs_ending.RefundFacts(
        paid=rub("9900.00"),
        period_over=over,
        access_given_at_any_time=access,
        cause_is_ours=ours,
        monitoring_confirms=confirmed,
    )


@pytest.mark.clause("QS-4.3.2")
def test_qs_4_3_2_a_whole_period_without_access_by_our_fault_is_paid_back_in_full() -> None:
    decision = qs_ending.refund(lost_period())
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("9900.00")


@pytest.mark.clause("QS-4.3.2")
@pytest.mark.parametrize(
    "facts",
    [
        lost_period(access=True),
        lost_period(ours=False),
        lost_period(over=False),
        lost_period(access=True, confirmed=False),
        lost_period(ours=False, confirmed=False),
    ],
)
def test_qs_4_3_2_otherwise_nothing_is_paid_back(facts: qs_ending.RefundFacts) -> None:
    decision = qs_ending.refund(facts)
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("QS-4.3.2")
def test_qs_4_3_2_what_our_monitoring_does_not_show_a_person_decides() -> None:
    decision = qs_ending.refund(lost_period(confirmed=False))
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None


@pytest.mark.clause("QS-6.2.3")
@pytest.mark.parametrize(
    ("claimed", "paid", "most", "cap"),
    [
        ("3000.00", "50000.00", "3000.00", "5000.00 RUB"),
        ("5000.00", "50000.00", "5000.00", "5000.00 RUB"),
        ("5000.01", "50000.00", "5000.00", "5000.00 RUB"),
        ("99999.00", "99999.90", "9999.99", "9999.99 RUB"),
        ("99999.00", "100000.00", "10000.00", "10000.00 RUB"),
        ("99999.00", "100000.10", "10000.00", "10000.00 RUB"),
        ("99999.00", "5000000.00", "10000.00", "10000.00 RUB"),
        ("9999.99", "5000000.00", "9999.99", "10000.00 RUB"),
        ("100.00", "0.00", "0.00", "0.00 RUB"),
    ],
)
def test_qs_6_2_3_we_owe_a_tenth_of_a_years_payments_and_never_more_than_10_000(
    claimed: str, paid: str, most: str, cap: str
) -> None:
    decision = qs_ending.liability(
        qs_ending.LiabilityFacts(claimed=rub(claimed), paid_in_last_12_months=rub(paid)),
    )
    assert decision.amount == rub(most)
    assert decision.values == {"cap": cap}


@pytest.mark.clause("QS-6.3.5")
@pytest.mark.parametrize(
    ("due_on", "paid_on", "days", "amount"),
    [
        (date(2026, 2, 27), date(2026, 2, 28), 1, "10.00"),
        (date(2026, 2, 28), date(2026, 3, 1), 1, "10.00"),
        (date(2024, 2, 28), date(2024, 3, 1), 2, "20.00"),
        (date(2026, 5, 8), date(2026, 5, 12), 4, "40.00"),
        (date(2026, 12, 31), date(2027, 1, 31), 31, "310.00"),
        (date(2024, 1, 1), date(2025, 1, 1), 366, "3660.00"),
        (date(2024, 1, 1), date(2026, 9, 27), 1000, "10000.00"),
        (date(2024, 1, 1), date(2026, 9, 28), 1001, "10010.00"),
    ],
)
def test_qs_6_3_5_each_day_of_delay_costs_a_thousandth_weekends_included(
    due_on: date, paid_on: date, days: int, amount: str
) -> None:
    facts = qs_ending.LatePaymentFacts(unpaid=rub("10000.00"), due_on=due_on, paid_on=paid_on)
    decision = qs_ending.late_payment(facts)
    assert decision.verdict is Verdict.OWED
    assert decision.values == {"days": days}
    assert decision.amount == rub(amount)


@pytest.mark.clause("QS-6.3.5")
@pytest.mark.parametrize("paid_on", [date(2026, 2, 27), date(2026, 2, 26), date(2025, 2, 27)])
def test_qs_6_3_5_a_payment_on_its_last_day_is_not_late(paid_on: date) -> None:
    facts = qs_ending.LatePaymentFacts(unpaid=rub("10000.00"), due_on=date(2026, 2, 27), paid_on=paid_on)
    decision = qs_ending.late_payment(facts)
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("QS-6.3.5")
@pytest.mark.parametrize(
    ("unpaid", "days", "amount"),
    [("4.99", 1, "0.00"), ("5.00", 1, "0.01"), ("14.99", 1, "0.01"), ("15.00", 1, "0.02"), ("4.99", 10, "0.05")],
)
def test_qs_6_3_5_the_sum_is_rounded_half_up_once_and_not_day_by_day(unpaid: str, days: int, amount: str) -> None:
    facts = qs_ending.LatePaymentFacts(unpaid=rub(unpaid), due_on=date(2026, 3, 1), paid_on=date(2026, 3, 1 + days))
    assert qs_ending.late_payment(facts).amount == rub(amount)


@pytest.mark.clause("QS-6.4")
@pytest.mark.parametrize(
    ("began", "due"),
    [
        ("2026-06-01T12:00+03:00", "2026-06-05T00:00+03:00"),
        ("2026-06-01T20:59Z", "2026-06-05T00:00+03:00"),
        ("2026-06-01T21:00Z", "2026-06-06T00:00+03:00"),
        ("2026-06-05T12:00+03:00", "2026-06-11T00:00+03:00"),
        ("2026-06-06T12:00+03:00", "2026-06-11T00:00+03:00"),
        ("2026-06-07T23:59+03:00", "2026-06-11T00:00+03:00"),
        ("2026-06-09T12:00+03:00", "2026-06-16T00:00+03:00"),
        ("2026-04-30T12:00+03:00", "2026-05-07T00:00+03:00"),
        ("2024-04-25T12:00+03:00", "2024-05-03T00:00+03:00"),
        ("2024-02-27T12:00+03:00", "2024-03-02T00:00+03:00"),
        ("2025-12-30T12:00+03:00", "2026-01-15T00:00+03:00"),
    ],
)
def test_qs_6_4_notice_is_due_in_three_russian_business_days(began: str, due: str) -> None:
    decision = qs_ending.force_majeure(qs_ending.ForceMajeureFacts(began_at=at(began), now=at(began)))
    assert decision.verdict is Verdict.DUE
    assert deadline_of(decision).due == at(due)
    assert not deadline_of(decision).provisional


@pytest.mark.clause("QS-6.4")
@pytest.mark.parametrize(
    ("now", "may_leave"),
    [
        ("2026-03-02T00:00+03:00", False),
        ("2026-03-30T23:59+03:00", False),
        ("2026-03-31T23:59:59+03:00", False),
        ("2026-04-01T00:00+03:00", True),
        ("2026-03-31T20:59:59Z", False),
        ("2026-03-31T21:00Z", True),
    ],
)
def test_qs_6_4_either_side_may_leave_after_more_than_thirty_days(now: str, may_leave: bool) -> None:
    decision = qs_ending.force_majeure(
        qs_ending.ForceMajeureFacts(began_at=at("2026-03-01T10:00+03:00"), now=at(now)),
    )
    assert decision.values["may_leave"] is may_leave
    assert ("earliest_end" in decision.values) is may_leave


@pytest.mark.clause("QS-6.4")
@pytest.mark.parametrize(
    ("now", "earliest_end"),
    [
        ("2026-04-01T10:00+03:00", "2026-04-09T00:00:00+03:00"),
        ("2026-04-24T10:00+03:00", "2026-05-05T00:00:00+03:00"),
        ("2026-05-08T10:00+03:00", "2026-05-19T00:00:00+03:00"),
    ],
)
def test_qs_6_4_leaving_takes_five_business_days(now: str, earliest_end: str) -> None:
    decision = qs_ending.force_majeure(
        qs_ending.ForceMajeureFacts(began_at=at("2026-03-01T10:00+03:00"), now=at(now)),
    )
    assert decision.values == {"may_leave": True, "earliest_end": earliest_end}


@pytest.mark.clause("QS-6.4")
def test_qs_6_4_nobody_leaves_for_what_has_ended() -> None:
    facts = qs_ending.ForceMajeureFacts(
        began_at=at("2026-01-01T10:00+03:00"), now=at("2026-04-01T10:00+03:00"), lasts=False
    )
    assert qs_ending.force_majeure(facts).values == {"may_leave": False}


@pytest.mark.clause("QS-6.4")
def test_qs_6_4_a_day_of_leaving_in_an_undecreed_year_is_provisional() -> None:
    facts = qs_ending.ForceMajeureFacts(began_at=at("2027-11-20T10:00+03:00"), now=at("2027-12-29T10:00+03:00"))
    decision = qs_ending.force_majeure(facts)
    assert str(decision.values["earliest_end"]).startswith("2028-01-")
    said = deadline_of(decision).provisional or any(
        "provisional" in name and value for name, value in decision.values.items()
    )
    assert said


def leaving(
    who: Literal["user", "provider"],
    ends_on: date,
    noticed: str = "2026-05-01T13:00+03:00",
    period: tuple[str, str] = ("2026-05-01T12:00+03:00", "2026-06-01T12:00+03:00"),
) -> Decision:
    return qs_ending.leaving(
        qs_ending.LeavingFacts(
            who=who,
            noticed_at=at(noticed),
            ends_on=ends_on,
            period_from=at(period[0]),
            period_until=at(period[1]),
            paid=rub("990.00"),
        )
    )


@pytest.mark.clause("QS-8.2")
@pytest.mark.parametrize("who", ["user", "provider"])
@pytest.mark.parametrize(
    ("noticed", "too_early", "soonest"),
    [
        ("2026-05-01T13:00+03:00", date(2026, 5, 14), date(2026, 5, 15)),
        ("2026-05-01T00:00+03:00", date(2026, 5, 14), date(2026, 5, 15)),
        ("2026-05-01T20:59Z", date(2026, 5, 14), date(2026, 5, 15)),
        ("2026-05-01T21:00Z", date(2026, 5, 15), date(2026, 5, 16)),
        ("2024-02-15T12:00+03:00", date(2024, 2, 28), date(2024, 2, 29)),
        ("2026-02-15T12:00+03:00", date(2026, 2, 28), date(2026, 3, 1)),
    ],
)
def test_qs_8_2_leaving_takes_fourteen_whole_days_of_notice(
    who: Literal["user", "provider"], noticed: str, too_early: date, soonest: date
) -> None:
    refused = leaving(who, too_early, noticed)
    assert refused.verdict is Verdict.REFUSED
    assert refused.amount is None
    assert refused.values == {"soonest": soonest.isoformat()}
    assert leaving(who, soonest, noticed).verdict is not Verdict.REFUSED


@pytest.mark.clause("QS-8.2")
@pytest.mark.parametrize("ends_on", [date(2026, 5, 15), date(2026, 6, 30)])
def test_qs_8_2_a_user_who_leaves_keeps_access_to_the_end_of_the_period_and_gets_nothing_back(ends_on: date) -> None:
    decision = leaving("user", ends_on)
    assert decision.verdict is Verdict.ACTION
    assert decision.amount is None
    assert deadline_of(decision).due == at("2026-06-01T12:00+03:00")


@pytest.mark.clause("QS-8.2")
@pytest.mark.parametrize(
    ("ends_on", "amount", "ends"),
    [
        (date(2026, 5, 15), "542.90", "2026-05-16T00:00+03:00"),
        (date(2026, 5, 31), "31.94", "2026-06-01T00:00+03:00"),
        (date(2026, 6, 1), "0.00", "2026-06-02T00:00+03:00"),
        (date(2026, 7, 1), "0.00", "2026-07-02T00:00+03:00"),
    ],
)
def test_qs_8_2_when_we_leave_the_unused_days_of_a_period_from_noon_return(
    ends_on: date, amount: str, ends: str
) -> None:
    decision = leaving("provider", ends_on)
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub(amount)
    assert deadline_of(decision).due == at(ends)


@pytest.mark.clause("QS-8.2")
@pytest.mark.parametrize(
    ("ends_on", "amount"),
    [
        (date(2026, 5, 15), "510.97"),
        (date(2026, 5, 30), "31.94"),
        (date(2026, 5, 31), "0.00"),
    ],
)
def test_qs_8_2_of_a_period_from_midnight_to_midnight_the_last_day_of_the_agreement_is_used(
    ends_on: date, amount: str
) -> None:
    period = ("2026-05-01T00:00+03:00", "2026-06-01T00:00+03:00")
    assert leaving("provider", ends_on, "2026-05-01T00:00+03:00", period).amount == rub(amount)


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_when_we_leave_a_period_that_has_not_begun_returns_whole() -> None:
    period = ("2026-06-01T12:00+03:00", "2026-07-01T12:00+03:00")
    assert leaving("provider", date(2026, 5, 20), period=period).amount == rub("990.00")


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_a_rest_of_a_period_within_one_day_is_a_day() -> None:
    period = ("2026-06-01T10:00+03:00", "2026-06-01T20:00+03:00")
    assert leaving("provider", date(2026, 5, 31), period=period).amount == rub("990.00")
    assert leaving("provider", date(2026, 6, 1), period=period).amount == rub("0.00")


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_days_are_counted_in_moscow() -> None:
    utc = ("2026-05-01T09:00Z", "2026-06-01T09:00Z")
    evening = ("2026-04-30T21:30Z", "2026-05-31T21:30Z")
    assert leaving("provider", date(2026, 5, 15), period=utc).amount == rub("542.90")
    assert leaving("provider", date(2026, 5, 15), period=evening).amount == rub("542.90")


@pytest.mark.clause("QS-8.3")
@pytest.mark.parametrize(
    ("ended", "due"),
    [
        ("2026-05-15T12:00+03:00", "2026-05-23T00:00+03:00"),
        ("2026-05-15T23:59:59+03:00", "2026-05-23T00:00+03:00"),
        ("2026-05-15T20:59Z", "2026-05-23T00:00+03:00"),
        ("2026-05-15T21:30Z", "2026-05-24T00:00+03:00"),
        ("2024-02-22T12:00+03:00", "2024-03-01T00:00+03:00"),
        ("2026-02-22T12:00+03:00", "2026-03-02T00:00+03:00"),
        ("2026-12-28T12:00+03:00", "2027-01-05T00:00+03:00"),
    ],
)
def test_qs_8_3_registration_data_is_destroyed_by_the_end_of_the_seventh_day(ended: str, due: str) -> None:
    decision = qs_ending.destroy_registration(qs_ending.EndFacts(ended_at=at(ended)))
    assert decision.verdict is Verdict.DUE
    assert deadline_of(decision).due == at(due)


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_an_agreement_whose_last_day_is_over_at_midnight_has_seven_days_and_not_eight() -> None:
    ended_at = deadline_of(leaving("provider", date(2026, 5, 15))).due
    decision = qs_ending.destroy_registration(qs_ending.EndFacts(ended_at=ended_at))
    assert deadline_of(decision).due == at("2026-05-23T00:00+03:00")


@pytest.mark.clause("QS-11.2")
@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-07-06T12:00+03:00", "2026-07-21T00:00+03:00"),
        ("2026-07-05T20:59Z", "2026-07-18T00:00+03:00"),
        ("2026-07-05T21:00Z", "2026-07-21T00:00+03:00"),
        ("2026-07-04T12:00+03:00", "2026-07-18T00:00+03:00"),
        ("2025-12-29T12:00+03:00", "2026-01-23T00:00+03:00"),
        ("2026-12-28T12:00+03:00", "2027-01-21T00:00+03:00"),
        ("2024-04-19T12:00+03:00", "2024-05-08T00:00+03:00"),
        ("2024-10-25T12:00+03:00", "2024-11-09T00:00+03:00"),
        ("2024-02-16T12:00+03:00", "2024-03-05T00:00+03:00"),
        ("2027-02-15T12:00+03:00", "2027-03-03T00:00+03:00"),
    ],
)
def test_qs_11_2_a_claim_is_answered_in_ten_russian_business_days(received: str, due: str) -> None:
    decision = qs_ending.claim(qs_ending.ClaimFacts(received_at=at(received)))
    assert decision.verdict is Verdict.DUE
    assert deadline_of(decision).due == at(due)
    assert not deadline_of(decision).provisional


@pytest.mark.clause("QS-11.2")
def test_qs_11_2_a_term_that_crosses_into_an_undecreed_year_is_provisional() -> None:
    decision = qs_ending.claim(qs_ending.ClaimFacts(received_at=at("2027-12-20T12:00+03:00")))
    assert deadline_of(decision).provisional
    assert deadline_of(decision).due > at("2028-01-10T00:00+03:00")


def notice(
    channel: Literal["email", "interface", "post"],
    *,
    bounced: bool = False,
    arrived: str | None = None,
    delivered: str | None = None,
) -> Decision:
    return qs_ending.notice_received(
        qs_ending.ReceivedFacts(
            channel=channel,
            sent_at=at("2026-05-01T10:00+03:00"),
            bounced=bounced,
            arrived_at=at(arrived) if arrived else None,
            delivered_at=at(delivered) if delivered else None,
        )
    )


@pytest.mark.clause("QS-12.4")
@pytest.mark.parametrize("channel", ["email", "interface"])
def test_qs_12_4_email_counts_from_sending_and_the_interface_from_posting(
    channel: Literal["email", "interface"],
) -> None:
    decision = notice(channel)
    assert decision.verdict is Verdict.ALLOWED
    assert deadline_of(decision).due == at("2026-05-01T10:00+03:00")


@pytest.mark.clause("QS-12.4")
def test_qs_12_4_an_email_has_not_bounced_unless_the_facts_say_so() -> None:
    facts = qs_ending.ReceivedFacts(channel="email", sent_at=at("2026-05-01T10:00+03:00"))
    assert qs_ending.notice_received(facts).verdict is Verdict.ALLOWED


@pytest.mark.clause("QS-12.4")
def test_qs_12_4_a_bounced_email_has_not_been_received() -> None:
    decision = notice("email", bounced=True)
    assert decision.verdict is Verdict.REFUSED
    assert decision.deadline is None


@pytest.mark.clause("QS-12.4")
def test_qs_12_4_post_counts_from_its_delivery() -> None:
    decision = notice("post", arrived="2026-05-05T15:00+03:00", delivered="2026-05-07T11:00+03:00")
    assert decision.verdict is Verdict.ALLOWED
    assert deadline_of(decision).due == at("2026-05-07T11:00+03:00")


@pytest.mark.clause("QS-12.4")
@pytest.mark.parametrize(
    ("arrived", "counts"),
    [
        ("2026-05-05T15:00+03:00", "2026-05-12T00:00+03:00"),
        ("2026-05-05T00:00+03:00", "2026-05-12T00:00+03:00"),
        ("2026-05-05T20:59Z", "2026-05-12T00:00+03:00"),
        ("2026-05-05T21:00Z", "2026-05-13T00:00+03:00"),
        ("2024-02-22T12:00+03:00", "2024-02-29T00:00+03:00"),
        ("2026-02-22T12:00+03:00", "2026-03-01T00:00+03:00"),
    ],
)
def test_qs_12_4_uncollected_post_counts_on_the_seventh_day_after_its_arrival(arrived: str, counts: str) -> None:
    decision = notice("post", arrived=arrived)
    assert decision.verdict is Verdict.ALLOWED
    assert deadline_of(decision).due == at(counts)


@pytest.mark.clause("QS-12.4")
def test_qs_12_4_post_that_has_not_arrived_has_not_been_received() -> None:
    assert notice("post").verdict is Verdict.REFUSED
