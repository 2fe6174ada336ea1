"""The ОЦП: tariffs with the Operator's fee, the income of a month, and the terms of data, payout and records."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.terms import ocp_revenue
from blocks.terms.base import Decision, Verdict, ask
from blocks.terms.money import Money
from blocks.terms.ocp_tariffs import TariffRow

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)
ROW = TariffRow.model_validate(
    {
        "code": "TV",
        "title": "Телевидение",
        "version": [
            {"since": "2024-01-01", "price": "1000.00"},
            {"since": "2026-10-16", "price": "1200.03", "fee_bp": 1825},
        ],
    }
)


def tenge(amount: str) -> Money:
    return Money.of(amount, "KZT")


def due(decision: Decision) -> datetime:
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.zone == "Asia/Almaty"
    return decision.deadline.due


def priced(row: TariffRow, day: str) -> Decision:
    return ocp_revenue.tariff(ocp_revenue.TariffFacts(row=row, day=date.fromisoformat(day)))


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("day", "without_vat", "with_vat", "vat", "fee"),
    [
        ("2024-01-01", "1000.00", "1120.00", "12", "20"),
        ("2025-12-31", "1000.00", "1120.00", "12", "20"),
        ("2026-01-01", "1000.00", "1160.00", "16", "20"),
        ("2026-10-15", "1000.00", "1160.00", "16", "20"),
        ("2026-10-16", "1200.03", "1392.03", "16", "18.25"),  # 1200.03 x 1.16 = 1392.0348
        ("2026-10-17", "1200.03", "1392.03", "16", "18.25"),
    ],
)
def test_ocp_p4_price_vat_and_fee_are_those_of_the_day(
    day: str, without_vat: str, with_vat: str, vat: str, fee: str
) -> None:
    decision = priced(ROW, day)
    assert decision.verdict is Verdict.OWED
    assert decision.amount == tenge(without_vat)
    assert decision.values["price_with_vat"] == with_vat
    assert decision.values["vat_percent"] == vat
    assert decision.values["fee_percent"] == fee


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_says_since_when_its_version_holds() -> None:
    assert priced(ROW, "2026-10-15").values["since"] == "2024-01-01"
    assert priced(ROW, "2026-10-16").values["since"] == "2026-10-16"


def row_of(**version: Any) -> TariffRow:
    return TariffRow.model_validate({"code": "X", "title": "X", "version": [{"since": "2025-01-01", **version}]})


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("price", "with_vat"),
    [
        ("0.00", "0.00"),
        ("0.03", "0.03"),  # 0.0348
        ("0.04", "0.05"),  # 0.0464
        ("3.12", "3.62"),  # 3.6192
        ("3.13", "3.63"),  # 3.6308
    ],
)
def test_ocp_p4_a_price_with_vat_is_rounded_to_the_nearest_tiyn(price: str, with_vat: str) -> None:
    assert priced(row_of(price=price), "2026-10-01").values["price_with_vat"] == with_vat


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("fee_bp", "percent"), [(0, "0"), (5, "0.05"), (1000, "10"), (1010, "10.1"), (2250, "22.5"), (10_000, "100")]
)
def test_ocp_p4_the_fee_is_told_in_percent(fee_bp: int, percent: str) -> None:
    assert priced(row_of(price="1.00", fee_bp=fee_bp), "2026-10-01").values["fee_percent"] == percent


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_before_its_first_version_a_row_has_no_price() -> None:
    decision = priced(ROW, "2023-12-31")
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None
    assert "TV 2023-12-31" in decision.what


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_before_the_first_known_vat_nothing_is_priced() -> None:
    row = TariffRow.model_validate({"code": "X", "title": "X", "version": [{"since": "2000-01-01", "price": "1.00"}]})
    assert priced(row, "2008-12-31").verdict is Verdict.REFUSED
    assert priced(row, "2009-01-01").verdict is Verdict.OWED


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_the_price_of_a_row_without_one_is_a_persons_to_name_and_its_fee_holds() -> None:
    decision = priced(row_of(fee_bp=1000), "2026-10-01")
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None
    assert decision.values["fee_percent"] == "10"


def line(state: str, net: str, corrects: bool = False, days: str = "2026-10-01/2026-10-31") -> dict[str, Any]:
    begins, ends = days.split("/")
    money = {"amount": net, "currency": "KZT"}
    return {"state": state, "net": money, "corrects": corrects, "begins_on": begins, "ends_on": ends}


def income(*lines: dict[str, Any]) -> Decision:
    return ask("OCP-P5.1", {"month": "2026-10", "lines": lines}).decision


@pytest.mark.clause("OCP-P5.1")
@pytest.mark.parametrize(
    ("lines", "amount", "counted"),
    [
        ([], "0.00", 0),
        ([line("issued", "100.01")], "100.01", 1),
        ([line("paid", "100.01")], "100.01", 1),
        ([line("cancelled", "100.01")], "0.00", 0),
        ([line("refunded", "100.01")], "0.00", 0),
        ([line("paid", "100.01"), line("refunded", "40.00", corrects=True)], "60.01", 2),
        ([line("refunded", "40.00", corrects=True)], "-40.00", 1),
        ([line("issued", "100.01"), line("correction", "5.00", corrects=True)], "105.01", 2),
        ([line("issued", "100.01"), line("correction", "-5.00", corrects=True)], "95.01", 2),
        ([line("issued", "0.00")], "0.00", 1),
    ],
)
def test_ocp_p5_1_income_is_what_is_issued_less_what_is_taken_back(
    lines: list[dict[str, Any]], amount: str, counted: int
) -> None:
    decision = income(*lines)
    assert decision.amount == tenge(amount)
    assert decision.values["lines"] == counted


@pytest.mark.clause("OCP-P5.1")
@pytest.mark.parametrize(
    ("days", "verdict"),
    [
        ("2026-10-01/2026-10-01", Verdict.OWED),
        ("2026-10-31/2026-10-31", Verdict.OWED),
        ("2026-10-01/2026-10-31", Verdict.OWED),
        ("2026-09-30/2026-10-01", Verdict.REFUSED),
        ("2026-10-31/2026-11-01", Verdict.REFUSED),
        ("2026-09-30/2026-09-30", Verdict.REFUSED),
        ("2026-11-01/2026-11-01", Verdict.REFUSED),
        ("2025-10-01/2025-10-31", Verdict.REFUSED),
    ],
)
def test_ocp_p5_1_a_month_has_only_lines_whose_days_are_all_in_it(days: str, verdict: Verdict) -> None:
    decision = income(line("issued", "1.00"), line("issued", "2.00", days=days))
    assert decision.verdict is verdict
    assert decision.amount == (tenge("3.00") if verdict is Verdict.OWED else None)


@pytest.mark.clause("OCP-P5.1")
def test_ocp_p5_1_a_leap_february_has_its_29th() -> None:
    lines = [line("issued", "1.00", days="2028-02-29/2028-02-29")]
    assert ask("OCP-P5.1", {"month": "2028-02", "lines": lines}).decision.amount == tenge("1.00")
    lines = [line("issued", "1.00", days="2028-03-01/2028-03-01")]
    assert ask("OCP-P5.1", {"month": "2028-02", "lines": lines}).decision.verdict is Verdict.REFUSED


@pytest.mark.clause("OCP-P5.1")
def test_ocp_p5_1_a_refusal_names_the_earliest_line_of_another_month() -> None:
    lines = [line("issued", "1.00", days="2026-11-02/2026-11-03"), line("issued", "1.00", days="2026-09-30/2026-10-02")]
    assert income(*lines).what == "not of 2026-10: 2 lines, the first of 2026-09-30 - 2026-10-02"


@pytest.mark.clause("OCP-P5.1")
@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        (line("correction", "1.00"), "names the line"),
        (line("issued", "1.00", corrects=True), "only a refund or a correction"),
        (line("paid", "1.00", corrects=True), "only a refund or a correction"),
        (line("cancelled", "1.00", corrects=True), "only a refund or a correction"),
        (line("issued", "-0.01"), "negative"),
        (line("refunded", "-0.01", corrects=True), "negative"),
        (line("issued", "1.00", days="2026-10-02/2026-10-01"), "first day or later"),
        ({**line("issued", "1.00"), "net": {"amount": "1.00", "currency": "USD"}}, "tenge"),
    ],
)
def test_ocp_p5_1_a_line_that_makes_no_sense_is_refused_as_a_bad_fact(facts: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        income(facts)


@pytest.mark.clause("OCP-P5.2")
@pytest.mark.parametrize(
    ("month", "until"),
    [
        ("2026-10", "2026-11-10T00:00+05:00"),
        ("2026-07", "2026-08-10T00:00+05:00"),  # the 9th is a Sunday
        ("2026-04", "2026-05-10T00:00+05:00"),  # the 9th is a holiday, on a Saturday
        ("2026-12", "2027-01-10T00:00+05:00"),
        ("2026-01", "2026-02-10T00:00+05:00"),
        ("2024-02", "2024-03-10T00:00+05:00"),
        ("2024-01", "2024-02-10T00:00+06:00"),  # Kazakhstan moved to +05:00 on 2024-03-01
        ("2099-12", "2100-01-10T00:00+05:00"),
    ],
)
def test_ocp_p5_2_the_data_is_there_by_the_end_of_the_ninth(month: str, until: str) -> None:
    assert due(ask("OCP-P5.2", {"month": month}).decision) == at(until)
    assert ocp_revenue.data_due(month).due == at(until)


@pytest.mark.clause("OCP-P5.3")
@pytest.mark.parametrize(
    ("signed", "until"),
    [
        ("2026-11-09T12:00+05:00", "2026-11-13T00:00+05:00"),
        ("2026-11-09T00:00+05:00", "2026-11-13T00:00+05:00"),
        ("2026-11-08T23:59:59.999999+05:00", "2026-11-12T00:00+05:00"),  # a Sunday
        ("2026-11-09T23:59:59.999999+05:00", "2026-11-13T00:00+05:00"),
        ("2026-11-09T19:00Z", "2026-11-14T00:00+05:00"),  # in Astana it is the 10th
        ("2026-11-13T12:00+05:00", "2026-11-19T00:00+05:00"),  # a Friday
        ("2026-11-14T12:00+05:00", "2026-11-19T00:00+05:00"),  # a Saturday
        ("2026-03-19T12:00+05:00", "2026-03-28T00:00+05:00"),  # Nauryz: 21 to 25 March are off
        ("2026-03-20T12:00+05:00", "2026-03-31T00:00+05:00"),
        ("2026-03-22T12:00+05:00", "2026-03-31T00:00+05:00"),
        ("2024-05-02T12:00+05:00", "2024-05-07T00:00+05:00"),  # Saturday 4 May 2024 was worked
        ("2024-05-06T12:00+05:00", "2024-05-15T00:00+05:00"),  # and 7 to 9 May were off
        ("2025-01-03T12:00+05:00", "2025-01-09T00:00+05:00"),  # Sunday 5 January 2025 was worked, the 7th off
        ("2024-02-28T12:00+06:00", "2024-03-05T00:00+05:00"),  # a leap day
        ("2025-12-30T12:00+05:00", "2026-01-07T00:00+05:00"),  # 1 and 2 January are off
    ],
)
def test_ocp_p5_3_the_reward_is_paid_by_the_end_of_the_third_business_day(signed: str, until: str) -> None:
    assert ocp_revenue.payout_due(at(signed)).due == at(until)
    earlier = at(signed) - timedelta(days=20)
    for us, operator in ((at(signed), earlier), (earlier, at(signed)), (at(signed), at(signed))):
        facts = {"signed_by_us_at": us, "signed_by_operator_at": operator}
        assert due(ask("OCP-P5.3", facts).decision) == at(until)


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_a_payout_in_a_year_without_a_decree_is_provisional() -> None:
    over_new_year = ocp_revenue.payout_due(at("2026-12-30T12:00+05:00"))
    assert over_new_year.due == at("2027-01-07T00:00+05:00")
    assert over_new_year.provisional
    assert not ocp_revenue.payout_due(at("2026-11-09T12:00+05:00")).provisional


@pytest.mark.clause("OCP-P5.3")
@pytest.mark.parametrize(
    ("handed", "until"),
    [
        ("2026-11-02T12:00+05:00", "2026-11-13T00:00+05:00"),
        ("2026-11-09T12:00+05:00", "2026-11-13T00:00+05:00"),
        ("2026-11-10T00:00+05:00", "2026-11-14T00:00+05:00"),
    ],
)
def test_ocp_p5_3_an_invoice_handed_over_after_the_signatures_is_what_the_days_count_from(
    handed: str, until: str
) -> None:
    signed = at("2026-11-09T12:00+05:00")
    facts = ocp_revenue.SignedFacts(
        signed_by_us_at=signed, signed_by_operator_at=signed - INSTANT, invoice_handed_at=at(handed)
    )
    assert due(ocp_revenue.payout(facts)) == at(until)


@pytest.mark.clause("OCP-P5.3")
@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        ({}, "us and the Operator"),
        ({"signed_by_us_at": "2026-11-09T12:00+05:00"}, "the Operator"),
        ({"signed_by_operator_at": "2026-11-09T12:00+05:00"}, "us"),
        ({"invoice_handed_at": "2026-11-09T12:00+05:00"}, "us and the Operator"),
    ],
)
def test_ocp_p5_3_before_both_have_signed_nothing_is_due(facts: dict[str, Any], missing: str) -> None:
    decision = ask("OCP-P5.3", facts).decision
    assert decision.verdict is Verdict.ALLOWED
    assert decision.deadline is None
    assert decision.what.endswith(f": not signed by {missing}")


@pytest.mark.clause("OCP-P5.4")
@pytest.mark.parametrize(
    ("income", "fee", "reward", "what"),
    [
        ("1000.00", "200.00", "800.00", "invoice"),
        ("0.01", "0.00", "0.01", "invoice"),
        ("200.00", "200.00", "0.00", "nothing"),
        ("0.00", "0.00", "0.00", "nothing"),
        ("-0.01", "0.00", "-0.01", "return"),
        ("-1000.00", "-200.00", "-800.00", "return"),
    ],
)
def test_ocp_p5_4_the_reward_is_the_income_less_the_fee(income: str, fee: str, reward: str, what: str) -> None:
    decision = ocp_revenue.reward(ocp_revenue.RewardFacts(income=tenge(income), fee=tenge(fee)))
    assert decision.verdict is Verdict.OWED
    assert decision.amount == tenge(reward)
    assert decision.what.startswith(what)


@pytest.mark.clause("OCP-P5.4")
@pytest.mark.parametrize(("first", "second"), [("USD", "KZT"), ("KZT", "USD"), ("RUB", "RUB")])
def test_ocp_p5_4_another_currency_than_the_tenge_is_refused(first: Any, second: Any) -> None:
    facts = ocp_revenue.RewardFacts(income=Money.of(1000, first), fee=Money.of(200, second))
    decision = ocp_revenue.reward(facts)
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("OCP-3.2.6")
@pytest.mark.parametrize(
    ("rendered", "until"),
    [
        ("2026-10-01", "2026-11-01T00:00+05:00"),
        ("2026-10-31", "2026-11-01T00:00+05:00"),
        ("2026-11-01", "2026-12-01T00:00+05:00"),
        ("2026-12-31", "2027-01-01T00:00+05:00"),
        ("2028-02-29", "2028-03-01T00:00+05:00"),
        ("2026-02-28", "2026-03-01T00:00+05:00"),
        ("2024-01-31", "2024-02-01T00:00+06:00"),
        ("2000-01-01", "2000-02-01T00:00+06:00"),
        ("2099-12-31", "2100-01-01T00:00+05:00"),
    ],
)
def test_ocp_3_2_6_a_service_is_on_record_by_the_end_of_its_month(rendered: str, until: str) -> None:
    facts = {"rendered_on": rendered, "now": at(until)}
    assert due(ask("OCP-3.2.6", facts).decision) == at(until)
    assert ocp_revenue.record_due(date.fromisoformat(rendered)).due == at(until)


@pytest.mark.clause("OCP-3.2.6")
@pytest.mark.parametrize(
    ("recorded", "seen", "verdict"),
    [
        (None, timedelta(), Verdict.DUE),
        (None, INSTANT, Verdict.REFUSED),
        (None, timedelta(days=9), Verdict.REFUSED),
        (-INSTANT, -INSTANT, Verdict.ALLOWED),
        (timedelta(), timedelta(days=9), Verdict.ALLOWED),
        (INSTANT, timedelta(days=9), Verdict.REFUSED),
        (timedelta(days=9), timedelta(days=9), Verdict.REFUSED),
    ],
)
def test_ocp_3_2_6_a_record_made_after_the_month_is_late(
    recorded: timedelta | None, seen: timedelta, verdict: Verdict
) -> None:
    over = at("2026-11-01T00:00+05:00")
    facts = ocp_revenue.RecordFacts(
        rendered_on=date(2026, 10, 5), recorded_at=None if recorded is None else over + recorded, now=over + seen
    )
    decision = ocp_revenue.on_record(facts)
    assert decision.verdict is verdict
    assert decision.deadline == ocp_revenue.record_due(date(2026, 10, 5))
    assert ("not on record" in decision.what) is (recorded is None and verdict is Verdict.REFUSED)


@pytest.mark.clause("OCP-3.2.6")
def test_ocp_3_2_6_a_record_of_the_future_is_a_bad_fact() -> None:
    now = at("2026-10-05T12:00+05:00")
    ocp_revenue.RecordFacts(rendered_on=date(2026, 10, 5), recorded_at=now, now=now)
    with pytest.raises(ValidationError, match="future"):
        ocp_revenue.RecordFacts(rendered_on=date(2026, 10, 5), recorded_at=now + INSTANT, now=now)
