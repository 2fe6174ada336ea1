"""KeepSecrets: prices, orders, access data and accounts."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms import ks
from blocks.terms.base import Verdict
from blocks.terms.money import Money
from blocks.terms.tariffs import Timeline

at = datetime.fromisoformat


def rub(amount: str) -> Money:
    return Money.of(amount, "RUB")


@pytest.mark.clause("KS-4.1")
@pytest.mark.parametrize(
    ("contacts", "connection", "yearly", "first_year"),
    [
        (2, "3999.00 RUB", "9990.00 RUB", "13989.00"),
        (6, "9999.00 RUB", "19990.00 RUB", "29989.00"),
        (12, "14999.00 RUB", "34990.00 RUB", "49989.00"),
        (20, "19999.00 RUB", "49990.00 RUB", "69989.00"),
        (50, "100000.00 RUB", "99990.00 RUB", "199990.00"),
        (100, "100000.00 RUB", "199990.00 RUB", "299990.00"),
    ],
)
def test_ks_4_1_a_package_costs_its_connection_and_first_year(
    contacts: int, connection: str, yearly: str, first_year: str
) -> None:
    decision = ks.price(ks.PriceFacts(contacts=contacts, ordered_on=date(2026, 11, 22)))
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub(first_year)
    assert decision.values == {"connection": connection, "yearly": yearly}


@pytest.mark.clause("KS-4.1")
@pytest.mark.parametrize("contacts", [1, 3, 5, 7, 11, 13, 19, 21, 49, 51, 99, 101, 1000])
def test_ks_4_1_a_number_of_contacts_between_two_packages_has_no_price(contacts: int) -> None:
    decision = ks.price(ks.PriceFacts(contacts=contacts, ordered_on=date(2026, 11, 22)))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("KS-4.1")
def test_ks_4_1_the_price_list_holds_from_30_may_2019_and_not_a_day_earlier() -> None:
    first = ks.price(ks.PriceFacts(contacts=2, ordered_on=date(2019, 5, 30)))
    before = ks.price(ks.PriceFacts(contacts=2, ordered_on=date(2019, 5, 29)))
    assert first.amount == rub("13989.00")
    assert before.verdict is Verdict.REFUSED
    assert before.amount is None


@pytest.mark.clause("KS-4.1")
@pytest.mark.parametrize("contacts", [0, -6])
def test_ks_4_1_a_package_has_at_least_one_contact(contacts: int) -> None:
    with pytest.raises(ValidationError):
        ks.PriceFacts(contacts=contacts, ordered_on=date(2026, 11, 22))
    with pytest.raises(ValidationError):
        ks.YearlyFacts(contacts=contacts, agreed_on=date(2026, 11, 22), asked_on=date(2026, 11, 22))
    with pytest.raises(ValidationError):
        ks.PackageFacts(contacts=contacts)


@pytest.mark.clause("KS-4.1")
def test_ks_4_1_a_package_that_is_not_sold_is_not_found() -> None:
    with pytest.raises(NotFound):
        ks.package_on(7, date(2026, 11, 22))
    with pytest.raises(NotFound):
        ks.package_on(6, date(2019, 5, 29))


@pytest.fixture
def repriced(monkeypatch: pytest.MonkeyPatch) -> date:
    """A later price list: 6 contacts dearer, 12 cheaper, 20 no longer sold. Returns its first day."""
    since = date(2026, 6, 1)

    def package(contacts: int, yearly: str) -> ks.Package:
        return ks.Package(contacts=contacts, connection=rub("1000.00"), yearly=rub(yearly))

    lists = [*ks.PACKAGES.entries, (since, {6: package(6, "25000.00"), 12: package(12, "30000.00")})]
    monkeypatch.setattr(ks, "PACKAGES", Timeline("KS price list", lists))
    return since


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_without_a_new_list_the_yearly_price_is_that_of_the_agreement() -> None:
    decision = ks.yearly_price(
        ks.YearlyFacts(contacts=6, agreed_on=date(2024, 2, 29), asked_on=date(2026, 11, 22)),
    )
    assert decision.verdict is Verdict.OWED
    assert decision.amount == rub("19990.00")
    assert decision.values == {"listed_now": "19990.00 RUB"}


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_a_rise_never_reaches_an_existing_customer(repriced: date) -> None:
    facts = ks.YearlyFacts(contacts=6, agreed_on=date(2026, 5, 31), asked_on=date(2035, 1, 1))
    decision = ks.yearly_price(facts)
    assert decision.amount == rub("19990.00")
    assert decision.values == {"listed_now": "25000.00 RUB"}


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_an_agreement_of_the_first_day_of_a_new_list_pays_the_new_price(repriced: date) -> None:
    decision = ks.yearly_price(ks.YearlyFacts(contacts=6, agreed_on=repriced, asked_on=repriced))
    assert decision.amount == rub("25000.00")


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_a_cut_needs_a_new_agreement_and_is_named_from_its_first_day(repriced: date) -> None:
    agreed = date(2024, 3, 1)
    day_before = ks.yearly_price(ks.YearlyFacts(contacts=12, agreed_on=agreed, asked_on=date(2026, 5, 31)))
    first_day = ks.yearly_price(ks.YearlyFacts(contacts=12, agreed_on=agreed, asked_on=repriced))
    assert day_before.amount == first_day.amount == rub("34990.00")
    assert day_before.values == {"listed_now": "34990.00 RUB"}
    assert first_day.values == {"listed_now": "30000.00 RUB", "cheaper_by_new_agreement": True}


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_a_package_no_longer_sold_keeps_its_price(repriced: date) -> None:
    decision = ks.yearly_price(ks.YearlyFacts(contacts=20, agreed_on=date(2024, 3, 1), asked_on=repriced))
    assert decision.amount == rub("49990.00")
    assert decision.values == {"listed_now": "not sold"}


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_there_is_no_yearly_price_before_the_agreement() -> None:
    same_day = ks.YearlyFacts(contacts=2, agreed_on=date(2026, 1, 2), asked_on=date(2026, 1, 2))
    day_before = ks.YearlyFacts(contacts=2, agreed_on=date(2026, 1, 2), asked_on=date(2026, 1, 1))
    assert ks.yearly_price(same_day).amount == rub("9990.00")
    assert ks.yearly_price(day_before).verdict is Verdict.REFUSED
    assert ks.yearly_price(day_before).amount is None


@pytest.mark.clause("KS-4.2")
@pytest.mark.parametrize(("contacts", "agreed_on"), [(7, date(2024, 3, 1)), (6, date(2019, 5, 29))])
def test_ks_4_2_no_yearly_price_for_what_was_not_sold_on_the_day_of_the_agreement(
    contacts: int, agreed_on: date
) -> None:
    decision = ks.yearly_price(ks.YearlyFacts(contacts=contacts, agreed_on=agreed_on, asked_on=date(2026, 1, 1)))
    assert decision.verdict is Verdict.REFUSED
    assert decision.amount is None


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize("contacts", [50, 100])
def test_ks_4_3_a_large_package_gets_a_server_a_domain_and_dns(contacts: int) -> None:
    decision = ks.dedicated_resources(ks.PackageFacts(contacts=contacts))
    assert decision.verdict is Verdict.ACTION
    assert decision.values == {"dedicated": True}
    assert all(word in decision.what for word in ("dedicated server", "second-level domain", "DNS"))


@pytest.mark.clause("KS-4.3")
@pytest.mark.parametrize("contacts", [2, 6, 12, 20])
def test_ks_4_3_a_small_package_lives_on_shared_servers(contacts: int) -> None:
    decision = ks.dedicated_resources(ks.PackageFacts(contacts=contacts))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"dedicated": False}


@pytest.mark.clause("KS-4.3")
def test_ks_4_3_the_price_list_and_the_rule_agree_on_what_is_dedicated() -> None:
    packages = ks.PACKAGES.on(date(2026, 11, 22)).values()
    assert {package.contacts for package in packages if package.dedicated} == {50, 100}


@pytest.mark.clause("KS-2.8")
@pytest.mark.parametrize(("wish", "place"), [(None, "EU"), ("DE", "DE"), ("RU", "RU"), ("SG", "SG")])
def test_ks_2_8_servers_stand_in_europe_unless_the_order_names_a_country(wish: str | None, place: str) -> None:
    decision = ks.jurisdiction(ks.JurisdictionFacts(wish=wish))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"place": place}


@pytest.mark.clause("KS-2.8")
@pytest.mark.parametrize("wish", ["", "de", "D", "DEU", "D1", "DE\n", "Германия"])
def test_ks_2_8_a_wish_that_is_no_country_code_is_refused(wish: str) -> None:
    with pytest.raises(ValidationError):
        ks.JurisdictionFacts(wish=wish)


@pytest.mark.clause("KS-1.3")
@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-22T12:00:00+03:00", "2026-11-22T12:15:00+03:00"),
        ("2026-12-31T23:50:00+03:00", "2027-01-01T00:05:00+03:00"),
        ("2024-02-29T23:59:59+03:00", "2024-03-01T00:14:59+03:00"),
        ("2026-11-22T09:00:00Z", "2026-11-22T12:15:00+03:00"),
    ],
)
def test_ks_1_3_a_receipt_is_due_a_quarter_of_an_hour_after_the_message(received: str, due: str) -> None:
    decision = ks.receipt(ks.ReceiptFacts(received_at=at(received)))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at(due)
    assert decision.deadline.zone == "Europe/Moscow"


@pytest.mark.clause("KS-1.3")
def test_ks_1_3_the_receipt_states_the_time_needed() -> None:
    decision = ks.receipt(ks.ReceiptFacts(received_at=at("2026-11-22T12:00:00+03:00")))
    assert decision.values == {"minutes_needed": 60}


@pytest.mark.clause("KS-1.3")
def test_ks_1_3_a_message_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        ks.ReceiptFacts(received_at=at("2026-11-22T12:00:00"))


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_electronic_access_data_is_an_encrypted_file_and_a_password_shown_once() -> None:
    decision = ks.access_data_delivery(ks.DeliveryFacts(delivery="electronic"))
    assert decision.verdict is Verdict.ACTION
    assert "encrypted file" in decision.what
    assert "once" in decision.what


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_an_envelope_is_sealed_and_a_person_confirms_it() -> None:
    decision = ks.access_data_delivery(ks.DeliveryFacts(delivery="envelope"))
    assert decision.verdict is Verdict.ACTION
    assert "seal" in decision.what
    assert "password" not in decision.what


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_there_is_no_third_way_of_delivery() -> None:
    with pytest.raises(ValidationError):
        ks.DeliveryFacts.model_validate({"delivery": "sms"})


@pytest.mark.clause("KS-1.5")
@pytest.mark.parametrize("channel", ["email", "message"])
def test_ks_1_5_a_notice_with_proof_of_delivery_counts(channel: Literal["email", "message"]) -> None:
    decision = ks.notice_counts(ks.NoticeFacts(channel=channel, delivery_proven=True))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.what == "the notice has been given"


@pytest.mark.clause("KS-1.5")
@pytest.mark.parametrize("channel", ["email", "message", "telephone", "sms"])
@pytest.mark.parametrize(("proven", "bounced"), [(False, False), (False, True), (True, True)])
def test_ks_1_5_a_notice_without_proof_or_bounced_has_not_been_given(
    channel: Literal["email", "message", "telephone", "sms"], proven: bool, bounced: bool
) -> None:
    facts = ks.NoticeFacts(channel=channel, delivery_proven=proven, bounced=bounced)
    decision = ks.notice_counts(facts)
    assert decision.verdict is Verdict.REFUSED
    assert "has not been given" in decision.what


@pytest.mark.clause("KS-1.5")
@pytest.mark.parametrize("channel", ["telephone", "sms"])
def test_ks_1_5_a_channel_that_cannot_prove_delivery_never_counts(channel: Literal["telephone", "sms"]) -> None:
    decision = ks.notice_counts(ks.NoticeFacts(channel=channel, delivery_proven=True))
    assert decision.verdict is Verdict.REFUSED
    assert not decision.allowed


@pytest.mark.clause("KS-2.1")
@pytest.mark.parametrize(
    ("sent", "shown", "complete"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_ks_2_1_an_electronic_handing_over_needs_the_file_sent_and_its_password_shown(
    sent: bool, shown: bool, complete: bool
) -> None:
    facts = ks.HandoverFacts(delivery="electronic", sent=sent, password_shown=shown)
    assert ks.connection_complete(facts).values == {"complete": complete}


@pytest.mark.clause("KS-2.1")
@pytest.mark.parametrize(
    ("sent", "confirmed_by", "complete"),
    [
        (True, "Иванов И. И.", True),
        (True, None, False),
        (True, "", False),
        (True, "  \t", False),
        (False, "Иванов И. И.", False),
    ],
)
def test_ks_2_1_an_envelope_needs_the_confirmation_of_a_named_person(
    sent: bool, confirmed_by: str | None, complete: bool
) -> None:
    facts = ks.HandoverFacts(delivery="envelope", sent=sent, confirmed_by=confirmed_by)
    assert ks.connection_complete(facts).values == {"complete": complete}


@pytest.mark.clause("KS-2.1")
def test_ks_2_1_a_handing_over_completes_the_connection() -> None:
    decision = ks.connection_complete(ks.HandoverFacts(delivery="electronic", sent=True, password_shown=True))
    assert decision.verdict is Verdict.ACTION
    assert decision.what == "complete the connection service"


@pytest.mark.clause("KS-2.1")
def test_ks_2_1_the_proof_of_one_way_of_delivery_does_not_complete_the_other() -> None:
    envelope = ks.HandoverFacts(delivery="envelope", sent=True, password_shown=True)
    electronic = ks.HandoverFacts(delivery="electronic", sent=True, confirmed_by="Иванов И. И.")
    assert ks.connection_complete(envelope).values == {"complete": False}
    assert ks.connection_complete(envelope).what == "wait for the handing over"
    assert ks.connection_complete(electronic).values == {"complete": False}


@pytest.mark.clause("KS-2.1")
@pytest.mark.parametrize(
    ("active_from", "until"),
    [
        ("2026-11-22T10:30:00+03:00", "2027-11-22T10:30:00+03:00"),
        ("2024-02-29T10:30:00+03:00", "2025-02-28T10:30:00+03:00"),
        ("2027-02-28T10:30:00+03:00", "2028-02-28T10:30:00+03:00"),
        ("2027-02-28T21:30:00Z", "2028-02-29T21:30:00Z"),
        ("2026-12-31T21:00:00Z", "2027-12-31T21:00:00Z"),
    ],
)
def test_ks_2_1_the_yearly_service_lasts_twelve_calendar_months_of_moscow(active_from: str, until: str) -> None:
    assert ks.paid_until(at(active_from)).due == at(until)


@pytest.mark.clause("KS-2.2")
@pytest.mark.parametrize("request_", ["recover", "correct", "lost", "compromised"])
def test_ks_2_2_access_data_is_never_corrected_or_recovered(
    request_: Literal["recover", "correct", "lost", "compromised"],
) -> None:
    decision = ks.access_data_recovery(ks.RecoveryFacts(request=request_))
    assert decision.verdict is Verdict.REFUSED
    assert not decision.allowed


@pytest.mark.clause("KS-2.2")
def test_ks_2_2_accounts_are_made_uniformly() -> None:
    facts = ks.AccountsFacts(contacts=6, domain="k000001.example.net")
    assert ks.contacts_of(facts) == ks.contacts_of(facts)
    assert [(contact.name, contact.number) for contact in ks.contacts_of(facts)] == [
        ("c001", "1001"),
        ("c002", "1002"),
        ("c003", "1003"),
        ("c004", "1004"),
        ("c005", "1005"),
        ("c006", "1006"),
    ]


@pytest.mark.clause("KS-2.3")
@pytest.mark.parametrize(("contacts", "last"), [(2, "c002"), (6, "c006"), (12, "c012"), (100, "c100")])
def test_ks_2_3_every_contact_has_one_xmpp_account_in_the_domain_of_the_customer(contacts: int, last: str) -> None:
    decision = ks.xmpp_accounts(ks.AccountsFacts(contacts=contacts, domain="k1.example.net"))
    assert decision.verdict is Verdict.ACTION
    assert decision.values == {
        "count": contacts,
        "first": "c001@k1.example.net",
        "last": f"{last}@k1.example.net",
    }


@pytest.mark.clause("KS-2.3")
@pytest.mark.parametrize("contacts", [2, 6, 12, 20, 50, 100, 9000])
def test_ks_2_3_no_two_contacts_share_an_address(contacts: int) -> None:
    made = ks.contacts_of(ks.AccountsFacts(contacts=contacts, domain="k1.example.net"))
    assert len({contact.address for contact in made}) == contacts


@pytest.mark.clause("KS-2.3")
@pytest.mark.parametrize("name", ["", "c", "C001", "1c", "c.001", "c 1", "иван", "c" * 33, "c001\n"])
def test_ks_2_3_an_account_name_is_lower_case_latin_letters_and_digits(name: str) -> None:
    with pytest.raises(ValidationError):
        ks.Contact(name=name, address="c001@k1.example.net", number="1001")


@pytest.mark.clause("KS-2.3")
@pytest.mark.parametrize(
    "domain", ["", "localhost", "K1.example.net", "k1.example.net.", "k1 .example.net", "пример.рф"]
)
def test_ks_2_3_a_domain_that_cannot_serve_accounts_is_refused(domain: str) -> None:
    with pytest.raises(ValidationError):
        ks.AccountsFacts(contacts=6, domain=domain)


@pytest.mark.clause("KS-2.4")
@pytest.mark.parametrize(("contacts", "last"), [(2, "1002"), (100, "1100"), (8999, "9999"), (9000, "10000")])
def test_ks_2_4_internal_numbers_begin_at_1001(contacts: int, last: str) -> None:
    decision = ks.sip_accounts(ks.AccountsFacts(contacts=contacts, domain="k1.example.net"))
    assert decision.values == {"count": contacts, "first": "1001", "last": last}


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_every_internal_number_has_4_or_5_digits_and_is_given_once() -> None:
    numbers = [c.number for c in ks.contacts_of(ks.AccountsFacts(contacts=9000, domain="k1.example.net"))]
    assert len(set(numbers)) == 9000
    assert all(re.fullmatch(r"\d{4,5}", number) for number in numbers)
    assert "0000" not in numbers


@pytest.mark.clause("KS-2.4")
@pytest.mark.parametrize("contacts", [0, -1, 9001])
def test_ks_2_4_a_plan_that_the_numbers_do_not_cover_is_refused(contacts: int) -> None:
    with pytest.raises(ValidationError):
        ks.AccountsFacts(contacts=contacts, domain="k1.example.net")


@pytest.mark.clause("KS-2.5")
def test_ks_2_5_every_contact_has_a_mailbox_at_the_address_of_its_xmpp_account() -> None:
    facts = ks.AccountsFacts(contacts=20, domain="k1.example.net")
    assert ks.mailboxes(facts).values == {
        "count": 20,
        "first": "c001@k1.example.net",
        "last": "c020@k1.example.net",
    }
    assert ks.mailboxes(facts).values == ks.xmpp_accounts(facts).values
