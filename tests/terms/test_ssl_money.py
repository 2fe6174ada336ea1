"""The certificate reseller: liability, payment, rendering, and the four price tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.base import Decision, Verdict, ask
from blocks.terms.ssl_prices import PRICES, PRODUCTS, product

at = datetime.fromisoformat


def decided(clause: str, **facts: Any) -> Decision:
    return ask(clause, facts).decision


def byn(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "BYN"}


@pytest.mark.clause("SSL-6.1")
@pytest.mark.parametrize(
    ("claimed", "owed"), [("66.99", "66.99"), ("67.00", "67.00"), ("67.01", "67.00"), ("9000", "67.00")]
)
def test_ssl_6_1_we_are_liable_for_what_was_paid_at_most(claimed: str, owed: str) -> None:
    decision = decided("SSL-6.1", claimed=byn(claimed), paid=byn("67.00"))
    assert decision.verdict is Verdict.OWED
    assert str(decision.amount) == f"{owed} BYN"
    assert decision.values == {"limit": "67.00 BYN"}


@pytest.mark.clause("SSL-7.2")
@pytest.mark.parametrize(
    ("presented", "until"),
    [
        ("2026-11-19T12:00+03:00", "2026-11-25T00:00+03:00"),  # a Thursday
        ("2026-11-19T23:59:59.999999+03:00", "2026-11-25T00:00+03:00"),
        ("2026-11-20T00:00+03:00", "2026-11-26T00:00+03:00"),
        ("2026-04-17T12:00+03:00", "2026-04-25T00:00+03:00"),  # two transferred days off
        ("2026-04-23T12:00+03:00", "2026-04-28T00:00+03:00"),  # and their worked Saturday
        ("2026-06-30T12:00+03:00", "2026-07-07T00:00+03:00"),  # over 3 July
        ("2024-02-28T12:00+03:00", "2024-03-05T00:00+03:00"),  # over a leap day
    ],
)
def test_ssl_7_2_an_identified_payment_is_credited_within_3_working_days(presented: str, until: str) -> None:
    decision = decided("SSL-7.2", account="100042", payer="ООО Пример", presented_at=at(presented))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at(until)


@pytest.mark.clause("SSL-7.2")
def test_ssl_7_2_through_the_state_system_the_account_number_is_enough() -> None:
    facts = {"account": "100042", "payer": "", "presented_at": at("2026-11-19T12:00+03:00")}
    assert decided("SSL-7.2", **facts, erip=True).verdict is Verdict.DUE
    assert decided("SSL-7.2", **facts, erip=False).verdict is Verdict.PERSON


@pytest.mark.clause("SSL-7.2")
@pytest.mark.parametrize("erip", [True, False])
@pytest.mark.parametrize("account", ["", " "])
def test_ssl_7_2_a_payment_without_an_account_number_is_credited_to_nobody(account: str, erip: bool) -> None:
    decision = decided(
        "SSL-7.2", account=account, payer="ООО Пример", erip=erip, presented_at=at("2026-11-19T12:00+03:00")
    )
    assert decision.verdict is Verdict.PERSON
    assert decision.deadline is None


@pytest.mark.clause("SSL-7.3")
@pytest.mark.parametrize(
    ("held", "verdict"),
    [("66.99", Verdict.REFUSED), ("67.00", Verdict.ALLOWED), ("67.01", Verdict.ALLOWED), ("0", Verdict.REFUSED)],
)
def test_ssl_7_3_an_account_pays_the_whole_price_or_nothing(held: str, verdict: Verdict) -> None:
    decision = decided("SSL-7.3", way="account", price=byn("67.00"), money=byn(held))
    assert decision.verdict is verdict
    assert str(decision.amount) == "67.00 BYN"


@pytest.mark.clause("SSL-7.3")
@pytest.mark.parametrize(
    ("money", "verdict"), [("66.99", Verdict.PERSON), ("67.00", Verdict.ALLOWED), ("67.01", Verdict.PERSON)]
)
def test_ssl_7_3_an_invoice_is_paid_with_its_own_sum(money: str, verdict: Verdict) -> None:
    facts = {"way": "invoice", "price": byn("67.00"), "money": byn(money), "invoice": "SSL-2026-1", "payer": "Пример"}
    assert decided("SSL-7.3", **facts).verdict is verdict


@pytest.mark.clause("SSL-7.3")
@pytest.mark.parametrize(
    ("invoice", "payer", "erip", "verdict"),
    [
        ("SSL-2026-1", "", False, Verdict.PERSON),
        ("SSL-2026-1", " ", False, Verdict.PERSON),
        ("SSL-2026-1", "", True, Verdict.ALLOWED),
        ("", "Пример", False, Verdict.PERSON),
        ("", "Пример", True, Verdict.PERSON),
    ],
)
def test_ssl_7_3_an_invoice_is_known_by_its_number_and_payer(
    invoice: str, payer: str, erip: bool, verdict: Verdict
) -> None:
    money = byn("67.00")
    assert (
        decided("SSL-7.3", way="invoice", price=money, money=money, invoice=invoice, payer=payer, erip=erip).verdict
        is verdict
    )


@pytest.mark.clause("SSL-7.5")
@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        ("2026-11-30T23:59:59+03:00", "2026-11-30", "2026-11"),
        ("2026-12-01T00:00+03:00", "2026-12-01", "2026-12"),
        ("2026-11-30T21:00Z", "2026-12-01", "2026-12"),
        ("2028-02-29T12:00+03:00", "2028-02-29", "2028-02"),
    ],
)
def test_ssl_7_5_a_service_is_rendered_when_it_is_handed_over_or_its_fraud_told(
    moment: str, day: str, month: str
) -> None:
    handed = decided("SSL-7.5", handed_over_at=at(moment))
    told = decided("SSL-7.5", handed_over_at=None, fraud_notice_at=at(moment))
    assert handed == told
    assert handed.verdict is Verdict.ACTION
    assert handed.values == {"rendered_on": day, "month": month}


@pytest.mark.clause("SSL-7.5")
def test_ssl_7_5_nothing_is_rendered_before() -> None:
    decision = decided("SSL-7.5", handed_over_at=None)
    assert decision.verdict is Verdict.REFUSED
    assert decision.values == {}


@pytest.mark.clause("SSL-7.5")
def test_ssl_7_5_what_was_refused_for_fraud_was_not_handed_over() -> None:
    with pytest.raises(ValidationError, match="not handed over"):
        decided("SSL-7.5", handed_over_at=at("2026-11-30T12:00Z"), fraud_notice_at=at("2026-11-30T12:00Z"))


@pytest.mark.clause("SSL-7.8")
def test_ssl_7_8_a_customer_who_leaves_early_gets_nothing_back() -> None:
    decision = decided("SSL-7.8", by="customer", paid=byn("67.00"))
    assert decision.verdict is Verdict.OWED
    assert str(decision.amount) == "0.00 BYN"


@pytest.mark.clause("SSL-7.8")
def test_ssl_7_8_what_returns_when_we_leave_is_decided_by_a_person() -> None:
    decision = decided("SSL-7.8", by="provider", paid=byn("67.00"))
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None


TABLES = """
AlphaSSL                         |   67.00 |   67.00 |  19.00 |  21.00 |  2130.00
AlphaSSL WC                      |  270.00 |  270.00 |  71.00 |  78.00 |  7945.00
Domain ServerSign                |  300.00 |  300.00 |  71.00 |  78.00 |  7945.00
Domain ServerSign WC             | 1040.00 | 1040.00 | 214.00 | 234.00 | 23830.00
Organization ServerSign          |  400.00 |  400.00 |  90.00 |  98.00 | 10010.00
Organization ServerSign WC       | 1080.00 | 1080.00 | 243.00 | 266.00 | 27010.00
EV SSL                           | 1025.00 | 1025.00 | 237.00 | 259.00 | 26375.00
Sectigo PositiveSSL              |   45.00 |         |  12.50 |  14.00 |  1250.00
Sectigo PositiveSSL Wildcard     |  325.00 |         |  98.20 | 110.00 |  9820.00
GeoTrust TrueBusinessID OV(Flex) |  350.00 |         | 105.40 | 118.00 | 10540.00
GeoTrust TrueBusinessID Wildcard | 1370.00 |         | 413.60 | 463.20 | 41360.00
GeoTrust TrueBusinessID EV       |  650.00 |         | 195.40 | 218.80 | 19540.00
Sectigo InstantSSL               |  150.00 |         |  44.60 |  50.00 |  4460.00
Sectigo Premium Wildcard SSL     |  860.00 |         | 260.70 | 292.00 | 26070.00
Sectigo EV SSL                   |  555.00 |         | 167.90 | 188.00 | 16790.00
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLES.strip().splitlines()]
CODES = {found.title: found.code for found in PRODUCTS.values()}


