"""QSockets: registration, projects, limits, tariffs, payments and periods."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms import qs
from blocks.terms.base import Verdict
from blocks.terms.money import Money
from blocks.terms.tariffs import Timeline

at = datetime.fromisoformat
Countable = Literal["messages", "connections"]


def rub(amount: str) -> Money:
    return Money.of(amount, "RUB")


def registration(
    email: str = "ivan@example.net", full_name: str = "Иванов Иван", password_hashed: bool = True
) -> qs.RegistrationFacts:
    return qs.RegistrationFacts(email=email, full_name=full_name, password_hashed=password_hashed)


@pytest.mark.clause("QS-3.2.1")
def test_qs_3_2_1_an_email_a_hashed_password_and_a_full_name_are_enough() -> None:
    assert qs.registration(registration()).verdict is Verdict.ALLOWED


@pytest.mark.clause("QS-3.2.1")
def test_qs_3_2_1_a_position_may_be_given() -> None:
    facts = qs.RegistrationFacts(
        email="ivan@example.net", full_name="Иванов Иван", password_hashed=True, position="инженер"
    )
    assert qs.registration(facts).verdict is Verdict.ALLOWED


@pytest.mark.clause("QS-3.2.1")
@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        (registration(email=""), "email"),
        (registration(email="ivan"), "email"),
        (registration(full_name=""), "full name"),
        (registration(full_name="  "), "full name"),
        (registration(password_hashed=False), "password hash"),
    ],
)
def test_qs_3_2_1_a_registration_without_a_needed_part_names_it(facts: qs.RegistrationFacts, missing: str) -> None:
    decision = qs.registration(facts)
    assert decision.verdict is Verdict.REFUSED
    assert decision.what == f"missing: {missing}"


@pytest.mark.clause("QS-3.2.1")
@pytest.mark.parametrize("email", ["@", "ivan@", "@example.net", " @ "])
def test_qs_3_2_1_half_of_an_email_is_no_login(email: str) -> None:
    assert qs.registration(registration(email=email)).verdict is Verdict.REFUSED


@pytest.mark.clause("QS-3.2.1")
def test_qs_3_2_1_the_password_itself_is_no_fact() -> None:
    with pytest.raises(ValidationError):
        qs.RegistrationFacts.model_validate(
            {"email": "ivan@example.net", "full_name": "Иванов Иван", "password_hashed": True, "password": "secret"}
        )


@pytest.mark.clause("QS-3.2.2")
def test_qs_3_2_2_a_free_project_gets_its_token_when_created() -> None:
    decision = qs.activation(qs.ActivationFacts(free=True, created_at=at("2026-11-22T23:57:00+03:00")))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at("2026-11-23T00:02:00+03:00")


@pytest.mark.clause("QS-3.2.2")
@pytest.mark.parametrize("payer", ["person", "company"])
def test_qs_3_2_2_a_paid_project_gets_its_token_when_its_payment_is_recorded(
    payer: Literal["person", "company"],
) -> None:
    decision = qs.activation(
        qs.ActivationFacts(
            free=False,
            payer=payer,
            created_at=at("2026-11-01T10:00:00+03:00"),
            payment_recorded_at=at("2026-11-22T10:00:00+03:00"),
        )
    )
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at("2026-11-22T10:05:00+03:00")


@pytest.mark.clause("QS-3.2.2")
@pytest.mark.parametrize("payer", ["person", "company"])
def test_qs_3_2_2_a_paid_project_has_no_token_before_its_payment(payer: Literal["person", "company"]) -> None:
    decision = qs.activation(
        qs.ActivationFacts(free=False, payer=payer, created_at=at("2026-11-01T10:00:00+03:00")),
    )
    assert decision.verdict is Verdict.REFUSED
    assert decision.deadline is None


@pytest.mark.clause("QS-3.3.1")
@pytest.mark.parametrize("what", ["messages", "connections", "paid time", "statistics", "token"])
def test_qs_3_3_1_nothing_moves_between_projects(
    what: Literal["messages", "connections", "paid time", "statistics", "token"],
) -> None:
    across = qs.MoveFacts(from_project="p1", to_project="p2", what=what)
    within = qs.MoveFacts(from_project="p1", to_project="p1", what=what)
    assert qs.between_projects(across).verdict is Verdict.REFUSED
    assert qs.between_projects(across).what == f"{what} is not moved between projects"
    assert qs.between_projects(within).verdict is Verdict.ALLOWED


@pytest.mark.clause("QS-3.4.1")
@pytest.mark.parametrize("of", ["messages", "connections"])
@pytest.mark.parametrize(
    ("used", "verdict"),
    [(0, Verdict.ALLOWED), (999, Verdict.ALLOWED), (1000, Verdict.REFUSED), (1001, Verdict.REFUSED)],
)
def test_qs_3_4_1_the_thousandth_passes_and_the_next_does_not(used: int, verdict: Verdict, of: Countable) -> None:
    assert qs.limit(qs.LimitFacts(limit=1000, used=used, of=of)).verdict is verdict


@pytest.mark.clause("QS-3.4.1")
def test_qs_3_4_1_a_surplus_message_is_dropped_and_a_new_connection_refused() -> None:
    messages = qs.limit(qs.LimitFacts(limit=1, used=1, of="messages"))
    connections = qs.limit(qs.LimitFacts(limit=1, used=1, of="connections"))
    assert "drop" in messages.what
    assert "refuse" in connections.what
    assert "open ones stay" in connections.what


@pytest.mark.clause("QS-3.4.1")
@pytest.mark.parametrize(("limit", "used"), [(0, 0), (-1, 0), (1, -1)])
def test_qs_3_4_1_a_limit_is_positive_and_a_use_is_not_negative(limit: int, used: int) -> None:
    with pytest.raises(ValidationError):
        qs.LimitFacts(limit=limit, used=used, of="messages")


@pytest.mark.clause("QS-3.4.1")
@pytest.mark.parametrize(("messages", "connections"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_qs_3_4_1_a_tariff_serves_at_least_one_of_each(messages: int, connections: int) -> None:
    smallest = qs.Tariff(code="t", title="Т", messages_a_day=1, connections=1)
    assert smallest.free
    with pytest.raises(ValidationError):
        qs.Tariff(code="t", title="Т", messages_a_day=messages, connections=connections)


@pytest.mark.clause("QS-4.5.1")
@pytest.mark.parametrize(
    ("limit", "used", "mark"),
    [
        (1000, 0, 0),
        (1000, 799, 0),
        (1000, 800, 80),
        (1000, 801, 80),
        (1000, 999, 80),
        (1000, 1000, 100),
        (1000, 1001, 100),
        (20, 15, 0),
        (20, 16, 80),
        (3, 2, 0),
        (3, 3, 100),
        (1, 0, 0),
        (1, 1, 100),
        (7, 5, 0),
        (7, 6, 80),
        (10**18, 8 * 10**17 - 1, 0),
        (10**18, 8 * 10**17, 80),
    ],
)
def test_qs_4_5_1_the_user_is_told_at_80_and_at_100_percent(limit: int, used: int, mark: int) -> None:
    decision = qs.limit_notice(qs.LimitFacts(limit=limit, used=used, of="messages"))
    assert decision.values == {"mark": mark}
    assert decision.verdict is (Verdict.ACTION if mark else Verdict.ALLOWED)
    assert (f"{mark} % of messages" in decision.what) is bool(mark)


@pytest.mark.clause("QS-4.1.1")
@pytest.mark.parametrize(
    ("tariff", "months", "price"),
    [
        ("start", 1, "990.00"),
        ("start", 3, "2790.00"),
        ("start", 9, "7990.00"),
        ("start", 12, "9900.00"),
        ("business", 1, "4990.00"),
        ("business", 3, "13990.00"),
        ("business", 9, "39990.00"),
        ("business", 12, "49900.00"),
    ],
)
def test_qs_4_1_1_a_period_costs_what_the_list_of_its_day_says(tariff: str, months: int, price: str) -> None:
    facts = qs.PricedPeriodFacts(tariff=tariff, months=months, paid_on=date(2026, 11, 22))
    decision = qs.period_price(facts)
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub(price)


@pytest.mark.clause("QS-4.1.1")
@pytest.mark.parametrize("months", [-1, 0, 2, 6, 13, 24])
def test_qs_4_1_1_no_other_period_has_a_price(months: int) -> None:
    decision = qs.period_price(qs.PricedPeriodFacts(tariff="start", months=months, paid_on=date(2026, 11, 22)))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_a_free_tariff_costs_nothing() -> None:
    decision = qs.period_price(qs.PricedPeriodFacts(tariff="free", months=1, paid_on=date(2026, 11, 22)))
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("0.00")


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_a_tariff_that_is_not_in_the_list_has_no_price() -> None:
    unknown = qs.PricedPeriodFacts(tariff="gold", months=1, paid_on=date(2026, 11, 22))
    early = qs.PricedPeriodFacts(tariff="start", months=1, paid_on=date(2024, 12, 31))
    first_day = qs.PricedPeriodFacts(tariff="start", months=1, paid_on=date(2025, 1, 1))
    assert qs.period_price(unknown).verdict is Verdict.REFUSED
    assert qs.period_price(early).verdict is Verdict.REFUSED
    assert qs.period_price(first_day).amount == rub("990.00")


def price_lists(*lists: tuple[date, str]) -> Timeline[qs.PriceList]:
    """Price lists of one tariff, `start`, with the same price for each period."""
    made = []
    for since, price in lists:
        prices = dict.fromkeys((1, 3, 9, 12), rub(price))
        tariff = qs.Tariff(code="start", title="Старт", messages_a_day=1000, connections=10, prices=prices)
        made.append((since, qs.PriceList(since=since, tariff=(tariff,))))
    return Timeline("QS price list", made)


@pytest.mark.clause("QS-4.1.1")
@pytest.mark.parametrize(
    ("paid_on", "price"),
    [(date(2026, 5, 31), "100.00"), (date(2026, 6, 1), "150.00"), (date(2026, 6, 2), "150.00")],
)
def test_qs_4_1_1_a_new_list_reaches_only_periods_paid_from_its_first_day(paid_on: date, price: str) -> None:
    lists = price_lists((date(2025, 1, 1), "100.00"), (date(2026, 6, 1), "150.00"))
    decision = qs.priced(qs.PricedPeriodFacts(tariff="start", months=12, paid_on=paid_on), lists)
    assert decision.amount == rub(price)


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_a_tariff_that_is_not_sold_is_not_found() -> None:
    with pytest.raises(NotFound):
        qs.tariff_on("gold", date(2026, 11, 22), qs.sandbox_price_lists())


LIST = """
[[list]]
since = 2026-01-01
[[list.tariff]]
code = "start"
title = "Старт"
messages_a_day = 1000
connections = 10
[list.tariff.prices]
1 = {{ amount = "990.00", currency = "RUB" }}
3 = {{ amount = "2790.00", currency = "RUB" }}
9 = {{ amount = "7990.00", currency = "RUB" }}
{twelve}
"""


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_an_operators_list_is_read_with_exact_prices() -> None:
    lists = qs.read_price_lists(LIST.format(twelve='12 = { amount = "9900.10", currency = "RUB" }'))
    tariff = qs.tariff_on("start", date(2026, 1, 1), lists)
    assert tariff.prices[12] == rub("9900.10")
    assert not lists.on(date(2026, 1, 1)).sandbox


@pytest.mark.clause("QS-4.1.1")
@pytest.mark.parametrize(
    "twelve",
    [
        "",
        "12 = { amount = 9900.10, currency = 'RUB' }",
        "12 = { amount = '9900.105', currency = 'RUB' }",
        "6 = { amount = '9900.10', currency = 'RUB' }",
    ],
)
def test_qs_4_1_1_a_list_with_a_missing_or_inexact_price_is_refused(twelve: str) -> None:
    with pytest.raises(ValueError, match=r"period|months|float|decimal"):
        qs.read_price_lists(LIST.format(twelve=twelve))


@pytest.mark.clause("QS-4.1.1")
@pytest.mark.parametrize("text", ["", "sandbox = true"])
def test_qs_4_1_1_a_file_without_a_list_is_refused_as_bad(text: str) -> None:
    with pytest.raises(ValueError, match="list"):
        qs.read_price_lists(text)


@pytest.mark.clause("QS-4.1.1")
def test_qs_4_1_1_the_shipped_list_is_marked_as_an_example() -> None:
    assert all(held.sandbox for _, held in qs.sandbox_price_lists().entries)


@pytest.mark.clause("QS-4.1.3")
@pytest.mark.parametrize(
    ("published", "notified", "holds_from", "soonest", "verdict"),
    [
        ("2026-05-01T12:00+03:00", "2026-05-01T12:00+03:00", date(2026, 5, 15), "2026-05-16", Verdict.REFUSED),
        ("2026-05-01T12:00+03:00", "2026-05-01T12:00+03:00", date(2026, 5, 16), "2026-05-16", Verdict.ALLOWED),
        ("2026-05-01T12:00+03:00", "2026-05-01T12:00+03:00", date(2026, 5, 17), "2026-05-16", Verdict.ALLOWED),
        ("2026-05-01T12:00+03:00", "2026-05-03T12:00+03:00", date(2026, 5, 17), "2026-05-18", Verdict.REFUSED),
        ("2026-05-03T12:00+03:00", "2026-05-01T12:00+03:00", date(2026, 5, 18), "2026-05-18", Verdict.ALLOWED),
        ("2026-05-01T00:00+03:00", "2026-05-01T23:59+03:00", date(2026, 5, 16), "2026-05-16", Verdict.ALLOWED),
        ("2026-05-01T20:59Z", "2026-05-01T20:59Z", date(2026, 5, 16), "2026-05-16", Verdict.ALLOWED),
        ("2026-05-01T21:00Z", "2026-05-01T21:00Z", date(2026, 5, 16), "2026-05-17", Verdict.REFUSED),
        ("2024-02-15T12:00+03:00", "2024-02-15T12:00+03:00", date(2024, 3, 1), "2024-03-01", Verdict.ALLOWED),
        ("2026-02-15T12:00+03:00", "2026-02-15T12:00+03:00", date(2026, 3, 1), "2026-03-02", Verdict.REFUSED),
        ("2026-12-20T12:00+03:00", "2026-12-20T12:00+03:00", date(2027, 1, 4), "2027-01-04", Verdict.ALLOWED),
    ],
)
def test_qs_4_1_3_new_terms_bind_after_14_whole_days_from_the_later_of_publication_and_notice(
    published: str, notified: str, holds_from: date, soonest: str, verdict: Verdict
) -> None:
    facts = qs.NewTermsFacts(published_at=at(published), notified_at=at(notified), holds_from=holds_from)
    decision = qs.new_terms(facts)
    assert decision.verdict is verdict
    assert decision.values == {"soonest": soonest}


@pytest.mark.clause("QS-4.2.1")
@pytest.mark.parametrize(
    ("received", "verdict", "what", "amount"),
    [
        ("0.00", Verdict.REFUSED, "not paid in full", "990.00"),
        ("989.99", Verdict.REFUSED, "not paid in full", "0.01"),
        ("990.00", Verdict.ACTION, "activate the project", "0.00"),
        ("990.01", Verdict.ACTION, "activate the project", "0.01"),
    ],
)
def test_qs_4_2_1_a_project_is_activated_by_full_prepayment(
    received: str, verdict: Verdict, what: str, amount: str
) -> None:
    decision = qs.prepayment(qs.PaymentFacts(price=rub("990.00"), received=rub(received)))
    assert decision.verdict is verdict
    assert decision.what == what
    assert decision.amount == rub(amount)


@pytest.mark.clause("QS-4.2.1")
@pytest.mark.parametrize("received", ["0.00", "990.00", "1000.00"])
def test_qs_4_2_1_a_cancelled_or_disputed_transaction_suspends_the_project(received: str) -> None:
    facts = qs.PaymentFacts(price=rub("990.00"), received=rub(received), cancelled_or_disputed=True)
    decision = qs.prepayment(facts)
    assert decision.verdict is Verdict.ACTION
    assert decision.what == "suspend the project"


@pytest.mark.clause("QS-4.2.2")
@pytest.mark.parametrize(
    ("begins", "months", "ends"),
    [
        ("2026-11-22T10:30:00+03:00", 1, "2026-12-22T10:30:00+03:00"),
        ("2026-11-22T10:30:00+03:00", 3, "2027-02-22T10:30:00+03:00"),
        ("2026-11-22T10:30:00+03:00", 9, "2027-08-22T10:30:00+03:00"),
        ("2026-11-22T10:30:00+03:00", 12, "2027-11-22T10:30:00+03:00"),
        ("2026-01-31T10:00:00+03:00", 1, "2026-02-28T10:00:00+03:00"),
        ("2024-01-31T10:00:00+03:00", 1, "2024-02-29T10:00:00+03:00"),
        ("2024-02-29T10:00:00+03:00", 12, "2025-02-28T10:00:00+03:00"),
        ("2025-02-28T10:00:00+03:00", 12, "2026-02-28T10:00:00+03:00"),
        ("2025-11-30T10:00:00+03:00", 3, "2026-02-28T10:00:00+03:00"),
        ("2025-05-31T10:00:00+03:00", 9, "2026-02-28T10:00:00+03:00"),
        ("2025-12-31T23:59:59+03:00", 1, "2026-01-31T23:59:59+03:00"),
        ("2026-01-30T20:59:59Z", 1, "2026-02-28T20:59:59Z"),
        ("2026-01-30T21:00:00Z", 1, "2026-02-27T21:00:00Z"),
        ("2026-02-28T21:00:00Z", 1, "2026-03-31T21:00:00Z"),
    ],
)
def test_qs_4_2_2_a_period_is_of_calendar_months_on_the_moscow_wall_clock(begins: str, months: int, ends: str) -> None:
    decision = qs.period(qs.PeriodFacts(begins_at=at(begins), months=months))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at(ends)


@pytest.mark.clause("QS-4.2.2")
@pytest.mark.parametrize("months", [-12, -1, 0, 2, 4, 6, 8, 10, 11, 13, 24])
def test_qs_4_2_2_there_is_no_other_period(months: int) -> None:
    decision = qs.period(qs.PeriodFacts(begins_at=at("2026-11-22T10:30:00+03:00"), months=months))
    assert decision.verdict is Verdict.REFUSED
    assert decision.deadline is None


@pytest.mark.clause("QS-4.2.3")
@pytest.mark.parametrize(
    ("payer", "way"), [("person", "yookassa"), ("entrepreneur", "yookassa"), ("company", "invoice")]
)
def test_qs_4_2_3_people_pay_by_yookassa_and_legal_entities_by_invoice(
    payer: Literal["person", "entrepreneur", "company"], way: str
) -> None:
    assert qs.way_of_payment(qs.PayerFacts(payer=payer)).values == {"way": way}


@pytest.mark.clause("QS-4.3.1")
@pytest.mark.parametrize(
    ("now", "suspend"),
    [
        ("2026-12-22T10:29:59.999999+03:00", False),
        ("2026-12-22T10:30:00+03:00", False),
        ("2026-12-22T10:30:00.000001+03:00", True),
        ("2026-12-22T07:30:00Z", False),
        ("2026-12-22T07:30:01Z", True),
    ],
)
def test_qs_4_3_1_access_is_suspended_after_the_last_paid_instant(now: str, suspend: bool) -> None:
    decision = qs.period_end(qs.RunningFacts(paid_until=at("2026-12-22T10:30:00+03:00"), now=at(now)))
    assert decision.values == {"suspend": suspend}
    assert decision.verdict is (Verdict.ACTION if suspend else Verdict.ALLOWED)
    assert decision.amount is None


@pytest.mark.clause("QS-4.3.1")
def test_qs_4_3_1_a_new_payment_brings_access_back() -> None:
    now = at("2026-12-25T10:00:00+03:00")
    before = qs.period_end(qs.RunningFacts(paid_until=at("2026-12-22T10:30:00+03:00"), now=now))
    after = qs.period_end(qs.RunningFacts(paid_until=at("2027-01-25T09:59:00+03:00"), now=now))
    assert (before.values, before.what) == ({"suspend": True}, "suspend access")
    assert (after.values, after.what) == ({"suspend": False}, "access lasts")


@pytest.mark.clause("QS-4.4.2")
@pytest.mark.parametrize(("active", "verdict"), [(0, Verdict.ALLOWED), (1, Verdict.REFUSED), (2, Verdict.REFUSED)])
def test_qs_4_4_2_a_user_has_one_active_free_project(active: int, verdict: Verdict) -> None:
    decision = qs.free_project(qs.FreeProjectFacts(active_free_projects=active))
    assert decision.verdict is verdict
    assert ("has an active free project" in decision.what) is (active > 0)


@pytest.mark.clause("QS-4.4.2")
def test_qs_4_4_2_a_number_of_projects_is_not_negative() -> None:
    with pytest.raises(ValidationError):
        qs.FreeProjectFacts(active_free_projects=-1)


REGISTERED, LATER = "2026-05-01T10:00:00+03:00", "2026-05-02T10:00:00+03:00"


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_registration_makes_the_agreement() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts(registered_at=at(REGISTERED)))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"agreed_at": "2026-05-01T07:00:00+00:00", "register_payer": False}


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_a_payment_after_registration_changes_nothing() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts(registered_at=at(REGISTERED), paid_at=at(LATER)))
    assert decision.values == {"agreed_at": "2026-05-01T07:00:00+00:00", "register_payer": False}


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_a_payer_without_registration_is_registered_by_us() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts(paid_at=at(REGISTERED)))
    assert decision.verdict is Verdict.ACTION
    assert decision.what == "register the payer"
    assert decision.values == {"agreed_at": "2026-05-01T07:00:00+00:00", "register_payer": True}


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_a_payment_at_the_instant_of_registration_is_within_the_agreement() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts(registered_at=at(REGISTERED), paid_at=at(REGISTERED)))
    assert decision.values == {"agreed_at": "2026-05-01T07:00:00+00:00", "register_payer": False}


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_a_payer_who_has_registered_since_is_not_registered_again() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts(paid_at=at(REGISTERED), registered_at=at(LATER)))
    assert decision.values == {"agreed_at": "2026-05-01T07:00:00+00:00", "register_payer": False}


@pytest.mark.clause("QS-10.1")
def test_qs_10_1_without_either_there_is_no_agreement() -> None:
    decision = qs.acceptance(qs.AcceptanceFacts())
    assert decision.verdict is Verdict.REFUSED
    assert decision.values == {}
