"""Certificate orders where people, late money and several workers come between, on both databases."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from blocks.clients.ca.protocol import Placed, Request
from blocks.errors import OutcomeUnknown, Transient
from blocks.ledger import CaOrder, CaOrderState, InboxEvent, Order, Payment, reading, transaction
from blocks.office import Office
from blocks.terms import ssl_prices
from blocks.terms.money import Money
from blocks.terms.tariffs import Timeline
from tasks.order_forms import BankReceipt, EventKind
from tasks.ssl_orders import follow
from tests.certificates_ordered import FIRM, FRAUD, PENDING, REFUSED, VALID, certificate, csr_of, put_top_up, told
from tests.integration.test_orders_ssl import PAID_AT, account, going_on, lines, paid
from tests.work import (
    DAY,
    MINUTE,
    balance_minor,
    decide,
    drain,
    kinds,
    ordered,
    put,
    put_receipt,
    state,
)


def ca_orders_of(office: Office) -> list[tuple[CaOrderState, str | None]]:
    with reading(office.sessions) as session:
        return [(row.state, row.url) for row in session.scalars(select(CaOrder).order_by(CaOrder.id))]


def held(office: Office, reason: str) -> None:
    """The only order at the CA waits for a person."""
    with transaction(office.sessions) as session:
        at_ca = session.scalars(select(CaOrder)).one()
        at_ca.state, at_ca.reason, at_ca.problem = CaOrderState.HELD, reason, "as it happens"


def outcome(office: Office, event_id: str) -> str:
    with reading(office.sessions) as session:
        return session.scalars(select(InboxEvent.outcome).where(InboxEvent.event_id == event_id)).one() or ""


def test_a_decision_that_is_refused_cancels_nothing_at_the_ca(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    assert "say whether its price returns" in decide(office, number, "decline", PAID_AT + DAY)
    assert ca.cancelled == []
    assert [state_of for state_of, _ in ca_orders_of(office)] == [CaOrderState.PLACED]


@pytest.mark.clause("SSL-7.8")
def test_ssl_7_8_an_order_that_was_cancelled_at_the_ca_is_no_refusal_when_its_decision_was_cut_short(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = told(office, PENDING)
    number = paid(office)

    def gone(*_: object, **_more: object) -> None:
        ca.answers = [REFUSED]  # as a reseller tells of an order that was cancelled
        raise Transient("the ledger went away")

    with monkeypatch.context() as cut:
        cut.setattr("tasks.ssl_decisions.leave", gone)
        decide(office, number, "cancel", PAID_AT + DAY)
    going_on(office, PAID_AT + DAY + 1 * MINUTE)
    drain(office, PAID_AT + 2 * DAY)
    assert (state(office, number), account(office)) == ("completed", "0.00 BYN")
    assert kinds(office, number)[-1] == "certificate_left"


def test_a_decision_waits_for_the_worker_who_asks_the_ca_just_now(office: Office) -> None:
    ca = told(office, PENDING)
    number, at = paid(office), PAID_AT + DAY
    with transaction(office.sessions) as session:
        row = session.scalars(select(CaOrder)).one()
        row.lease_owner, row.lease_until = "another", at + timedelta(minutes=5)
    decide(office, number, "cancel", at)
    assert (state(office, number), ca.cancelled) == ("inProgress", [])
    drain(office, at + DAY)
    assert state(office, number) == "completed"
    assert len(ca.cancelled) == 1


@pytest.mark.parametrize("reason", ["late", "account", "dns"])
def test_a_held_order_that_is_tried_again_is_not_placed_a_second_time(office: Office, reason: str) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    [(_, url)] = ca_orders_of(office)
    held(office, reason)
    going_on(office)
    ca.answers = [VALID]
    much_later = PAID_AT + 60 * DAY
    decide(office, number, "resume", much_later)
    going_on(office, much_later + MINUTE)
    assert state(office, number) == "completed"
    assert ca_orders_of(office) == [(CaOrderState.ISSUED, url)]


def test_the_former_order_is_cancelled_at_the_ca_before_a_corrected_one_is_placed(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    [(_, url)] = ca_orders_of(office)
    held(office, "csr")
    going_on(office)
    payload = {"order": number, "action": "resume", "operator": "О. Петрова", "note": "исправлено"}
    put(office, EventKind.DECISION, {**payload, "csr": csr_of("b.example.com", "c.example.com")}, "bad", "operator")
    drain(office, PAID_AT + DAY)
    assert "is for one name" in outcome(office, "bad")
    assert ca.cancelled == []
    put(office, EventKind.DECISION, {**payload, "csr": csr_of("b.example.com")}, "good", "operator")
    drain(office, PAID_AT + DAY)
    assert ca.cancelled == [url]
    assert [state_of for state_of, _ in ca_orders_of(office)] == [CaOrderState.CANCELLED, CaOrderState.INTENDED]


def test_an_order_that_begins_after_its_time_can_still_be_placed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(office, VALID)
    number = ordered(office, "C-1", certificate(), FIRM)
    put_receipt(office, number, "67.00", "B-1", PAID_AT, currency="BYN")
    with monkeypatch.context() as without:
        nobody = office.certificates_at.model_copy(update={"resale": None})
        without.setitem(office.__dict__, "certificates_at", nobody)
        drain(office, PAID_AT)
    assert state(office, number) == "held:step_failed"
    decide(office, number, "resume", PAID_AT + 60 * DAY)
    assert state(office, number) == "completed"


@pytest.mark.parametrize(("answer", "stands"), [(REFUSED, "127.00 BYN"), (FRAUD, "60.00 BYN")])
@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_money_that_comes_after_a_refusal_is_not_taken_for_nothing(
    office: Office, answer: object, stands: str
) -> None:
    told(office, answer)  # type: ignore[arg-type]
    number = paid(office)
    assert state(office, number) == "rejected"
    before = lines(office)
    put_receipt(office, number, "60.00", "B-2", PAID_AT + DAY, currency="BYN")
    drain(office, PAID_AT + DAY)
    assert state(office, number) == "held:payment_after_cancellation"
    decide(office, number, "resume", PAID_AT + 2 * DAY)
    assert (state(office, number), account(office)) == ("rejected", stands)
    assert lines(office) == before


@pytest.mark.clause("SSL-7.5")
def test_ssl_7_5_a_service_is_rendered_in_its_own_month_whatever_comes_later(office: Office) -> None:
    number = paid(office)
    before = lines(office)
    put_receipt(office, number, "5.00", "B-2", PAID_AT + 30 * DAY, currency="USD")
    drain(office, PAID_AT + 30 * DAY)
    assert state(office, number) == "held:other_currency"
    decide(office, number, "resume", PAID_AT + 31 * DAY)
    assert state(office, number) == "completed"
    assert lines(office) == before
    assert account(office, "USD") == "5.00 USD"


@pytest.mark.clause("SSL-7.8")
def test_ssl_7_8_nothing_is_ordered_for_a_customer_who_left(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    decide(office, number, "cancel", PAID_AT + DAY)
    put_receipt(office, number, "5.00", "B-2", PAID_AT + 2 * DAY, currency="USD")
    drain(office, PAID_AT + 2 * DAY)
    ca.answers = [VALID]
    decide(office, number, "resume", PAID_AT + 3 * DAY)
    going_on(office, PAID_AT + 3 * DAY + MINUTE)
    assert state(office, number) == "completed"
    assert [state_of for state_of, _ in ca_orders_of(office)] == [CaOrderState.CANCELLED]


@pytest.mark.clause("SSL-7.5")
def test_ssl_7_5_the_month_is_that_of_the_letter_and_not_of_who_closes_the_order(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import Refused

    def killed(*_: object, **_more: object) -> None:
        raise Refused("stuck", "as if killed")

    with monkeypatch.context() as cut:
        cut.setattr("tasks.ssl_steps.render", killed)
        number = paid(office)
    assert state(office, number) == "held:step_failed"
    decide(office, number, "resume", PAID_AT + 12 * DAY)
    assert state(office, number) == "completed"
    assert lines(office) == [(number, "2026-11", 6700, "BYN")]


@pytest.mark.clause("SSL-7.2")
def test_ssl_7_2_money_that_was_credited_is_no_payment_of_an_order_as_well(office: Office) -> None:
    number = ordered(office, "C-1", certificate(), FIRM)
    put_top_up(office, "LS-000001", "67.00", "B-1", PAID_AT)
    drain(office, PAID_AT)
    with reading(office.sessions) as session:
        row = session.scalars(select(Payment)).one()
    payload = {"order": number, "action": "take payment", "operator": "О. Петрова", "note": "его", "payment": row.id}
    put(office, EventKind.DECISION, payload, "take", "operator", PAID_AT + MINUTE)
    drain(office, PAID_AT + MINUTE)
    assert (state(office, number), account(office), balance_minor(office)) == ("pending", "67.00 BYN", 6700)


@pytest.mark.clause("SSL-A1")
def test_ssl_a1_an_order_that_was_held_when_its_money_came_costs_the_price_of_that_day(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(office, PENDING)
    ordered(office, "C-1", certificate(), FIRM)
    number = ordered(office, "C-2", certificate(), {**FIRM, "inn": "190000001"})
    assert state(office, number) == "held:customer_differs"
    old = ssl_prices.PRICES.on(PAID_AT.date())
    dearer = {**old, "alphassl": old["alphassl"].model_copy(update={"resident": Money.of(70, "BYN")})}
    lists = [(date(2024, 3, 14), old), (PAID_AT.date(), dearer)]
    monkeypatch.setattr(ssl_prices, "PRICES", Timeline("SSL price list", lists))
    put_receipt(office, number, "67.00", "B-1", PAID_AT, currency="BYN")
    drain(office, PAID_AT)
    with reading(office.sessions) as session:
        assert session.scalars(select(Order).where(Order.number == number)).one().price_minor == 7000


def test_two_watches_at_once_do_not_both_ask_the_ca(office: Office) -> None:
    ca = told(office, PENDING)
    paid(office)
    at = PAID_AT + DAY
    asked: list[str] = []

    def slow(url: str, request: object, *, now: object) -> object:
        del request, now
        asked.append(url)
        if len(asked) == 1:
            follow(office, now=at)
        return PENDING

    ca.advance = slow  # type: ignore[assignment, method-assign]
    follow(office, now=at)
    assert len(asked) == 1


def test_an_order_whose_ca_answers_what_nobody_expects_leaves_the_others(office: Office) -> None:
    ca = told(office, PENDING)
    first, second = paid(office, "C-1"), paid(office, "C-2")
    asked = ca.advance

    def odd(url: str, request: object, *, now: object) -> object:
        [mine] = [found for _, found in ca_orders_of(office)[:1]]
        if url == mine:
            raise TypeError("no list")
        return asked(url, request, now=now)  # type: ignore[arg-type]

    ca.advance, ca.answers = odd, [VALID]  # type: ignore[assignment, method-assign]
    going_on(office)
    assert (state(office, first), state(office, second)) == ("inProgress", "completed")


def test_an_order_whose_placing_nobody_knows_of_is_looked_for_and_cancelled(office: Office) -> None:
    ca = told(office, PENDING)
    place = ca.place
    urls: list[str] = []

    def lost(request: Request, *, now: datetime) -> Placed:
        urls.append(place(request, now=now).url)
        raise OutcomeUnknown("the connection broke")

    ca.place = lost  # type: ignore[method-assign]
    number = paid(office)
    decide(office, number, "cancel", PAID_AT + DAY)
    assert state(office, number) == "completed"
    assert ca.cancelled == urls


@pytest.mark.clause("SSL-4.1")
def test_ssl_4_1_a_foreign_company_is_known_by_its_name(office: Office) -> None:
    told(office, PENDING)
    firm = {**FIRM, "inn": None}
    abroad = certificate(residence="non-resident", currency="EUR")
    ordered(office, "C-1", abroad, firm)
    number = ordered(office, "C-2", abroad, {**firm, "name": "Another GmbH"})
    assert state(office, number) == "held:customer_differs"


@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_no_receipt_takes_money_away(amount: str) -> None:
    receipt = {"account": "LS-000001", "amount": {"amount": amount, "currency": "BYN"}, "reference": "B-1"}
    with pytest.raises(ValidationError, match="more than nothing"):
        BankReceipt.model_validate(receipt)
