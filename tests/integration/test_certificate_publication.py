"""A certificate is published when anybody can fetch it, and announced when everybody was told (KS-3.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import HttpUrl
from sqlalchemy import select

from blocks.errors import Refused, Transient
from blocks.ledger import (
    CertificateState,
    Customer,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    reading,
    transaction,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.fulfilment import send_due
from tasks.certificate_publication import CLAUSE, announce, publish
from tasks.erased import erased_email
from tests.certificates import HOST, SWAP_AT, a_certificate, change, coming, events_of, in_public, in_service, row_of
from tests.conftest import close_office
from tests.servers.processes import free_port
from tests.work import NOW

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
USERS = ["a@example.test", "b@example.test"]


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, settings_for: Callable[..., Settings]) -> Iterator[Office]:
    """An office with users of KS, once on each database."""
    changes: dict[str, object] = {"end_users": {"KS": USERS, "OT": ["ot@example.test"]}}
    if request.param == "postgresql":
        changes["ledger_url"] = request.getfixturevalue("ledger_url")
    opened = open_office(settings_for(**changes))
    yield opened
    close_office(opened)


def published(office: Office, **changes: Any) -> int:
    """A certificate that is to come, published."""
    return coming(office, published_at=NOW, state=CertificateState.PUBLISHED, **changes)


def letters(office: Office) -> list[Notice]:
    with reading(office.sessions) as session:
        query = select(Notice).where(Notice.kind.startswith("certificate_")).order_by(Notice.id)
        return list(session.scalars(query))


def owed(office: Office) -> list[tuple[str, ObligationState, datetime]]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(Obligation).where(Obligation.clause == CLAUSE).order_by(Obligation.id))
        return [(row.what.rpartition(": ")[2], row.state, row.due_at) for row in rows]


def soon(at: datetime, told: datetime | None) -> bool:
    """Whether something was sent at that moment, the time that sending takes aside."""
    return told is not None and at <= told < at + MINUTE


def bounce(office: Office, recipient: str, at: datetime) -> None:
    """The letters to an address have come back."""
    with transaction(office.sessions) as session:
        for row in session.scalars(select(Notice).where(Notice.recipient == recipient)):
            row.state, row.settled_at = NoticeState.BOUNCED, at


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_certificate_is_published_when_it_was_fetched_back_by_anybody(office: Office) -> None:
    made = coming(office)
    with in_public(office) as seen:
        assert publish(seen, made, now=NOW)
        assert not publish(seen, made, now=NOW + DAY)
    row = row_of(office, made)
    assert (row.state, row.published_at) == (CertificateState.PUBLISHED, NOW)
    assert events_of(office)[-1] == "published"


def test_one_that_is_in_service_already_is_published_without_going_back(office: Office) -> None:
    made = in_service(office)
    with in_public(office) as seen:
        assert publish(seen, made, now=NOW)
    assert row_of(office, made).state is CertificateState.IN_SERVICE


def test_a_page_that_is_down_publishes_nothing(sqlite_office: Office) -> None:
    made = coming(sqlite_office)
    nowhere = HttpUrl(f"http://127.0.0.1:{free_port()}")
    settings = sqlite_office.settings.model_copy(update={"public_url": nowhere})
    away = Office(settings, sqlite_office.engine, sqlite_office.sessions)
    with pytest.raises(Transient, match="cannot be reached: ConnectError"):
        publish(away, made, now=NOW)
    assert row_of(sqlite_office, made).published_at is None


def test_another_certificate_in_its_place_publishes_nothing(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = coming(sqlite_office)
    other = row_of(sqlite_office, a_certificate(sqlite_office, "other.example.net"))
    monkeypatch.setattr("flows.gateway.certificates.chain_of", lambda *_, **__: other.chain)
    with in_public(sqlite_office) as seen, pytest.raises(Transient, match=f"begins with {other.fingerprint}"):
        publish(seen, made, now=NOW)
    monkeypatch.setattr("flows.gateway.certificates.chain_of", lambda *_, **__: "welcome")
    with in_public(sqlite_office) as seen, pytest.raises(Transient, match="cannot be read as a certificate"):
        publish(seen, made, now=NOW)
    assert row_of(sqlite_office, made).state is CertificateState.ISSUED


def test_a_chain_without_its_authority_publishes_nothing(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = coming(sqlite_office)
    end = "-----END CERTIFICATE-----\n"
    leaf = row_of(sqlite_office, made).chain.split(end)[0] + end
    monkeypatch.setattr("flows.gateway.certificates.chain_of", lambda *_, **__: leaf)
    with in_public(sqlite_office) as seen, pytest.raises(Transient, match="not the one that the CA gave"):
        publish(seen, made, now=NOW)


@pytest.mark.parametrize("left", ["", "fingerprint", "key_hash"])
def test_a_page_that_does_not_show_it_and_its_key_publishes_nothing(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    made = coming(sqlite_office)
    said = f"<p>{getattr(row_of(sqlite_office, made), left)}</p>" if left else "<p>later</p>"
    monkeypatch.setattr("flows.gateway.certificates.certificates_page", lambda _: said)
    with in_public(sqlite_office) as seen, pytest.raises(Transient, match="does not show"):
        publish(seen, made, now=NOW)


def test_a_certificate_that_is_over_is_not_published(sqlite_office: Office) -> None:
    made = a_certificate(sqlite_office, state=CertificateState.RETIRED, retired_at=NOW)
    with in_public(sqlite_office) as seen, pytest.raises(Refused, match="retired"):
        publish(seen, made, now=NOW)


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_swap_is_announced_when_everybody_was_told_a_month_ahead(office: Office) -> None:
    made = published(office)
    assert not announce(office, made, now=NOW)
    assert not announce(office, made, now=NOW)
    due = datetime(2026, 12, 9, 6, 0, tzinfo=UTC)
    assert owed(office) == [(user, ObligationState.OPEN, due) for user in USERS]
    send_due(office, now=NOW + MINUTE)
    assert owed(office) == [(user, ObligationState.FULFILLED, due) for user in USERS]
    assert announce(office, made, now=NOW + DAY)
    row = row_of(office, made)
    assert row.state is CertificateState.ANNOUNCED
    assert soon(NOW + MINUTE, row.announced_at)
    assert announce(office, made, now=NOW + 2 * DAY)
    assert [letter.recipient for letter in letters(office)] == USERS
    assert events_of(office)[-1] == "announced"
    told = letters(office)[0]
    assert told.subject == f"Замена сертификата {HOST}: 09.01.2027 09:00–11:00 МСК"
    assert f"/certificates/{HOST}\n" in (told.body or "")
    assert row.fingerprint in (told.body or "")


@pytest.mark.clause("KS-3.8", "KS-1.5")
def test_ks_3_8_a_letter_that_bounced_has_not_been_given_and_is_written_again(office: Office) -> None:
    made = published(office)
    announce(office, made, now=NOW)
    bounce(office, USERS[0], NOW)
    send_due(office, now=NOW)
    assert [state for _, state, _ in owed(office)] == [ObligationState.OPEN, ObligationState.FULFILLED]
    assert not announce(office, made, now=NOW + DAY - MINUTE)
    assert row_of(office, made).announced_at is None
    assert len(letters(office)) == 2
    assert not announce(office, made, now=NOW + DAY)
    send_due(office, now=NOW + DAY)
    assert announce(office, made, now=NOW + DAY)
    assert soon(NOW + DAY, row_of(office, made).announced_at)
    assert {state for _, state, _ in owed(office)} == {ObligationState.FULFILLED}
    assert [letter.recipient for letter in letters(office)] == [*USERS, USERS[0]]


def test_an_address_that_takes_nothing_gets_three_letters_and_no_more(sqlite_office: Office) -> None:
    office = with_users(sqlite_office, USERS[:1])
    made = published(office)
    for day in range(10):
        announce(office, made, now=NOW + day * DAY)
        bounce(office, USERS[0], NOW + day * DAY)
    assert len(letters(office)) == 3
    assert row_of(office, made).announced_at is None


def with_users(office: Office, users: list[str]) -> Office:
    """The same office with other users of KS."""
    settings = office.settings.model_copy(update={"end_users": {"KS": users}})
    return Office(settings, office.engine, office.sessions)


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_letter_that_bounces_late_takes_the_announcement_back(office: Office) -> None:
    made = published(office)
    announce(office, made, now=NOW)
    send_due(office, now=NOW)
    assert announce(office, made, now=NOW)
    bounce(office, USERS[1], NOW + MINUTE)
    assert not announce(office, made, now=NOW + MINUTE)
    row = row_of(office, made)
    assert (row.state, row.announced_at) == (CertificateState.PUBLISHED, None)
    assert events_of(office)[-1] == "not_announced"


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_swap_that_is_moved_is_told_anew_and_its_month_counts_anew(office: Office) -> None:
    made = published(office)
    announce(office, made, now=NOW)
    send_due(office, now=NOW)
    assert announce(office, made, now=NOW)
    change(office, made, swap_at=SWAP_AT + 7 * DAY, swap_until=SWAP_AT + 7 * DAY)
    assert not announce(office, made, now=NOW + DAY)
    assert row_of(office, made).announced_at is None
    assert len(letters(office)) == 4
    assert [due for _, state, due in owed(office) if state is ObligationState.OPEN] == [
        datetime(2026, 12, 16, 6, 0, tzinfo=UTC)
    ] * 2
    send_due(office, now=NOW + DAY)
    assert announce(office, made, now=NOW + 2 * DAY)
    assert soon(NOW + DAY, row_of(office, made).announced_at)
    assert (letters(office)[-1].subject or "").startswith("Новый срок замены")
    assert events_of(office).count("swap_moved") == 1


def test_what_was_owed_for_a_date_that_is_given_up_is_owed_no_more(sqlite_office: Office) -> None:
    office = with_users(sqlite_office, USERS[:1])
    made = published(office)
    announce(office, made, now=NOW)
    change(office, made, swap_at=SWAP_AT + 7 * DAY)
    announce(office, made, now=NOW)
    assert [state for _, state, _ in owed(office)] == [ObligationState.LIFTED, ObligationState.OPEN]


def test_who_becomes_a_customer_later_is_told_and_owed_no_month(sqlite_office: Office) -> None:
    made = published(sqlite_office)
    office = with_users(sqlite_office, USERS[:1])
    announce(office, made, now=NOW)
    send_due(office, now=NOW)
    assert announce(office, made, now=NOW)
    assert announce(with_users(sqlite_office, USERS), made, now=NOW + 20 * DAY)
    assert [letter.recipient for letter in letters(office)] == USERS
    assert len(owed(office)) == 1
    assert soon(NOW, row_of(office, made).announced_at)


def test_who_left_before_a_letter_arrived_holds_nothing_up(sqlite_office: Office) -> None:
    office = with_users(sqlite_office, USERS)
    made = published(office)
    announce(office, made, now=NOW)
    bounce(office, USERS[1], NOW)
    send_due(office, now=NOW)
    assert not announce(office, made, now=NOW)
    assert announce(with_users(sqlite_office, USERS[:1]), made, now=NOW)
    assert [state for _, state, _ in owed(office)] == [ObligationState.FULFILLED, ObligationState.LIFTED]


def of_a_customer(office: Office, email: str) -> int:
    """A published certificate of a customer's own domain."""
    with transaction(office.sessions) as session:
        one = Customer(agreement="KS", kind="person", name="Анна", email=email, created_at=NOW)
        session.add(one)
        session.flush()
        customer = one.id
    return coming(office, "shop.example.net", published_at=NOW, state=CertificateState.PUBLISHED, customer_id=customer)


