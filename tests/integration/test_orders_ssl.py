"""Certificate orders from the application to the handing over or the refusal, on both databases."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.policy import default as default_policy

import pytest
from sqlalchemy import func, select

from blocks.clients.ca.pem import fits
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    InvoiceLine,
    Obligation,
    Order,
    OrderState,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms import ssl_prices
from blocks.terms.tariffs import Timeline
from tasks.events import apply_event
from tasks.inbox import claim
from tasks.order_forms import EventKind
from tasks.ssl_account import on_account
from tasks.ssl_orders import follow
from tasks.upkeep import keep_up
from tests.certificates_ordered import (
    APPLICANT,
    CSR,
    DOMAIN,
    FIRM,
    FRAUD,
    PENDING,
    REFUSED,
    VALID,
    certificate,
    csr_of,
    put_top_up,
    told,
    wants,
)
from tests.work import (
    DAY,
    MINUTE,
    NOW,
    PERSON,
    balance_minor,
    decide,
    drain,
    kinds,
    open_obligations,
    ordered,
    put,
    put_order,
    put_receipt,
    service_of,
    state,
    story,
)

PAID_AT = NOW + DAY


def paid(office: Office, order: str = "C-1", amount: str = "67.00", **changes: object) -> str:
    """An order, paid by its invoice a day later and worked off."""
    number = ordered(office, order, certificate(**changes), FIRM)
    put_receipt(office, number, amount, f"B-{order}", PAID_AT, currency=str(changes.get("currency", "BYN")))
    drain(office, PAID_AT)
    return number


def going_on(office: Office, at: object = PAID_AT + MINUTE) -> None:
    """What the watch does some time later."""
    follow(office, now=at)  # type: ignore[arg-type]
    drain(office, at)  # type: ignore[arg-type]


def account(office: Office, currency: str = "BYN") -> str:
    """What the only customer's account holds."""
    with reading(office.sessions) as session:
        return str(on_account(session, 1, currency))


def texts(office: Office, subject: str) -> list[str]:
    """The bodies of the letters whose subject has a word."""
    read = [
        message_from_bytes(path.read_bytes(), policy=default_policy) for path in office.settings.outbox.glob("*.eml")
    ]
    bodies = [message.get_body() for message in read if subject in message["Subject"]]
    return [str(body.get_content()) for body in bodies if body is not None]


def lines(office: Office) -> list[tuple[str, str, int, str]]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(InvoiceLine).order_by(InvoiceLine.id))
        return [(row.line, row.month, row.net_minor, row.currency) for row in rows]


def owed(office: Office, number: str) -> dict[str, tuple[str, str]]:
    return {line.clause: (line.state, line.due_at.isoformat()) for line in story(office, number).owed}


@pytest.mark.clause("SSL-4.1", "SSL-4.4", "SSL-5.1", "SSL-7.3", "SSL-7.5", "SSL-A1")
def test_ssl_7_5_a_certificate_paid_by_its_invoice_is_handed_over_and_rendered_once(office: Office) -> None:
    number = ordered(office, "C-1", certificate(), FIRM)
    assert number.startswith("SSL-2026-")
    assert (state(office, number), str(story(office, number).price)) == ("pending", "67.00 BYN")
    assert kinds(office, number) == ["certificate_ordered", "invoice_issued"]
    put_receipt(office, number, "67.00", "B-1", PAID_AT, currency="BYN")
    drain(office, PAID_AT)
    assert state(office, number) == "completed"
    assert kinds(office, number)[2:] == ["certificate_issued"]
    assert owed(office, number) == {
        "SSL-4.4": ("fulfilled", "2026-11-27T21:00:00+00:00"),
        "SSL-5.1": ("fulfilled", "2027-01-05T21:00:00+00:00"),
    }
    with reading(office.sessions) as session:
        [issued] = session.scalars(select(Certificate)).all()
    assert fits(issued.chain, CSR)
    assert issued.sealed_key is None, "the key is the customer's"
    [letter] = [path for path in office.settings.outbox.glob("*.eml") if b'filename="ssl-' in path.read_bytes()]
    message = message_from_bytes(letter.read_bytes(), policy=default_policy)
    [attached] = list(message.iter_attachments())
    assert attached.get_content().decode() == issued.chain
    assert service_of(office, number).state.value == "active"
    assert lines(office) == [(number, "2026-11", 6700, "BYN")]
    assert "SSL-7.6 send edition 0 of the act in BYN" in open_obligations(office)
    assert balance_minor(office) == 0
    keep_up(office, now=PAID_AT + DAY)
    drain(office, PAID_AT + DAY)
    assert len(lines(office)) == 1


