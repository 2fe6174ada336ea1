"""Exact money: what is refused, arithmetic, rounding and splitting."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.terms.money import Currency, Money
from blocks.terms.views import Invoice

CURRENCIES: tuple[Currency, ...] = get_args(Currency)
MINOR = st.integers(min_value=-(10**14), max_value=10**14)
RATIOS = st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6)
WEIGHTS = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=40).filter(any)


def rub(amount: str) -> Money:
    return Money.of(amount, "RUB")


def half_up(exact: Fraction) -> int:
    """The nearest whole number, halves away from zero, without any decimal context."""
    nearest = math.floor(abs(exact) + Fraction(1, 2))
    return nearest if exact >= 0 else -nearest


@pytest.mark.parametrize(
    "amount",
    [
        0.1,
        1.0,
        -9990.0,
        math.nan,
        math.inf,
        -math.inf,
        True,
        False,
        None,
        b"1.00",
        [1],
        Fraction(1, 2),
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        "",
        " ",
        "abc",
        "12,50",
        "1.00 RUB",
        "0x10",
        "1.005",
        "0.001",
        "-0.009",
        "1E-3",
        Decimal("0.001"),
        Decimal(1) / Decimal(3),
    ],
)
def test_an_amount_that_is_not_an_exact_decimal_of_two_places_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match=r"money|decimal|finite"):
        Money.of(amount, "RUB")
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "RUB"})


@given(st.floats())
def test_no_float_is_ever_money(amount: Any) -> None:
    with pytest.raises(ValueError, match="float"):
        Money.of(amount, "RUB")


@pytest.mark.parametrize("minor", [100.0, 0.5, True])
def test_minor_units_are_whole_numbers_and_never_floats(minor: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Money.from_minor(minor, "RUB")


@pytest.mark.parametrize("factor", [0.5, 1.0, math.nan])
def test_money_is_not_multiplied_by_a_float(factor: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        rub("10.00").times(factor)


@pytest.mark.parametrize("weights", [[0.5, 0.5], [math.nan, 1], [math.inf]])
def test_money_is_not_split_by_floats(weights: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        rub("10.00").split(weights)


@pytest.mark.parametrize("amount", ["9990.00", "9990", "9990.0", "9990.000", 9990, Decimal(9990), Decimal("9990.0")])
def test_the_same_amount_is_the_same_money_however_it_is_written(amount: str | int | Decimal) -> None:
    assert Money.of(amount, "RUB") == rub("9990.00")
    assert str(Money.of(amount, "RUB")) == "9990.00 RUB"


@given(st.integers(min_value=-(10**17), max_value=10**17).filter(lambda n: n % 10))
def test_a_third_decimal_is_refused(thousandths: int) -> None:
    with pytest.raises(ValueError, match="two decimal places"):
        Money.of(Decimal(thousandths).scaleb(-3), "RUB")


@pytest.mark.parametrize("amount", ["999999999999999.99", "-999999999999999.99"])
def test_the_largest_amounts_are_kept_exactly(amount: str) -> None:
    assert str(rub(amount)) == f"{amount} RUB"
    assert Money.from_minor(rub(amount).minor, "RUB") == rub(amount)


@pytest.mark.parametrize(
    "amount", ["1000000000000000", "1000000000000000.00", "-1000000000000000", "1E15", "1E+300", 10**15, -(10**15)]
)
def test_an_amount_of_ten_to_the_fifteenth_or_more_is_refused(amount: str | int) -> None:
    with pytest.raises(ValueError, match="below"):
        Money.of(amount, "RUB")


@pytest.mark.parametrize("amount", ["1E+9999999", "-1E+9999999", "1E+999999999999999999"])
def test_an_absurd_exponent_is_refused_like_any_other_bad_amount(amount: str) -> None:
    with pytest.raises(ValueError, match=r"below|decimal"):
        Money.of(amount, "RUB")
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "RUB"})


def test_sums_and_products_over_the_limit_are_refused() -> None:
    most = rub("999999999999999.99")
    with pytest.raises(ValueError, match="below"):
        most + rub("0.01")
    with pytest.raises(ValueError, match="below"):
        rub("-999999999999999.99") - rub("0.01")
    with pytest.raises(ValueError, match="below"):
        most.times(2)


def test_a_product_far_over_the_limit_is_refused_likewise() -> None:
    with pytest.raises(ValueError, match="below"):
        rub("999999999999999.99").times(10**12)


@pytest.mark.parametrize("currency", ["", "rub", "GBP", "RUR", 643, None])
def test_an_unknown_currency_is_refused(currency: Any) -> None:
    with pytest.raises(ValidationError):
        Money.of("1.00", currency)
    with pytest.raises(ValidationError):
        Money.from_minor(100, currency)


@pytest.mark.parametrize("left", CURRENCIES)
@pytest.mark.parametrize("right", CURRENCIES)
def test_currencies_do_not_mix(left: Currency, right: Currency) -> None:
    one, other = Money.of("1.00", left), Money.of("1.00", right)
    if left == right:
        assert one + other == Money.of("2.00", left)
        assert one == other
        return
    assert one != other
    with pytest.raises(ValueError, match="do not mix"):
        one + other
    with pytest.raises(ValueError, match="do not mix"):
        one - other
    with pytest.raises(ValueError, match="do not mix"):
        one < other  # noqa: B015
    with pytest.raises(ValueError, match="do not mix"):
        one <= other  # noqa: B015
    with pytest.raises(ValueError, match="do not mix"):
        min(one, other)


@given(MINOR, MINOR)
def test_addition_subtraction_and_order_are_those_of_minor_units(left: int, right: int) -> None:
    one, other = Money.from_minor(left, "RUB"), Money.from_minor(right, "RUB")
    assert (one + other).minor == left + right
    assert (one - other).minor == left - right
    assert (one < other) is (left < right)
    assert (one <= other) is (left <= right)
    assert bool(one) is (left != 0)


@given(st.integers(min_value=-(10**17) + 1, max_value=10**17 - 1), st.sampled_from(CURRENCIES))
def test_minor_units_and_json_give_the_same_money_back(minor: int, currency: Currency) -> None:
    money = Money.from_minor(minor, currency)
    assert money.minor == minor
    assert Money.model_validate_json(money.model_dump_json()) == money


def test_money_in_json_is_text_of_two_places() -> None:
    assert json.loads(Money.of(9990, "KZT").model_dump_json()) == {"amount": "9990.00", "currency": "KZT"}
    assert Money.model_validate_json('{"amount": 9990, "currency": "KZT"}') == Money.of("9990.00", "KZT")


@pytest.mark.parametrize(
    "amount", ["9990.0", "9990.5", "1e3", "true", "null", '"9990.005"', '"NaN"', "NaN", "Infinity"]
)
def test_a_json_float_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate_json(f'{{"amount": {amount}, "currency": "RUB"}}')


def test_unknown_fields_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": "1.00", "currency": "RUB", "rate": "2"})
    changeable: Any = rub("1.00")
    with pytest.raises(ValidationError):
        changeable.amount = Decimal(2)


def test_a_negative_zero_is_plain_zero() -> None:
    assert str(rub("-0.00")) == "0.00 RUB"


@pytest.mark.parametrize(
    ("amount", "ratio", "product"),
    [
        ("0.01", Fraction(1, 2), "0.01"),
        ("-0.01", Fraction(1, 2), "-0.01"),
        ("0.03", Fraction(1, 2), "0.02"),
        ("0.05", Fraction(1, 2), "0.03"),
        ("0.01", Fraction(499, 1000), "0.00"),
        ("0.01", Fraction(501, 1000), "0.01"),
        ("1.00", Fraction(1, 3), "0.33"),
        ("2.00", Fraction(1, 3), "0.67"),
        ("1.15", Fraction(1, 10), "0.12"),
        ("9990.00", 10, "99900.00"),
        ("9990.00", 0, "0.00"),
        ("9990.00", -1, "-9990.00"),
    ],
)
def test_a_product_is_rounded_half_up_away_from_zero(amount: str, ratio: Fraction | int, product: str) -> None:
    assert rub(amount).times(ratio) == rub(product)


@given(MINOR, RATIOS)
def test_a_product_agrees_with_exact_fractions(minor: int, ratio: Fraction) -> None:
    expected = half_up(Fraction(minor) * ratio)
    assume(abs(expected) < 10**17)
    assert Money.from_minor(minor, "RUB").times(ratio).minor == expected


@given(st.integers(min_value=-(10**6), max_value=10**6), st.integers(min_value=1, max_value=10**4))
def test_a_product_that_falls_on_a_half_goes_away_from_zero(whole: int, parts: int) -> None:
    minor = (2 * whole + 1) * parts
    expected = whole + 1 if 2 * whole + 1 > 0 else whole
    assert Money.from_minor(minor, "RUB").times(Fraction(1, 2 * parts)).minor == expected


def test_a_large_product_just_under_a_half_is_rounded_once_and_so_down() -> None:
    most = rub("999999999999999.99")
    assert most.times(Fraction(1, 2) - Fraction(1, 10**30)) == rub("499999999999999.99")


@given(MINOR, WEIGHTS)
def test_the_parts_of_a_split_sum_to_the_whole(minor: int, weights: list[int]) -> None:
    parts = Money.from_minor(minor, "RUB").split(weights)
    assert len(parts) == len(weights)
    assert sum(part.minor for part in parts) == minor


@given(MINOR, WEIGHTS)
def test_each_part_of_a_split_is_within_one_kopeck_of_its_exact_share(minor: int, weights: list[int]) -> None:
    parts = Money.from_minor(minor, "RUB").split(weights)
    for part, weight in zip(parts, weights, strict=True):
        share = Fraction(minor * weight, sum(weights))
        assert abs(part.minor - share) < 1
        assert weight or not part


@given(st.integers(min_value=0, max_value=10**12), WEIGHTS)
def test_the_odd_kopecks_of_a_split_go_to_the_largest_remainders(minor: int, weights: list[int]) -> None:
    parts = Money.from_minor(minor, "RUB").split(weights)
    shares = [Fraction(minor * weight, sum(weights)) for weight in weights]
    raised = [part.minor - math.floor(share) for part, share in zip(parts, shares, strict=True)]
    order = sorted(range(len(weights)), key=lambda i: (math.floor(shares[i]) - shares[i], i))
    assert [raised[i] for i in order] == sorted(raised, reverse=True)
    assert set(raised) <= {0, 1}


@given(MINOR, WEIGHTS)
def test_a_split_of_a_debt_mirrors_the_split_of_a_credit(minor: int, weights: list[int]) -> None:
    credit = Money.from_minor(minor, "RUB").split(weights)
    debt = Money.from_minor(-minor, "RUB").split(weights)
    assert [part.minor for part in debt] == [-part.minor for part in credit]


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("0.01", [1, 1, 1], ["0.01", "0.00", "0.00"]),
        ("0.02", [1, 1, 1], ["0.01", "0.01", "0.00"]),
        ("100.00", [1, 1, 1], ["33.34", "33.33", "33.33"]),
        ("100.00", [50, 30, 20], ["50.00", "30.00", "20.00"]),
        ("0.05", [3, 7], ["0.02", "0.03"]),
        ("10.00", [0, 1, 0], ["0.00", "10.00", "0.00"]),
        ("-0.01", [1, 1], ["-0.01", "0.00"]),
        ("-100.00", [1, 1, 1], ["-33.34", "-33.33", "-33.33"]),
        ("0.00", [2, 3], ["0.00", "0.00"]),
    ],
)
def test_ties_of_a_split_go_to_the_earlier_part(amount: str, weights: list[int], parts: list[str]) -> None:
    assert rub(amount).split(weights) == [rub(part) for part in parts]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [2, -1], [-1]])
def test_weights_are_not_negative_and_not_all_zero(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        rub("10.00").split(weights)


def invoice(*lines: Money, total: Money) -> Invoice:
    moment = datetime.fromisoformat("2026-11-22T12:00+03:00")
    return Invoice(
        number="1",
        issued_at=moment,
        pay_by=moment,
        provider="ООО «Пример»",
        requisites="счёт",
        customer="ООО «Покупатель»",
        inn="7700000000",
        lines=tuple(("строка", line) for line in lines),
        total=total,
    )


def test_the_lines_of_an_invoice_sum_to_its_total() -> None:
    assert invoice(rub("9999.00"), rub("19990.00"), total=rub("29989.00")).total == rub("29989.00")
    with pytest.raises(ValueError, match="total"):
        invoice(rub("9999.00"), rub("19990.00"), total=rub("29989.01"))


def test_the_lines_of_an_invoice_are_in_the_currency_of_its_total() -> None:
    with pytest.raises(ValueError, match=r"total|mix"):
        invoice(rub("9999.00"), Money.of("19990.00", "EUR"), total=rub("29989.00"))
