"""Invoice lines: their rules at each bound, and their exact sums."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.terms.lines import (
    LineFacts,
    check_line,
    check_ocp_line,
    check_ssl_line,
    net_of,
    reporting_month,
    vat_of,
)
from blocks.terms.ocp_tariffs import TariffTable, sandbox_tariffs
from blocks.terms.revenue import LineState

LIMIT = 10**15
BY_AGREEMENT = {"tariff": "SETUP"}  # a row without a price


def line(**changes: Any) -> LineFacts:
    values: dict[str, Any] = {
        "line": "L-1",
        "invoice": "I-1",
        "customer": "C-1",
        "service": "Телевидение",
        "tariff": "TV-KINO",
        "begins_on": date(2026, 11, 1),
        "ends_on": date(2026, 11, 30),
        "quantity_milli": 1000,
        "price_minor": 99000,
        "vat_bp": 1600,
        "state": LineState.ISSUED,
    }
    return LineFacts.model_validate(values | changes)


def ocp(**changes: Any) -> tuple[str, ...]:
    return check_ocp_line(line(**changes), sandbox_tariffs())


def test_a_good_line_has_no_faults() -> None:
    assert ocp() == ()
    assert check_line(line()) == ()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("line", 1, 64),
        ("invoice", 1, 64),
        ("customer", 1, 254),
        ("cart", 0, 64),
        ("service", 1, 200),
        ("tariff", 1, 64),
    ],
)
def test_texts_have_their_lengths(name: str, least: int, most: int) -> None:
    for length in (least, least + 1, most):
        assert check_line(line(**{name: "x" * length})) == ()
    assert check_line(line(**{name: "x" * (most + 1)})) == (f"{name} has {least} to {most} characters",)
    if least:
        assert check_line(line(**{name: ""})) == (f"{name} has {least} to {most} characters",)


@pytest.mark.parametrize("text", [" x", "x ", "a\nb", "a\x00b", "a\u202eb"])
def test_a_text_is_printable_and_trimmed(text: str) -> None:
    assert len(check_line(line(service=text))) == 1


def test_a_no_break_space_inside_a_text_is_a_space() -> None:
    assert check_line(line(service="10\u00a0дней\u202fхранения")) == ()


def test_a_text_that_a_sheet_would_take_for_a_formula_is_ordinary() -> None:
    assert check_line(line(service="=cmd|' /C calc'!A0", invoice="+1", customer="@x")) == ()


@pytest.mark.parametrize(
    ("begins", "ends", "fault"),
    [
        ((2026, 11, 30), (2026, 11, 30), None),
        ((2026, 11, 30), (2026, 11, 29), "the period ends before it begins"),
        ((2026, 11, 30), (2026, 12, 1), "the period lies in two calendar months"),
        ((2025, 11, 1), (2026, 11, 30), "the period lies in two calendar months"),
        ((2000, 1, 1), (2000, 1, 31), None),
        ((1999, 12, 1), (1999, 12, 31), "the period lies in the years 2000 to 2099"),
        ((2099, 12, 1), (2099, 12, 31), None),
        ((2100, 1, 1), (2100, 1, 31), "the period lies in the years 2000 to 2099"),
    ],
)
def test_a_period_lies_in_one_month(
    begins: tuple[int, int, int], ends: tuple[int, int, int], fault: str | None
) -> None:
    found = check_line(line(begins_on=date(*begins), ends_on=date(*ends)))
    assert found == ((fault,) if fault else ())


@pytest.mark.parametrize(
    ("state", "corrects", "quantity", "faults"),
    [
        ("issued", "", 1, 0),
        ("issued", "", 0, 1),
        ("paid", "", -1, 1),
        ("issued", "L-0", 1000, 1),
        ("cancelled", "L-0", 1000, 1),
        ("refunded", "", 1000, 0),
        ("refunded", "L-0", 1000, 0),
        ("refunded", "L-0", -1000, 1),
        ("refunded", "L-1", 1000, 1),
        ("correction", "", 1000, 1),
        ("correction", "L-0", -1, 0),
        ("correction", "L-0", 1, 0),
        ("correction", "L-0", 0, 1),
    ],
)
def test_what_a_state_allows(state: str, corrects: str, quantity: int, faults: int) -> None:
    found = check_line(line(state=state, corrects=corrects, quantity_milli=quantity))
    assert len(found) == faults, found


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"price_minor": 0}, True),
        ({"price_minor": -1}, False),
        ({"price_minor": LIMIT * 100 - 1, "vat_bp": 0}, True),
        ({"price_minor": LIMIT * 100, "quantity_milli": 1, "vat_bp": 0}, False),
        ({"price_minor": LIMIT * 100 - 1, "quantity_milli": 1001, "vat_bp": 0}, False),
        ({"price_minor": LIMIT * 100 - 1, "vat_bp": 10_001}, False),
        ({"quantity_milli": LIMIT * 1000 - 1, "price_minor": 1, "vat_bp": 0}, True),
        ({"quantity_milli": LIMIT * 1000, "price_minor": 0, "vat_bp": 0}, False),
        ({"vat_bp": -1}, False),
    ],
)
def test_amounts_are_below_ten_to_the_fifteenth(changes: dict[str, int], good: bool) -> None:
    assert (check_line(line(**changes)) == ()) == good


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tariff": "NONE"}, "unknown tariff NONE"),
        (
            {"begins_on": date(2023, 12, 1), "ends_on": date(2023, 12, 31), "vat_bp": 1200},
            "tariff TV-KINO has no price yet on 2023-12-01",
        ),
        ({"price_minor": 99001}, "the price is not that of tariff TV-KINO"),
        ({"price_minor": 98999}, "the price is not that of tariff TV-KINO"),
        ({"currency": "RUB"}, "other currency: RUB"),
        ({"vat_bp": 1200}, "the VAT rate of 2026-11-01 is another"),
        ({"vat_bp": 0}, None),
        ({"begins_on": date(2025, 12, 31), "ends_on": date(2025, 12, 31), "vat_bp": 1200}, None),
        (
            {"begins_on": date(2025, 12, 31), "ends_on": date(2025, 12, 31)},
            "the VAT rate of 2025-12-31 is another",
        ),
        ({"begins_on": date(2026, 1, 1), "ends_on": date(2026, 1, 1)}, None),
        (BY_AGREEMENT | {"price_minor": 7}, None),
    ],
)
def test_a_line_of_the_ocp_keeps_to_appendix_4(changes: dict[str, Any], fault: str | None) -> None:
    assert ocp(**changes) == ((fault,) if fault else ())


@pytest.mark.parametrize(
    ("begins", "ends", "prices"),
    [(1, 15, {149000}), (1, 16, {149000, 169000}), (16, 31, {169000})],
)
def test_a_period_with_a_change_of_tariff_takes_either_price(begins: int, ends: int, prices: set[int]) -> None:
    span = {"tariff": "TV-BASE", "begins_on": date(2026, 10, begins), "ends_on": date(2026, 10, ends)}
    assert {price for price in (148999, 149000, 169000) if ocp(**span, price_minor=price) == ()} == prices


def test_before_the_first_known_vat_rate_only_an_exempt_line_is_good() -> None:
    table = {"tariff": [{"code": "OLD", "title": "Старый", "version": [{"since": "2000-01-01"}]}]}
    early = {"tariff": "OLD", "begins_on": date(2008, 12, 31), "ends_on": date(2008, 12, 31)}
    tariffs = TariffTable.model_validate(table)
    assert check_ocp_line(line(**early, vat_bp=0), tariffs) == ()
    assert len(check_ocp_line(line(**early, vat_bp=1200), tariffs)) == 1


@pytest.mark.parametrize(("currency", "good"), [("BYN", True), ("EUR", True), ("USD", True), ("RUB", True)])
def test_certificates_are_sold_in_their_currencies(currency: str, good: bool) -> None:
    assert (check_ssl_line(line(currency=currency, vat_bp=0)) == ()) == good


def test_certificates_are_not_sold_in_tenge_or_with_vat() -> None:
    assert check_ssl_line(line(vat_bp=0)) == ("other currency: KZT",)
    assert check_ssl_line(line(vat_bp=1600, currency="BYN")) == ("certificates are sold without VAT",)
    assert len(check_ssl_line(line(currency="BYN", vat_bp=0, quantity_milli=0))) == 1


@pytest.mark.parametrize(
    ("quantity", "price", "net"),
    [(1000, 99000, 99000), (500, 1, 1), (499, 1, 0), (-500, 1, -1), (-499, 1, 0), (333, 100, 33), (335, 100, 34)],
)
def test_a_net_sum_is_rounded_half_up_away_from_zero(quantity: int, price: int, net: int) -> None:
    assert net_of(quantity, price) == net


@pytest.mark.parametrize(
    ("net", "rate", "vat"), [(99000, 1600, 15840), (25, 1200, 3), (-25, 1200, -3), (3, 1600, 0), (4, 1250, 1)]
)
def test_vat_is_rounded_half_up_away_from_zero(net: int, rate: int, vat: int) -> None:
    assert vat_of(net, rate) == vat


@given(st.integers(-(10**18), 10**18), st.integers(0, 10**17))
def test_a_net_sum_is_never_more_than_half_a_tiyn_from_the_exact_one(quantity: int, price: int) -> None:
    exact = Fraction(quantity * price, 1000)
    assert abs(net_of(quantity, price) - exact) <= Fraction(1, 2)
    assert net_of(-quantity, price) == -net_of(quantity, price)


@pytest.mark.parametrize(
    ("corrects", "stated_on", "made_out", "month"),
    [
        ("", date(2027, 3, 5), {"2026-11"}, "2026-11"),
        ("L-0", date(2026, 11, 5), set(), "2026-11"),
        ("L-0", date(2026, 10, 31), set(), "2026-11"),
        ("L-0", date(2026, 12, 1), set(), "2026-12"),
        ("L-0", date(2026, 11, 30), {"2026-11"}, "2026-12"),
        ("L-0", date(2026, 11, 30), {"2026-11", "2026-12"}, "2027-01"),
        ("L-0", date(2026, 12, 31), {"2026-11", "2027-01"}, "2026-12"),
    ],
)
def test_a_correction_is_reported_in_the_month_it_was_stated_or_the_next_open_one(
    corrects: str, stated_on: date, made_out: set[str], month: str
) -> None:
    state = LineState.REFUNDED if corrects else LineState.ISSUED
    assert reporting_month(line(corrects=corrects, state=state), stated_on, made_out) == month