def test_the_domain_of_a_customer_is_told_of_to_that_customer_alone(office: Office) -> None:
    announce(office, of_a_customer(office, "anna@example.test"), now=NOW)
    assert [letter.recipient for letter in letters(office)] == ["anna@example.test"]


def test_a_customer_whose_data_were_destroyed_is_written_to_no_more(sqlite_office: Office) -> None:
    assert announce(sqlite_office, of_a_customer(sqlite_office, erased_email(7)), now=NOW)
    assert letters(sqlite_office) == []


def test_a_site_that_nobody_uses_is_announced_by_its_page_alone(sqlite_office: Office) -> None:
    made = published(sqlite_office)
    assert announce(sqlite_office, made, now=NOW)
    assert letters(sqlite_office) == []
    assert owed(sqlite_office) == []
    assert row_of(sqlite_office, made).announced_at == NOW


def test_users_under_another_agreement_are_told_without_a_month_that_it_does_not_promise(office: Office) -> None:
    made = published(office, agreement="OT")
    assert not announce(office, made, now=NOW)
    send_due(office, now=NOW)
    assert announce(office, made, now=NOW)
    assert [letter.recipient for letter in letters(office)] == ["ot@example.test"]
    assert owed(office) == []


@pytest.mark.parametrize("changes", [{"swap_at": None}, {"published_at": None, "state": CertificateState.ISSUED}])
def test_what_is_not_published_or_has_no_date_is_not_announced(
    sqlite_office: Office, changes: dict[str, object]
) -> None:
    made = published(sqlite_office)
    change(sqlite_office, made, **changes)
    with pytest.raises(Refused, match="not published yet, or its swap is not set"):
        announce(sqlite_office, made, now=NOW)
    assert letters(sqlite_office) == []


