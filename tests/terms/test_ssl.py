"""The certificate reseller: applications, clocks and refusals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from blocks.terms.base import Decision, Verdict, ask
from blocks.terms.ssl_prices import PRODUCTS

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)
BYN = {"amount": "45.00", "currency": "BYN"}


def decided(clause: str, **facts: Any) -> Decision:
    return ask(clause, facts).decision


def due(decision: Decision) -> datetime:
    assert decision.deadline is not None
    assert decision.deadline.zone == "Europe/Minsk"
    return decision.deadline.due


@pytest.mark.clause("SSL-4.4")
@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-11-19T12:00+03:00", "2026-11-27T00:00+03:00"),  # a Thursday: over one weekend
        ("2026-11-20T12:00+03:00", "2026-11-28T00:00+03:00"),
        ("2026-11-21T12:00+03:00", "2026-11-28T00:00+03:00"),  # a Saturday counts like its Friday
        ("2026-11-22T12:00+03:00", "2026-11-28T00:00+03:00"),
        ("2026-04-17T12:00+03:00", "2026-04-28T00:00+03:00"),  # Monday and Tuesday are off, a Saturday is worked
        ("2026-04-25T12:00+03:00", "2026-05-05T00:00+03:00"),  # the worked Saturday itself, then 1 May
        ("2026-12-22T12:00+03:00", "2026-12-31T00:00+03:00"),  # over 25 December
        ("2025-12-29T12:00+03:00", "2026-01-09T00:00+03:00"),  # over two holidays of the new year and 7 January
        ("2024-02-26T12:00+03:00", "2024-03-05T00:00+03:00"),  # over a leap day
    ],
)
def test_ssl_4_4_an_application_is_taken_up_within_5_working_days_of_belarus(since: str, until: str) -> None:
    decision = decided("SSL-4.4", paid_at=at(since), complete_at=at(since))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(until)
    assert decision.deadline is not None
    assert not decision.deadline.provisional


@pytest.mark.clause("SSL-4.4")
def test_ssl_4_4_the_clock_starts_with_the_later_of_payment_and_data() -> None:
    early, late = at("2026-11-16T12:00+03:00"), at("2026-11-19T12:00+03:00")
    assert due(decided("SSL-4.4", paid_at=early, complete_at=late)) == at("2026-11-27T00:00+03:00")
    assert due(decided("SSL-4.4", paid_at=late, complete_at=early)) == at("2026-11-27T00:00+03:00")


@pytest.mark.clause("SSL-4.4")
def test_ssl_4_4_the_day_changes_at_midnight_in_minsk() -> None:
    midnight = at("2026-11-20T00:00+03:00")
    assert due(decided("SSL-4.4", paid_at=midnight - INSTANT, complete_at=midnight - INSTANT)) == at(
        "2026-11-27T00:00+03:00"
    )
    assert due(decided("SSL-4.4", paid_at=midnight, complete_at=midnight)) == at("2026-11-28T00:00+03:00")


@pytest.mark.clause("SSL-4.4")
def test_ssl_4_4_a_year_without_a_decree_is_provisional() -> None:
    decision = decided("SSL-4.4", paid_at=at("2026-12-30T12:00+03:00"), complete_at=at("2026-12-30T12:00+03:00"))
    assert due(decision) == at("2027-01-09T00:00+03:00")
    assert decision.deadline is not None
    assert decision.deadline.provisional


@pytest.mark.clause("SSL-4.4")
@pytest.mark.parametrize(
    ("paid_at", "complete_at", "missing"),
    [
        (None, None, "payment, data"),
        (None, "2026-11-19T12:00+03:00", "payment"),
        ("2026-11-19T12:00+03:00", None, "data"),
    ],
)
def test_ssl_4_4_no_time_runs_before_both_are_there(paid_at: str | None, complete_at: str | None, missing: str) -> None:
    decision = decided("SSL-4.4", paid_at=paid_at, complete_at=complete_at)
    assert decision.verdict is Verdict.REFUSED
    assert decision.deadline is None
    assert decision.what == f"missing: {missing}"


@pytest.mark.clause("SSL-4.5")
def test_ssl_4_5_a_correction_that_helps_is_proposed_by_email() -> None:
    decision = decided("SSL-4.5", correction="an ordinary product instead of a wildcard")
    assert decision.verdict is Verdict.ACTION
    assert decision.what == "propose by e-mail: an ordinary product instead of a wildcard"
    assert decision.values == {"channel": "email"}


@pytest.mark.clause("SSL-4.5")
@pytest.mark.parametrize("correction", ["", "  "])
def test_ssl_4_5_where_none_helps_the_application_is_refused_by_email(correction: str) -> None:
    decision = decided("SSL-4.5", correction=correction)
    assert decision.verdict is Verdict.ACTION
    assert decision.what == "refuse the application by e-mail"
    assert decision.values["channel"] == "email"
    assert "a person decides" in str(decision.values["money"])


@pytest.mark.clause("SSL-4.6")
@pytest.mark.parametrize(
    ("received", "until"),
    [
        ("2026-11-19T12:00+03:00", "2026-11-23T00:00+03:00"),  # Thursday: the third day is a Sunday
        ("2026-11-19T23:59+03:00", "2026-11-23T00:00+03:00"),
        ("2026-11-20T00:00+03:00", "2026-11-24T00:00+03:00"),
        ("2026-02-26T12:00+03:00", "2026-03-02T00:00+03:00"),
        ("2028-02-26T12:00+03:00", "2028-03-01T00:00+03:00"),
        ("2026-12-30T12:00+03:00", "2027-01-03T00:00+03:00"),
    ],
)
def test_ssl_4_6_the_customer_has_three_calendar_days(received: str, until: str) -> None:
    on_time = decided("SSL-4.6", received_at=at(received), now=at(until))
    assert on_time.verdict is Verdict.DUE
    assert due(on_time) == at(until)
    silent = decided("SSL-4.6", received_at=at(received), now=at(until) + INSTANT)
    assert silent.verdict is Verdict.PERSON
    assert due(silent) == at(until)
    assert "a person decides" in str(silent.values["money"])


@pytest.mark.clause("SSL-4.6")
def test_ssl_4_6_an_answer_is_passed_on_however_late_it_comes() -> None:
    received, until = at("2026-11-19T12:00+03:00"), at("2026-11-23T00:00+03:00")
    in_time = decided("SSL-4.6", received_at=received, answered_at=until, now=until + timedelta(days=9))
    late = decided("SSL-4.6", received_at=received, answered_at=until + INSTANT, now=until + timedelta(days=9))
    assert (in_time.verdict, in_time.values) == (Verdict.ACTION, {"late": False})
    assert (late.verdict, late.values) == (Verdict.ACTION, {"late": True})


@pytest.mark.clause("SSL-4.7")
def test_ssl_4_7_nobody_decides_before_the_ca() -> None:
    assert decided("SSL-4.7", ca="nothing").verdict is Verdict.REFUSED


@pytest.mark.clause("SSL-4.7")
@pytest.mark.parametrize(("ca", "what"), [("issued", "hand the certificate over"), ("refused", "SSL-5.2")])
def test_ssl_4_7_what_the_ca_decides_is_followed(ca: str, what: str) -> None:
    decision = decided("SSL-4.7", ca=ca)
    assert decision.verdict is Verdict.ACTION
    assert what in decision.what


@pytest.mark.clause("SSL-5.1")
@pytest.mark.parametrize(
    ("paid", "until"),
    [
        ("2026-03-16T12:00+03:00", "2026-04-29T00:00+03:00"),  # two transferred days off and their worked Saturday
        ("2026-03-16T23:59:59.999999+03:00", "2026-04-29T00:00+03:00"),
        ("2026-03-17T00:00+03:00", "2026-04-30T00:00+03:00"),
        ("2026-05-20T12:00+03:00", "2026-07-02T00:00+03:00"),  # the day before 3 July
        ("2026-05-21T12:00+03:00", "2026-07-03T00:00+03:00"),
        ("2026-05-22T12:00+03:00", "2026-07-07T00:00+03:00"),  # 3 July is off
        ("2024-01-29T12:00+03:00", "2024-03-13T00:00+03:00"),  # over a leap day and 8 March
    ],
)
def test_ssl_5_1_the_service_is_done_within_30_working_days_of_payment(paid: str, until: str) -> None:
    decision = decided("SSL-5.1", paid_at=at(paid))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(until)


@pytest.mark.clause("SSL-5.2")
@pytest.mark.parametrize(
    ("known", "until"),
    [
        ("2026-11-19T12:00+03:00", "2026-11-25T00:00+03:00"),
        ("2026-11-19T23:59:59.999999+03:00", "2026-11-25T00:00+03:00"),
        ("2026-11-20T00:00+03:00", "2026-11-26T00:00+03:00"),
        ("2026-04-17T12:00+03:00", "2026-04-25T00:00+03:00"),  # Friday before two days off
        ("2026-04-23T12:00+03:00", "2026-04-28T00:00+03:00"),  # the worked Saturday counts
        ("2026-12-31T12:00+03:00", "2027-01-07T00:00+03:00"),
    ],
)
def test_ssl_5_2_a_refusal_is_told_and_paid_back_within_3_working_days(known: str, until: str) -> None:
    decision = decided("SSL-5.2", known_at=at(known), paid=BYN, fraud=False)
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(until)
    assert str(decision.amount) == "45.00 BYN"
    assert decision.values == {"refund": True}


@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_after_fraud_the_notice_is_due_and_nothing_comes_back() -> None:
    decision = decided("SSL-5.2", known_at=at("2026-11-19T12:00+03:00"), paid=BYN, fraud=True)
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at("2026-11-25T00:00+03:00")
    assert str(decision.amount) == "0.00 BYN"
    assert decision.values == {"refund": False}


FIRST = [code for code, found in PRODUCTS.items() if not found.abroad]
SECOND = [code for code, found in PRODUCTS.items() if found.abroad]
NATIONAL = [
    "shop.by",
    "SHOP.BY",
    "a.b.shop.by",
    "*.shop.by",
    "shop.com.by",
    "shop.by.",
    "магазин.бел",
    "МАГАЗИН.БЕЛ",
    "магазин.БЕЛ.",
    "xn--80aaf3ajs0b.xn--90ais",
    "XN--80AAF3AJS0B.XN--90AIS",
    "shop.ru",
    "shop.msk.ru",
    "магазин.рф",
    "*.магазин.рф",
    "shop.xn--p1ai",
    "shop.Xn--P1aI.",
    "shop.su",
    "магазин。рф",
    "shop．ｒｕ",
    " shop.ru ",
]
FOREIGN = ["shop.com", "by.com", "shop.by.com", "ru.net", "shopby", "shop.kz", "xn--p1ai.org", "shop.рус", "bel.moscow"]


@pytest.mark.clause("SSL-A1b")
@pytest.mark.parametrize("name", NATIONAL)
@pytest.mark.parametrize("code", ["positivessl", "truebusinessid-ev"])
def test_ssl_a1b_sectigo_and_geotrust_are_not_sold_for_national_zones(code: str, name: str) -> None:
    decision = decided("SSL-A1b", product=code, names=["example.com", name])
    assert decision.verdict is Verdict.REFUSED
    assert name in decision.what
    assert "example.com" not in decision.what


@pytest.mark.clause("SSL-A1b")
@pytest.mark.parametrize("name", FOREIGN)
def test_ssl_a1b_they_are_sold_for_every_other_name(name: str) -> None:
    assert decided("SSL-A1b", product="positivessl", names=[name]).verdict is Verdict.ALLOWED


@pytest.mark.clause("SSL-A1b")
@pytest.mark.parametrize("code", FIRST)
def test_ssl_a1b_the_first_list_is_sold_for_national_zones_too(code: str) -> None:
    assert decided("SSL-A1b", product=code, names=["shop.by", "магазин.рф"]).verdict is Verdict.ALLOWED


@pytest.mark.clause("SSL-A1b")
@pytest.mark.parametrize("code", SECOND)
def test_ssl_a1b_the_second_list_is_sold_abroad_alone(code: str) -> None:
    assert PRODUCTS[code].brand in ("Sectigo", "GeoTrust")
    assert decided("SSL-A1b", product=code, names=["shop.by"]).verdict is Verdict.REFUSED
    assert decided("SSL-A1b", product=code, names=["shop.com"]).verdict is Verdict.ALLOWED


@pytest.mark.clause("SSL-A1b")
def test_ssl_a1b_what_is_not_sold_at_all_is_refused() -> None:
    decision = decided("SSL-A1b", product="letsencrypt", names=["shop.com"])
    assert decision.verdict is Verdict.REFUSED
    assert "letsencrypt" in decision.what