@pytest.mark.clause("SSL-7.3", "SSL-7.2")
def test_ssl_7_3_an_order_is_paid_from_the_personal_account_as_soon_as_it_holds_the_price(office: Office) -> None:
    number = ordered(office, "C-1", certificate(pay_from="account"), FIRM)
    assert kinds(office, number) == ["certificate_ordered", "invoice_issued"], "the account holds nothing"
    put_top_up(office, "LS-000001", "66.99", "B-1", PAID_AT, payer="ООО ВАСИЛЁК УНП 190000000")
    drain(office, PAID_AT)
    assert (state(office, number), account(office)) == ("pending", "66.99 BYN")
    put_top_up(office, "LS-000001", "40.01", "B-2", PAID_AT + MINUTE)
    drain(office, PAID_AT + MINUTE)
    assert (state(office, number), account(office)) == ("completed", "40.00 BYN")
    assert str(story(office, number).received) == "67.00 BYN"
    assert balance_minor(office) == 4000


@pytest.mark.clause("SSL-7.3")
def test_ssl_7_3_an_account_is_spent_once_and_in_its_own_currency(office: Office) -> None:
    first = ordered(office, "C-1", certificate(), FIRM)
    put_top_up(office, "LS-000001", "100.00", "B-1")
    put_top_up(office, "LS-000001", "100.00", "B-2", currency="EUR")
    drain(office, NOW)
    item = certificate(pay_from="account")
    second = ordered(office, "C-2", item, FIRM, NOW + MINUTE)
    third = ordered(office, "C-3", item, FIRM, NOW + MINUTE)
    abroad = certificate(pay_from="account", residence="non-resident", currency="EUR")
    fourth = ordered(office, "C-4", abroad, FIRM, NOW + MINUTE)
    assert [state(office, number) for number in (first, second, third, fourth)] == [
        "pending",
        "completed",
        "pending",
        "completed",
    ]
    assert (account(office), account(office, "EUR")) == ("33.00 BYN", "81.00 EUR")


@pytest.mark.clause("SSL-7.2")
def test_ssl_7_2_money_is_credited_once_to_the_account_of_its_payer(office: Office) -> None:
    ordered(office, "C-1", certificate(), FIRM)
    put_top_up(office, "LS-000001", "67.00", "B-1", payer="ООО Чужой УНП 190000001")
    drain(office, NOW)
    assert account(office) == "0.00 BYN"
    [waiting] = [what for what in open_obligations(office) if what.startswith("SSL-7.2")]
    assert "find the order of payment 1: 67.00 BYN named LS-000001" in waiting
    put_top_up(office, "LS-000001", "67.00", "B-1", NOW + MINUTE, payer="Василёк, ООО")
    put_top_up(office, "LS-000001", "67.00", "B-1", NOW + MINUTE)
    drain(office, NOW + MINUTE)
    assert account(office) == "67.00 BYN"
    with reading(office.sessions) as session:
        [row] = session.scalars(select(Obligation).where(Obligation.what.startswith("credit"))).all()
    assert (row.state.value, row.due_at.isoformat()) == ("fulfilled", "2026-11-25T21:00:00+00:00")
    assert kinds(office).count("account_credited") == 1
    assert not [what for what in open_obligations(office) if what.startswith("SSL-7.2")]


@pytest.mark.clause("SSL-7.2")
def test_ssl_7_2_money_for_an_account_that_nobody_has_is_taken_by_a_person(office: Office) -> None:
    number = paid(office)
    put_top_up(office, "LS-000077", "10.00", "B-9", PAID_AT)
    drain(office, PAID_AT)
    payload = {"order": number, "action": "take payment", "operator": "О. Петрова", "note": "его", "payment": 2}
    put(office, EventKind.DECISION, payload, "take", "operator", PAID_AT + MINUTE)
    drain(office, PAID_AT + MINUTE)
    assert "settled" in decide(office, number, "settle surplus", PAID_AT + 2 * MINUTE)
    assert account(office) == "10.00 BYN"
    assert not [what for what in open_obligations(office) if not what.startswith("SSL-7.6")]