def test_the_tables_have_every_product_in_their_order() -> None:
    assert [row[0] for row in ROWS] == [found.title for found in PRODUCTS.values()]
    assert all(list(listed) == list(PRODUCTS) for _, listed in PRICES.entries)


@pytest.mark.clause("SSL-A1")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_ssl_a1_a_year_costs_what_the_four_tables_say(row: list[str]) -> None:
    title, home, *others = row
    common = {"product": CODES[title], "paid_on": "2026-11-22"}
    resident = decided("SSL-A1", **common, resident=True, currency="BYN")
    assert (resident.verdict, str(resident.amount)) == (Verdict.OWED, f"{home} BYN")
    for currency, price in zip(("BYN", "EUR", "USD", "RUB"), others, strict=True):
        decision = decided("SSL-A1", **common, resident=False, currency=currency)
        if price:
            assert (decision.verdict, str(decision.amount)) == (Verdict.OWED, f"{price} {currency}")
        else:
            assert (decision.verdict, decision.amount) == (Verdict.REFUSED, None)


@pytest.mark.clause("SSL-A1")
@pytest.mark.parametrize("currency", ["EUR", "USD", "RUB", "KZT", "UAH"])
@pytest.mark.parametrize("code", PRODUCTS)
def test_ssl_a1_residents_pay_in_their_own_currency_alone(code: str, currency: str) -> None:
    decision = decided("SSL-A1", product=code, paid_on="2026-11-22", resident=True, currency=currency)
    assert decision.verdict is Verdict.REFUSED
    assert "residents" in decision.what


