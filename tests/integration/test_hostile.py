"""What goes wrong in a real office: refunds, stale decisions, lost letters, races, poison."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from blocks.clients.directory import Kind
from blocks.ledger import Notice, NoticeState, Obligation, Payment, SealedSecret, reading, transaction
from blocks.office import Office
from flows.fulfilment import send_due
from tasks.accounts import balances, received
from tasks.events import apply_event
from tasks.inbox import claim
from tasks.order_forms import EventKind
from tasks.order_state import find_order
from tasks.reveal import PageState, page_of
from tasks.stories import order_numbers
from tasks.upkeep import keep_up
from tests.conftest import PaymentSandbox
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    PERSON,
    balance_minor,
    decide,
    drain,
    kinds,
    ks,
    open_obligations,
    ordered,
    page_token,
    payment_of,
    put,
    put_order,
    put_payment,
    put_receipt,
    qs,
    service_of,
    state,
    story,
)


def paid_project(office: Office, sandbox: PaymentSandbox, order: str = "Q-1") -> tuple[str, str]:
    number = ordered(office, order, qs("start", 1))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return number, payment


def test_an_order_whose_money_is_in_is_never_cancelled_as_unpaid(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "13989.00", "B-1", NOW + DAY)
    [event] = claim(office.sessions, owner="test", now=NOW + DAY, limit=5)
    apply_event(office, event, now=NOW + DAY)  # recorded, and then nobody could work on it
    late = NOW + 30 * DAY
    kept = keep_up(office, now=late)
    assert (kept.cancelled, kept.taken_up) == (0, 1)
    drain(office, late)
    assert service_of(office, number).state.value == "active"


def test_a_lost_notification_is_made_good_by_asking_the_provider(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "A-1", ks(2))
    sandbox.pay(payment_of(office, number))
    late = NOW + 30 * DAY
    kept = keep_up(office, now=late)
    assert (kept.asked, kept.cancelled) == (1, 0)
    drain(office, late)
    assert service_of(office, number).state.value == "active"


def test_money_that_was_returned_pays_for_nothing(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "7000.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert "settled" in decide(office, number, "settle surplus", NOW + DAY + MINUTE)
    put_receipt(office, number, "6989.00", "B-2", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert state(office, number) == "held:underpaid"
    assert balance_minor(office) == 698900
    put_receipt(office, number, "7000.00", "B-3", NOW + 3 * DAY)
    drain(office, NOW + 3 * DAY)
    assert service_of(office, number).state.value == "active"
    assert balance_minor(office) == 0


def test_an_order_cancelled_after_its_charge_is_charged_again_when_it_comes_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import Refused

    def refused(*_: object, **__: object) -> None:
        raise Refused("directory", "no room")

    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "13989.00", "B-1", NOW + DAY)
    with monkeypatch.context() as broken:
        broken.setattr(office.directory, "provision", refused)
        drain(office, NOW + DAY)
    assert state(office, number) == "held:step_failed"
    assert balance_minor(office) == 0
    assert "cancelled" in decide(office, number, "cancel", NOW + DAY + MINUTE)
    assert balance_minor(office) == 1398900
    assert service_of(office, number).state.value == "terminated"
    put_receipt(office, number, "1.00", "B-2", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert state(office, number) == "held:payment_after_cancellation"
    assert "resumed" in decide(office, number, "resume", NOW + 3 * DAY)
    assert service_of(office, number).state.value == "active"
    assert balance_minor(office) == 100
    assert "surplus" in kinds(office, number)


def test_a_payment_and_its_order_that_arrive_at_once_find_each_other(office: Office, sandbox: PaymentSandbox) -> None:
    for attempt in range(6):
        reference = f"R-{attempt}"
        payment = sandbox.make("13989.00", {"order": f"shop/{reference}"}, f"race-{attempt}-{office.settings.home}")
        sandbox.pay(payment)
        put_order(office, reference, ks(2), {**PERSON, "email": f"race{attempt}@example.test"})
        put_payment(office, payment)
        events = claim(office.sessions, owner="test", now=NOW, limit=10)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(partial(apply_event, office, now=NOW), events))
        with reading(office.sessions) as session:
            order = find_order(session, order_numbers(office.sessions)[f"shop/{reference}"])
            assert str(received(session, order)) == "13989.00 RUB"


def test_money_that_names_no_order_is_taken_for_one_by_a_person(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, "KS-2026-999999", "13989.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    [owed] = [row for row in open_obligations(office) if "find the order" in row]
    with reading(office.sessions) as session:
        payment = session.scalars(select(Payment.id)).one()
    assert f"payment {payment}:" in owed
    event = {
        "order": number,
        "action": "take payment",
        "operator": "О. Петрова",
        "note": "опечатка",
        "payment": payment,
    }
    put(office, EventKind.DECISION, event, "take", "operator", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert service_of(office, number).state.value == "active"
    assert not any("find the order" in row for row in open_obligations(office))


def test_a_payment_whose_details_do_not_read_is_kept_as_money_without_an_order(
    office: Office, sandbox: PaymentSandbox
) -> None:
    for n, told in enumerate(({"tariff": "start"}, {"tariff": "start", "months": "three", "email": "a@example.test"})):
        payment = sandbox.make("990.00", told, f"odd-{n}-{office.settings.home}")
        sandbox.pay(payment)
        put_payment(office, payment)
    drain(office, NOW)
    assert len([row for row in open_obligations(office) if "find the order" in row]) == 2


@pytest.mark.clause("QS-4.2.1")
def test_qs_4_2_1_a_refund_at_the_provider_suspends_the_project(office: Office, sandbox: PaymentSandbox) -> None:
    number, payment = paid_project(office, sandbox)
    sandbox.http.post(f"/sandbox/payments/{payment}/refund").raise_for_status()
    told = {"type": "notification", "event": "refund.succeeded", "object": {"id": "rf-1", "payment_id": payment}}
    for n in range(2):
        put(office, EventKind.PAYMENT, told, f"refund.succeeded:rf-{n}", "yookassa", NOW + DAY)
        drain(office, NOW + DAY)
    assert state(office, number) == "held:payment_disputed"
    assert service_of(office, number).state.value == "suspended"
    assert balance_minor(office) == -99000, "given back once, though told twice"


@pytest.mark.clause("QS-4.2.1")
def test_qs_4_2_1_a_disputed_renewal_suspends_the_project_it_renewed(office: Office, sandbox: PaymentSandbox) -> None:
    number, _ = paid_project(office, sandbox)
    renewal = ordered(office, "Q-2", qs("start", 1, renews=service_of(office, number).name), at=NOW + DAY)
    payment = payment_of(office, renewal)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, renewal) == "completed"
    sandbox.cancel(payment)
    put_payment(office, payment, "payment.canceled", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert state(office, renewal) == "held:payment_disputed"
    assert service_of(office, number).suspended_for == "disputed"
    assert "resumed" in decide(office, renewal, "resume", NOW + 3 * DAY)
    assert (state(office, renewal), service_of(office, number).state.value) == ("completed", "active")


@pytest.mark.clause("QS-4.3.1")
def test_qs_4_3_1_a_payment_lifts_no_suspension_but_that_of_an_ended_period(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number, _ = paid_project(office, sandbox)
    assert "suspended" in decide(office, number, "suspend", NOW + DAY, "рассылка спама")
    renewal = ordered(office, "Q-2", qs("start", 1, renews=service_of(office, number).name), at=NOW + 2 * DAY)
    assert state(office, renewal) == "held:unknown_product"
    assert decide(office, renewal, "resume", NOW + 3 * DAY).startswith("refused")
    assert service_of(office, number).state.value == "suspended"


@pytest.mark.clause("QS-4.4.2")
def test_qs_4_4_2_a_free_project_cannot_be_renewed_and_has_no_period(office: Office) -> None:
    number = ordered(office, "Q-1", qs("free", 3))
    assert service_of(office, number).paid_until is None
    assert state(office, ordered(office, "Q-2", qs("free", 0, renews=service_of(office, number).name))).startswith(
        "held"
    )


@pytest.mark.clause("QS-4.4.2")
def test_qs_4_4_2_two_free_orders_at_once_make_one_free_project(office: Office) -> None:
    ordered(office, "Q-0", qs("start", 1))
    for n in range(2):
        put_order(office, f"Q-{n + 1}", qs("free", 0))
    events = claim(office.sessions, owner="test", now=NOW, limit=10)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(apply_event, office, now=NOW), events))
    found = sorted(state(office, order_numbers(office.sessions)[f"shop/Q-{n}"]) for n in (1, 2))
    assert found == ["acknowledged", "rejected"]


def test_a_decision_that_comes_again_says_what_it_did_and_does_nothing(office: Office) -> None:
    number = ordered(office, "A-1", ks(7))
    decision = {"order": number, "action": "cancel", "operator": "О. Петрова", "note": "нет такого"}
    put(office, EventKind.DECISION, decision, "once", "operator", NOW + MINUTE)
    [event] = claim(office.sessions, owner="test", now=NOW + MINUTE, limit=5)
    first = apply_event(office, event, now=NOW + MINUTE)
    again = apply_event(office, event, now=NOW + 2 * MINUTE)
    assert first == again
    assert [line.what for line in story(office, number).lines].count("held → cancelled") == 1


@pytest.mark.clause("KS-2.1")
def test_ks_2_1_a_file_that_bounced_keeps_its_password_until_it_is_sent_again(
    office: Office, sandbox: PaymentSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import Refused

    number = ordered(office, "A-1", ks(2))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)

    def bounce(_: object) -> None:
        raise Refused("recipient", "550 no such user customer@example.test")

    with monkeypatch.context() as broken:
        broken.setattr(office.mail, "send", bounce)
        drain(office, NOW + MINUTE)
    assert page_of(office, page_token(office, number)).state is PageState.PREPARING
    assert "cu***@example.test" in "".join(line.why for line in story(office, number).lines)
    event = {
        "order": number,
        "action": "send again",
        "operator": "О. Петрова",
        "note": "адрес",
        "email": "new@example.test",
    }
    put(office, EventKind.DECISION, event, "again", "operator", NOW + DAY)
    drain(office, NOW + DAY)
    with reading(office.sessions) as session:
        letter = session.scalars(select(Notice).where(Notice.kind == "access_data")).one()
    assert (letter.recipient, letter.state) == ("new@example.test", NoticeState.DELIVERED)
    assert page_of(office, page_token(office, number)).state is PageState.READY


def test_one_notice_that_cannot_be_composed_keeps_no_other_back(office: Office) -> None:
    number = ordered(office, "A-1", ks(7))
    with transaction(office.sessions) as session:
        session.execute(update(Notice).values(state=NoticeState.QUEUED, next_try_at=NOW))
        first = session.scalars(select(Notice).order_by(Notice.id)).first()
        assert first is not None
        first.kind = "no_such_template"
    assert send_due(office, now=NOW + DAY) >= 2
    with reading(office.sessions) as session:
        found = {row.kind: row.state for row in session.scalars(select(Notice))}
    assert found.pop("no_such_template") is NoticeState.QUEUED
    assert set(found.values()) == {NoticeState.DELIVERED}
    assert number


def test_a_customer_who_orders_as_somebody_else_is_held_for_a_person(office: Office) -> None:
    ordered(office, "A-1", ks(2), PERSON)
    number = ordered(office, "A-2", ks(2), COMPANY)
    assert state(office, number) == "held:customer_differs"
    assert "order_held" in kinds(office)


def test_a_second_reason_to_hold_is_told_and_blocks_too(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "A-1", ks(2))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    late = NOW + timedelta(days=20)
    assert keep_up(office, now=late).held == 1
    sandbox.cancel(payment)
    put_payment(office, payment, "payment.canceled", late)
    drain(office, late)
    assert state(office, number) == "held:page_unopened+payment_disputed"
    assert kinds(office).count("order_held") == 2


def test_a_second_surplus_is_owed_and_told_again(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "14089.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    decide(office, number, "settle surplus", NOW + 2 * DAY)
    put_receipt(office, number, "100.00", "B-2", NOW + 3 * DAY)
    drain(office, NOW + 3 * DAY)
    assert "KS-4.1 decide on a surplus of 100.00 RUB" in open_obligations(office)
    assert kinds(office, number).count("surplus") == 2


def test_money_in_another_currency_can_be_given_back(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "100.00", "B-1", NOW + DAY, currency="USD")
    drain(office, NOW + DAY)
    assert "cancelled" in decide(office, number, "cancel", NOW + 2 * DAY)
    assert "KS-4.1 return 100.00 USD" in open_obligations(office)
    assert "100.00 USD settled" in decide(office, number, "settle surplus", NOW + 3 * DAY)
    with reading(office.sessions) as session:
        assert balances(session, find_order(session, number)) == []


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_a_dedicated_package_owes_a_server_that_a_person_reports(office: Office) -> None:
    number = ordered(office, "A-1", ks(50), COMPANY)
    put_receipt(office, number, "199990.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert service_of(office, number).product["dedicated"] is True
    [owed] = [row for row in open_obligations(office) if row.startswith("KS-4.3")]
    done = {
        "order": number,
        "action": "fulfil obligation",
        "operator": "О. Петрова",
        "note": "srv-17",
        "obligation": "provide",
    }
    put(office, EventKind.DECISION, done, "fulfil", "operator", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert owed not in open_obligations(office)
    with reading(office.sessions) as session:
        row = session.scalars(select(Obligation).where(Obligation.clause == "KS-4.3")).one()
    assert row.evidence == "О. Петрова: srv-17"


def test_a_complex_that_is_said_to_be_suspended_has_no_account_that_works(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "13989.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    domain = service_of(office, number).name
    assert [office.directory.standing(kind, domain).active for kind in Kind] != [(), (), ()]
    assert decide(office, number, "suspend", NOW + 2 * DAY).endswith("suspended")
    assert [office.directory.standing(kind, domain).active for kind in Kind] == [(), (), ()]
    with reading(office.sessions) as session:
        assert session.scalars(select(SealedSecret.ready_at)).one() is not None


def test_while_the_provider_cannot_be_asked_nothing_is_cancelled_as_unpaid(
    office: Office, sandbox: PaymentSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import Transient

    number = ordered(office, "A-1", ks(2))

    def away(_: str) -> None:
        raise Transient("away")

    late = NOW + 30 * DAY
    with monkeypatch.context() as broken:
        broken.setattr(office.payments, "payment", away)
        assert keep_up(office, now=late).cancelled == 0
    assert state(office, number) == "pending"
    assert keep_up(office, now=late).cancelled == 1
    assert state(office, number) == "cancelled"


def test_a_letter_that_nobody_confirms_goes_out_three_times_at_most(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import OutcomeUnknown
    from tasks.notices import DOUBT, MAX_DOUBTS

    sent: list[object] = []

    def unknown(letter: object) -> None:
        sent.append(letter)
        raise OutcomeUnknown("the answer was lost")

    monkeypatch.setattr(office.mail, "send", unknown)
    ordered(office, "A-1", ks(7))
    first = len(sent)
    moment = NOW
    for _ in range(6):
        moment += DOUBT + MINUTE
        send_due(office, now=moment)
    with reading(office.sessions) as session:
        letters = session.scalars(select(Notice).where(Notice.kind == "order_received")).one()
    assert (letters.state, letters.attempts) == (NoticeState.FAILED, MAX_DOUBTS)
    assert first >= 1