def test_a_swap_that_is_over_is_told_to_nobody(office: Office) -> None:
    made = published(office)
    change(office, made, state=CertificateState.IN_SERVICE)
    assert not announce(office, made, now=NOW)
    assert letters(office) == []


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_an_emergency_is_told_by_a_letter_of_its_own_and_owes_no_month(office: Office) -> None:
    made = in_service(office, emergency="key_compromise")
    assert not announce(office, made, now=NOW)
    send_due(office, now=NOW)
    assert announce(office, made, now=NOW)
    row = row_of(office, made)
    assert row.state is CertificateState.IN_SERVICE
    assert soon(NOW, row.announced_at)
    assert owed(office) == []
    told = letters(office)[0]
    assert told.subject == f"Срочная замена сертификата {HOST}"
    assert "закрытый ключ прежнего сертификата мог стать известен" in (told.body or "")


def test_a_planned_swap_that_becomes_an_emergency_is_told_again_and_owes_no_month(sqlite_office: Office) -> None:
    office = with_users(sqlite_office, USERS[:1])
    made = published(office)
    announce(office, made, now=NOW)
    change(office, made, emergency="ca_advice")
    assert not announce(office, made, now=NOW)
    assert [letter.kind for letter in letters(office)] == ["certificate_coming", "certificate_emergency"]
    assert [state for _, state, _ in owed(office)] == [ObligationState.LIFTED]