@pytest.mark.clause("SSL-5.2", "SSL-4.7")
def test_ssl_5_2_a_refusal_by_the_ca_is_told_and_the_money_comes_back_once(office: Office) -> None:
    told(office, REFUSED)
    number = paid(office)
    assert state(office, number) == "rejected"
    assert kinds(office, number)[2:] == ["certificate_refused"]
    assert owed(office, number)["SSL-5.2"] == ("fulfilled", "2026-11-25T21:00:00+00:00")
    assert owed(office, number)["SSL-5.1"][0] == "lifted"
    assert account(office) == "67.00 BYN"
    assert lines(office) == []
    going_on(office)
    keep_up(office, now=PAID_AT + DAY)
    drain(office, PAID_AT + DAY)
    assert (account(office), balance_minor(office)) == ("67.00 BYN", 6700)
    [letter] = texts(office, "отказал")
    assert "the organization is not known" in letter
    assert "67,00" in letter
    assert "LS-000001" in letter
    assert service_of(office, number).state.value == "terminated"


@pytest.mark.clause("SSL-5.2", "SSL-7.5")
def test_ssl_5_2_a_refusal_for_fraud_returns_nothing_and_is_rendered_with_its_notice(office: Office) -> None:
    told(office, FRAUD)
    number = paid(office)
    assert state(office, number) == "rejected"
    assert (account(office), balance_minor(office)) == ("0.00 BYN", 0)
    assert lines(office) == [(number, "2026-11", 6700, "BYN")]
    assert owed(office, number)["SSL-5.2"][0] == "fulfilled"


@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_the_clock_of_a_refusal_runs_while_its_order_is_held(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    with transaction(office.sessions) as session:
        order = session.scalars(select(Order)).one()
        order.state, order.hold_reason = OrderState.HELD, "payment_disputed"
    ca.answers = [REFUSED]
    going_on(office, PAID_AT + timedelta(hours=1))
    assert state(office, number) == "held:payment_disputed"
    assert owed(office, number)["SSL-5.2"] == ("open", "2026-11-25T21:00:00+00:00")
    assert account(office) == "0.00 BYN"
    decide(office, number, "resume", PAID_AT + 2 * DAY)
    assert (state(office, number), account(office)) == ("rejected", "67.00 BYN")


@pytest.mark.clause("SSL-4.6")
def test_ssl_4_6_the_customer_is_asked_once_for_each_thing_and_has_three_days(office: Office) -> None:
    ca = told(office, wants("выписку из ЕГР\nDNS: _x.shop.example.com TXT 17"))
    number = paid(office)
    going_on(office)
    assert kinds(office, number)[2:] == ["certificate_wanted"]
    assert owed(office, number)["SSL-4.6"] == ("open", "2026-11-24T21:00:00+00:00")
    [letter] = texts(office, "ждёт от вас ответа")
    assert "— выписку из ЕГР\n— добавьте в DNS вашего домена запись: _x.shop.example.com TXT 17\n" in letter
    ca.answers = [wants("выписку из ЕГР")]
    going_on(office, PAID_AT + timedelta(hours=3))
    assert kinds(office, number)[2:] == ["certificate_wanted"], "less of the same is no new request"
    ca.answers = [wants("звонок по номеру из реестра")]
    going_on(office, PAID_AT + DAY)
    going_on(office, PAID_AT + DAY + timedelta(hours=2))
    assert kinds(office, number)[2:] == ["certificate_wanted"] * 2
    assert owed(office, number)["SSL-4.6"] == ("open", "2026-11-25T21:00:00+00:00")
    ca.answers = [VALID]
    going_on(office, PAID_AT + 2 * DAY)
    assert state(office, number) == "completed"
    assert owed(office, number)["SSL-4.6"][0] == "fulfilled"


@pytest.mark.clause("SSL-4.6", "SSL-4.5")
def test_ssl_4_6_a_person_declines_an_order_whose_customer_is_silent_and_says_where_the_money_goes(
    office: Office,
) -> None:
    ca = told(office, wants("выписку из ЕГР"))
    number = paid(office)
    late = PAID_AT + 5 * DAY
    assert "say whether its price returns" in decide(office, number, "decline", late)
    assert state(office, number) == "inProgress"
    payload = {"order": number, "action": "decline", "operator": "О. Петрова", "note": "нет выписки", "refund": True}
    put(office, EventKind.DECISION, payload, "decline-2", "operator", late)
    drain(office, late)
    assert (state(office, number), account(office)) == ("rejected", "67.00 BYN")
    assert ca.cancelled
    assert kinds(office, number)[-1] == "certificate_declined"
    ca.answers = [VALID]
    going_on(office, late + DAY)
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Certificate)) == 0
    assert open_obligations(office) == []


