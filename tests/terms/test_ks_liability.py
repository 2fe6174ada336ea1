"""KeepSecrets: what is owed for outages and for an intercepted call."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from blocks.terms.base import Verdict
from blocks.terms.ks_liability import (
    InterceptionFacts,
    Outage,
    OutageFacts,
    intercepted_call,
    long_outage,
    short_outages,
)
from blocks.terms.money import Money

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)
HALF_HOUR = timedelta(minutes=30)
HOUR = timedelta(minutes=60)
THREE_HOURS = timedelta(hours=3)


def rub(amount: str) -> Money:
    return Money.of(amount, "RUB")


def outage(began: str, length: timedelta) -> Outage:
    return Outage(began_at=at(began), ended_at=at(began) + length)


def facts(*outages: Outage, price: str = "19990.00", given_before: bool = False) -> OutageFacts:
    return OutageFacts(outages=outages, yearly_price=rub(price), given_before=given_before)


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_a_second_outage_of_half_an_hour_in_a_month_halves_the_yearly_price() -> None:
    decision = short_outages(
        facts(outage("2026-03-02T10:00+03:00", HALF_HOUR), outage("2026-03-20T10:00+03:00", HALF_HOUR))
    )
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("9995.00")


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_one_outage_in_a_month_owes_nothing() -> None:
    decision = short_outages(facts(outage("2026-03-02T10:00+03:00", timedelta(minutes=45))))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None
    assert short_outages(facts()).verdict is Verdict.REFUSED


@pytest.mark.clause("KS-3.10a")
@pytest.mark.parametrize(
    ("length", "verdict"),
    [
        (HALF_HOUR - INSTANT, Verdict.REFUSED),
        (HALF_HOUR, Verdict.OWED),
        (HALF_HOUR + INSTANT, Verdict.OWED),
        (HOUR - INSTANT, Verdict.OWED),
        (HOUR, Verdict.OWED),
        (HOUR + INSTANT, Verdict.REFUSED),
        (THREE_HOURS, Verdict.REFUSED),
    ],
)
def test_ks_3_10a_both_bounds_of_30_and_60_minutes_are_inclusive(length: timedelta, verdict: Verdict) -> None:
    decision = short_outages(
        facts(outage("2026-03-02T10:00+03:00", HALF_HOUR), outage("2026-03-20T10:00+03:00", length))
    )
    assert decision.verdict is verdict


@pytest.mark.clause("KS-3.10a")
@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("2026-03-31T23:59:59+03:00", "2026-04-30T12:00:00+03:00", Verdict.REFUSED),
        ("2026-04-01T00:00:00+03:00", "2026-04-30T23:59:59+03:00", Verdict.OWED),
        ("2026-03-31T21:00:00Z", "2026-04-30T20:59:59Z", Verdict.OWED),
        ("2026-03-31T20:59:59Z", "2026-04-30T20:59:59Z", Verdict.REFUSED),
        ("2026-04-01T00:00:00Z", "2026-04-30T21:00:00Z", Verdict.REFUSED),
        ("2025-04-10T12:00:00+03:00", "2026-04-10T12:00:00+03:00", Verdict.REFUSED),
    ],
)
def test_ks_3_10a_an_outage_belongs_to_the_moscow_month_in_which_it_began(
    first: str, second: str, verdict: Verdict
) -> None:
    assert short_outages(facts(outage(first, HOUR), outage(second, HOUR))).verdict is verdict


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_many_outages_in_many_months_owe_half_a_year_once() -> None:
    many = [outage(f"2026-{month:02d}-0{day}T10:00+03:00", HOUR) for month in (3, 4, 5) for day in (1, 2, 3)]
    assert short_outages(facts(*many)).amount == rub("9995.00")


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_half_of_an_odd_kopeck_is_rounded_up() -> None:
    pair = (outage("2026-03-02T10:00+03:00", HOUR), outage("2026-03-20T10:00+03:00", HOUR))
    assert short_outages(facts(*pair, price="9990.01")).amount == rub("4995.01")


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_half_of_the_yearly_price_is_given_once_in_an_agreement() -> None:
    pair = (outage("2026-03-02T10:00+03:00", HOUR), outage("2026-03-20T10:00+03:00", HOUR))
    decision = short_outages(facts(*pair, given_before=True))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("KS-3.10b")
@pytest.mark.parametrize("length", [THREE_HOURS, THREE_HOURS + INSTANT, timedelta(days=40)])
def test_ks_3_10b_an_outage_of_three_hours_owes_the_whole_yearly_price(length: timedelta) -> None:
    decision = long_outage(facts(outage("2026-03-31T22:30+03:00", length)))
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("19990.00")


@pytest.mark.clause("KS-3.10b")
@pytest.mark.parametrize("length", [HOUR + INSTANT, timedelta(hours=2), THREE_HOURS - INSTANT])
def test_ks_3_10b_between_an_hour_and_three_a_person_decides(length: timedelta) -> None:
    decision = long_outage(facts(outage("2026-03-02T10:00+03:00", length)))
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None
    assert not decision.allowed


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_outages_with_a_break_between_them_do_not_add_up() -> None:
    decision = long_outage(
        facts(outage("2026-03-02T10:00+03:00", timedelta(hours=2)), outage("2026-03-02T12:01+03:00", HOUR))
    )
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None


@pytest.mark.clause("KS-3.10b")
@pytest.mark.parametrize("outages", [(), (outage("2026-03-02T10:00+03:00", HOUR),)])
def test_ks_3_10b_an_outage_of_an_hour_at_most_owes_nothing(outages: tuple[Outage, ...]) -> None:
    decision = long_outage(facts(*outages))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_the_whole_yearly_price_is_given_once_in_an_agreement() -> None:
    long = outage("2026-03-02T10:00+03:00", THREE_HOURS)
    another = outage("2026-05-02T10:00+03:00", THREE_HOURS)
    assert long_outage(facts(long, another)).amount == rub("19990.00")
    assert long_outage(facts(another, given_before=True)).verdict is Verdict.REFUSED
    assert long_outage(facts(another, given_before=True)).amount is None


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_an_unprovided_outage_goes_to_a_person_even_after_a_compensation() -> None:
    decision = long_outage(facts(outage("2026-05-02T10:00+03:00", timedelta(hours=2)), given_before=True))
    assert decision.verdict is Verdict.PERSON


def claim(*missing: str, given_before: bool = False) -> InterceptionFacts:
    return InterceptionFacts(
        yearly_price=rub("99990.00"),
        recording="recording" not in missing,
        addresses="addresses" not in missing,
        ports="ports" not in missing,
        cipher="cipher" not in missing,
        given_before=given_before,
    )


@pytest.mark.clause("KS-3.10c")
def test_ks_3_10c_a_proven_interception_owes_ten_yearly_prices() -> None:
    decision = intercepted_call(claim())
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("999900.00")


@pytest.mark.clause("KS-3.10c")
@pytest.mark.parametrize("missing", ["recording", "addresses", "ports", "cipher"])
def test_ks_3_10c_a_proof_that_lacks_one_part_goes_to_a_person(missing: str) -> None:
    decision = intercepted_call(claim(missing))
    assert decision.verdict is Verdict.PERSON
    assert decision.amount is None


@pytest.mark.clause("KS-3.10c")
def test_ks_3_10c_ten_yearly_prices_are_given_once_in_an_agreement() -> None:
    decision = intercepted_call(claim(given_before=True))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("KS-3.10b")
@pytest.mark.clause("KS-3.10c")
def test_ks_3_10_a_compensation_was_not_given_before_unless_the_facts_say_so() -> None:
    long = OutageFacts(outages=(outage("2026-03-02T10:00+03:00", THREE_HOURS),), yearly_price=rub("9990.00"))
    proven = InterceptionFacts(yearly_price=rub("9990.00"), recording=True, addresses=True, ports=True, cipher=True)
    assert long_outage(long).amount == rub("9990.00")
    assert intercepted_call(proven).amount == rub("99900.00")