@pytest.mark.clause("SSL-A1")
@pytest.mark.parametrize("code", PRODUCTS)
def test_ssl_a1_nobody_pays_in_other_currencies(code: str) -> None:
    for currency in ("KZT", "UAH"):
        decision = decided("SSL-A1", product=code, paid_on="2026-11-22", resident=False, currency=currency)
        assert decision.verdict is Verdict.REFUSED


@pytest.mark.clause("SSL-A1")
def test_ssl_a1_the_price_is_that_of_the_day_of_payment() -> None:
    facts = {"product": "positivessl", "resident": False, "currency": "EUR"}
    assert decided("SSL-A1", **facts, paid_on="2024-03-13").verdict is Verdict.REFUSED
    first = decided("SSL-A1", **facts, paid_on="2024-03-14")
    assert first.amount is not None
    assert first.amount.minor == 1250


@pytest.mark.clause("SSL-A1")
def test_ssl_a1_an_unknown_product_has_no_price() -> None:
    decision = decided("SSL-A1", product="letsencrypt", paid_on="2026-11-22", resident=True, currency="BYN")
    assert decision.verdict is Verdict.REFUSED
    with pytest.raises(NotFound):
        product("letsencrypt")


def test_a_wildcard_is_called_one_and_no_wildcard_is_validated_at_length() -> None:
    assert [found.title for found in PRODUCTS.values() if found.wildcard] == [
        title for title in CODES if title.endswith(" WC") or "Wildcard" in title
    ]
    assert not [found for found in PRODUCTS.values() if found.wildcard and found.validation == "EV"]
    assert len({found.reseller for found in PRODUCTS.values()}) == len(PRODUCTS)