@pytest.mark.clause("SSL-7.8")
def test_ssl_7_8_a_customer_who_leaves_early_gets_nothing_back(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    assert "the customer left" in decide(office, number, "cancel", PAID_AT + DAY)
    assert (state(office, number), account(office), balance_minor(office)) == ("completed", "0.00 BYN", 0)
    assert ca.cancelled
    assert {name: how for name, (how, _) in owed(office, number).items()} == {
        "SSL-4.4": "fulfilled",
        "SSL-5.1": "fulfilled",
    }
    assert lines(office) == [(number, "2026-11", 6700, "BYN")]


@pytest.mark.clause("SSL-7.3")
def test_ssl_7_3_money_of_an_order_that_was_cancelled_before_its_work_goes_to_the_account(office: Office) -> None:
    number = ordered(office, "C-1", certificate(), FIRM)
    put_receipt(office, number, "60.00", "B-1", PAID_AT, currency="BYN")
    drain(office, PAID_AT)
    assert state(office, number) == "held:underpaid"
    assert "cancelled" in decide(office, number, "cancel", PAID_AT + DAY)
    assert (state(office, number), account(office)) == ("cancelled", "60.00 BYN")
    assert lines(office) == []


@pytest.mark.clause("SSL-4.5")
def test_ssl_4_5_a_correction_is_proposed_and_the_corrected_request_goes_to_the_ca(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    with transaction(office.sessions) as session:
        at_ca = session.scalars(select(CaOrder)).one()
        at_ca.state, at_ca.reason, at_ca.problem = CaOrderState.HELD, "csr", "the key is known to be weak"
    going_on(office)
    assert state(office, number) == "held:ca_order"
    decide(office, number, "propose correction", PAID_AT + DAY, note="Пришлите запрос с новым ключом")
    assert kinds(office, number)[-1] == "certificate_correction"
    assert state(office, number) == "held:ca_order+correction"
    ca.answers = [VALID]
    csr = csr_of("new.example.com")
    payload = {"order": number, "action": "resume", "operator": "О. Петрова", "note": "исправлено", "csr": csr}
    put(office, EventKind.DECISION, payload, "resume-csr", "operator", PAID_AT + 2 * DAY)
    drain(office, PAID_AT + 2 * DAY)
    going_on(office, PAID_AT + 2 * DAY + MINUTE)
    assert state(office, number) == "completed"
    with reading(office.sessions) as session:
        assert fits(session.scalars(select(Certificate)).one().chain, csr)


@pytest.mark.clause("SSL-4.5")
def test_ssl_4_5_an_order_held_for_its_ca_order_goes_on_when_a_person_tries_that_again(office: Office) -> None:
    ca = told(office, PENDING)
    number = paid(office)
    with transaction(office.sessions) as session:
        at_ca = session.scalars(select(CaOrder)).one()
        at_ca.state, at_ca.reason, at_ca.problem = CaOrderState.HELD, "account", "the balance is used up"
    going_on(office)
    ca.answers = [VALID]
    decide(office, number, "resume", PAID_AT + DAY)
    going_on(office, PAID_AT + DAY + MINUTE)
    assert state(office, number) == "completed"


@pytest.mark.clause("SSL-4.5")
def test_ssl_4_5_what_is_issued_or_refused_is_not_declined_any_more(office: Office) -> None:
    number = paid(office)
    for action in ("decline", "cancel", "propose correction"):
        assert decide(office, number, action, PAID_AT + DAY).startswith("refused")
    assert state(office, number) == "completed"


@pytest.mark.clause("SSL-A1")
def test_ssl_a1_the_price_is_that_of_the_day_of_payment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    number = ordered(office, "C-1", certificate(), FIRM)
    [(since, listed)] = ssl_prices.PRICES.entries
    dearer = listed["alphassl"].model_copy(update={"resident": listed["alphassl-wc"].resident})
    changed = Timeline("SSL", [(since, listed), (PAID_AT.date(), {**listed, "alphassl": dearer})])
    monkeypatch.setattr(ssl_prices, "PRICES", changed)
    put_receipt(office, number, "67.00", "B-1", PAID_AT, currency="BYN")
    drain(office, PAID_AT)
    assert (state(office, number), str(story(office, number).price)) == ("held:underpaid", "270.00 BYN")
    put_receipt(office, number, "203.00", "B-2", PAID_AT + DAY, currency="BYN")
    drain(office, PAID_AT + DAY)
    assert state(office, number) == "completed"
    assert lines(office) == [(number, "2026-11", 27000, "BYN")]


@pytest.mark.clause("SSL-A1")
def test_ssl_a1_an_application_on_a_day_without_a_price_is_rejected(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(since, listed)] = ssl_prices.PRICES.entries
    monkeypatch.setattr(ssl_prices, "PRICES", Timeline("SSL", [(since, {"ev-ssl": listed["ev-ssl"]})]))
    number = ordered(office, "C-1", certificate(), FIRM)
    assert state(office, number) == "rejected"


def test_an_order_that_comes_twice_is_one_order_and_one_charge(office: Office) -> None:
    number = paid(office)
    put_order(office, "C-1", certificate(), FIRM, PAID_AT + MINUTE)
    put_receipt(office, number, "67.00", "B-C-1", PAID_AT + MINUTE, currency="BYN")
    drain(office, PAID_AT + MINUTE)
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
        assert session.scalar(select(func.count()).select_from(CaOrder)) == 1
    assert balance_minor(office) == 0


def test_money_that_comes_before_its_order_finds_it(office: Office) -> None:
    put_receipt(office, "shop/C-1", "67.00", "B-1", currency="BYN")
    drain(office, NOW)
    number = ordered(office, "C-1", certificate(), FIRM, NOW + MINUTE)
    assert state(office, number) == "completed"


def test_a_letter_that_is_not_out_yet_leaves_the_service_unrendered(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.errors import Transient

    def down(*_: object) -> None:
        raise Transient("no route")

    number = ordered(office, "C-1", certificate(), FIRM)
    with monkeypatch.context() as broken:
        broken.setattr(type(office.mail), "send", down)
        put_receipt(office, number, "67.00", "B-1", PAID_AT, currency="BYN")
        drain(office, PAID_AT)
    assert (state(office, number), lines(office)) == ("inProgress", [])
    assert owed(office, number)["SSL-5.1"][0] == "open"
    december = PAID_AT + 12 * DAY
    drain(office, december)
    keep_up(office, now=december)
    drain(office, december)
    assert state(office, number) == "completed"
    assert lines(office) == [(number, "2026-12", 6700, "BYN")]


@pytest.mark.parametrize(
    ("changes", "customer", "why"),
    [
        ({"product": "gold-ssl"}, FIRM, "no such product"),
        ({"currency": "EUR"}, FIRM, "residents of Belarus pay in BYN"),
        ({"csr": "-----BEGIN CERTIFICATE REQUEST-----\nxx"}, FIRM, "cannot be read"),
        ({"csr": csr_of("other.example.com")}, FIRM, "is not the domain"),
        ({"csr": csr_of(DOMAIN, "b.example.com")}, FIRM, "is for one name"),
        ({"domain": "*.example.com", "csr": csr_of("*.example.com")}, FIRM, "for no wildcard name"),
        ({"product": "alphassl-wc"}, FIRM, "for a wildcard name"),
        ({"product": "positivessl", "domain": "a.by", "csr": csr_of("a.by")}, FIRM, "is not sold for a.by"),
        ({"domain": "магазин.example.com", "csr": csr_of(DOMAIN)}, FIRM, "is not the domain"),
        ({"authority_stated": False}, FIRM, "True"),
        ({"product": "ev-ssl"}, PERSON, "for organizations alone"),
        ({"applicant": {**APPLICANT, "phone": "112"}}, FIRM, "match pattern"),
        ({"years": 2}, FIRM, "1"),
        ({}, {**FIRM, "inn": None}, "known by its INN"),
    ],
)
@pytest.mark.clause("SSL-4.1", "SSL-A1b")
def test_ssl_4_1_what_nobody_can_carry_out_is_refused_at_the_door_in_plain_words(
    changes: dict[str, object], customer: dict[str, object], why: str
) -> None:
    from pydantic import ValidationError

    from tasks.order_forms import OrderForm

    with pytest.raises(ValidationError) as refused:
        OrderForm.model_validate({"order": "C-1", "customer": customer, "item": certificate(**changes)})
    assert why in str(refused.value)


def test_a_wildcard_has_what_lies_under_it_and_a_foreign_company_needs_no_inn() -> None:
    from tasks.order_forms import OrderForm

    item = certificate(
        product="premium-wc",
        residence="non-resident",
        currency="EUR",
        domain="*.example.com",
        csr=csr_of("*.example.com", "example.com"),
    )
    assert OrderForm.model_validate({"order": "C-1", "customer": {**FIRM, "inn": None}, "item": item})


def test_events_whose_worker_died_after_them_change_nothing_when_they_come_again(office: Office) -> None:
    number = ordered(office, "C-1", certificate(pay_from="account"), FIRM)
    put_top_up(office, "LS-000001", "67.00", "B-1", PAID_AT)
    [event] = claim(office.sessions, owner="test", now=PAID_AT, limit=5)
    for _ in range(2):
        apply_event(office, event, now=PAID_AT)
    assert account(office) == "67.00 BYN"
    keep_up(office, now=PAID_AT)
    drain(office, PAID_AT)
    assert state(office, number) == "completed"
    assert balance_minor(office) == 0
