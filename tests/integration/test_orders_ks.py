"""KeepSecrets orders from the event to the handing over, on both databases."""

from __future__ import annotations

import io
import subprocess
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import pytest
import pyzipper
from sqlalchemy import select

from blocks.clients.directory import Kind
from blocks.ledger import Document, SealedAccounts, SealedSecret, Step, reading
from blocks.office import Office
from tasks.reveal import reveal
from tests.conftest import PaymentSandbox
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    balance_minor,
    decide,
    drain,
    inbox_states,
    kinds,
    ks,
    open_obligations,
    ordered,
    page_token,
    payment_of,
    put_order,
    put_payment,
    put_receipt,
    service_of,
    state,
    story,
)


def paid(office: Office, sandbox: PaymentSandbox, contacts: int = 2, delivery: str = "electronic") -> str:
    """A person's order, paid online and worked off."""
    number = ordered(office, "A-1", ks(contacts, delivery))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return number


@pytest.mark.clause("KS-2.1", "KS-1.3", "KS-4.1")
def test_ks_2_1_an_order_is_complete_when_its_access_data_is_handed_over(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = paid(office, sandbox)
    assert state(office, number) == "inProgress"
    service = service_of(office, number)
    assert (service.state.value, service.name) == ("active", f"k{int(number[-6:]):06d}.example.net")
    assert service.paid_until is not None
    assert service.paid_until.isoformat() == "2027-11-20T09:01:00+00:00"

    shown = reveal(office, page_token(office, number), now=NOW + 2 * MINUTE)
    assert shown is not None
    drain(office, NOW + 2 * MINUTE)

    told = story(office, number)
    assert told.state == "completed"
    assert str(told.price) == "13989.00 RUB"
    assert [line.state for line in told.owed] == ["fulfilled", "fulfilled", "fulfilled"]
    assert kinds(office, number) == ["order_received", "payment_requested", "access_data"]
    assert balance_minor(office) == 0
    assert open_obligations(office) == []


@pytest.mark.clause("KS-1.4", "KS-2.2", "KS-2.3", "KS-2.4", "KS-2.5")
def test_ks_1_4_the_encrypted_file_opens_with_the_password_shown_once(
    office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = paid(office, sandbox)
    [letter] = [
        message
        for path in office.settings.outbox.glob("*.eml")
        if (message := message_from_bytes(path.read_bytes(), policy=default_policy)).is_multipart()
    ]
    [attachment] = list(letter.iter_attachments())
    content = attachment.get_payload(decode=True)
    assert isinstance(content, bytes)
    shown = reveal(office, page_token(office, number), now=NOW + 2 * MINUTE)
    assert shown is not None
    password = shown["password"]
    assert len(password) == 20

    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(password.encode())
        table = archive.read(f"access-{number}.csv").decode("utf-8-sig").splitlines()
        assert archive.read(f"access-{number}.pdf").startswith(b"%PDF-")
    rows = [line.split(";") for line in table[1:]]
    domain = service_of(office, number).name
    assert [(row[0], row[1]) for row in rows] == [(f"c001@{domain}", "1001"), (f"c002@{domain}", "1002")]
    assert office.directory.standing(Kind.MAIL, domain).active == ("c001", "c002")

    (tmp_path / "access.zip").write_bytes(content)
    command = ["7z", "t", "-bso0", "-p" + password, str(tmp_path / "access.zip")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    wrong = ["7z", "t", "-bso0", "-pwrong", str(tmp_path / "access.zip")]
    assert subprocess.run(wrong, check=False, capture_output=True).returncode != 0


@pytest.mark.clause("KS-2.2")
def test_ks_2_2_no_plaintext_password_is_kept_anywhere(sqlite_office: Office, sandbox: PaymentSandbox) -> None:
    office = sqlite_office
    number = paid(office, sandbox)
    shown = reveal(office, page_token(office, number), now=NOW + 2 * MINUTE)
    assert shown is not None
    with reading(office.sessions) as session:
        sha256 = session.scalars(select(Document.sha256).where(Document.key == f"access-data:{number}")).one()
        assert session.scalars(select(SealedAccounts)).all() == []
        assert [secret.sealed for secret in session.scalars(select(SealedSecret))] == [None]
    with pyzipper.AESZipFile(io.BytesIO(office.archive.get(sha256))) as archive:
        archive.setpassword(shown["password"].encode())
        rows = archive.read(f"access-{number}.csv").decode("utf-8-sig").splitlines()[1:]
    secrets = [shown["password"], *(row.split(";")[2] for row in rows)]
    assert len(secrets) == 3
    kept = b"".join(path.read_bytes() for path in office.settings.home.rglob("*") if path.is_file())
    assert number.encode() in kept
    assert not any(secret.encode() in kept for secret in secrets)


@pytest.mark.clause("KS-1.4", "KS-2.1")
def test_ks_1_4_an_envelope_waits_for_a_person_to_confirm_its_handing_over(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = paid(office, sandbox, delivery="envelope")
    assert state(office, number) == "inProgress"
    assert kinds(office, number) == ["order_received", "payment_requested", "envelope_prepared", "envelope_coming"]
    assert reveal(office, page_token(office, number), now=NOW + 2 * MINUTE) is None
    assert reveal(office, page_token(office, number, "envelope"), now=NOW + 2 * MINUTE) is not None
    drain(office, NOW + 2 * MINUTE)
    assert state(office, number) == "inProgress", "printing is not handing over"
    assert "confirmed by" in decide(office, number, "confirm handover", NOW + 3 * MINUTE)
    assert state(office, number) == "completed"
    assert any(line.who == "О. Петрова" for line in story(office, number).lines)


def test_a_company_pays_by_invoice_and_is_active_when_its_money_arrives(office: Office) -> None:
    number = ordered(office, "A-1", ks(12), COMPANY)
    assert state(office, number) == "pending"
    assert kinds(office, number) == ["order_received", "invoice_issued"]
    with reading(office.sessions) as session:
        sha256 = session.scalars(select(Document.sha256)).one()
    assert office.archive.get(sha256).startswith(b"%PDF-")
    put_receipt(office, number, "49989.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert service_of(office, number).state.value == "active"


def test_an_underpaid_order_is_held_until_the_rest_comes(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "13988.99", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, number) == "held:underpaid"
    assert "held_underpaid" in kinds(office, number)
    assert "order_held" in kinds(office)
    assert "held" in decide(office, number, "resume", NOW + DAY + MINUTE) or state(office, number) == "held:underpaid"
    put_receipt(office, number, "0.01", "B-2", NOW + 2 * DAY)
    drain(office, NOW + 2 * DAY)
    assert service_of(office, number).state.value == "active"
    assert balance_minor(office) == 0


def test_an_overpaid_order_is_activated_and_its_surplus_waits_for_a_person(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "14000.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert service_of(office, number).state.value == "active"
    assert balance_minor(office) == 1100
    assert "surplus" in kinds(office, number)
    assert "KS-4.1 decide on a surplus of 11.00 RUB" in open_obligations(office)
    assert "settled" in decide(office, number, "settle surplus", NOW + 2 * DAY, "returned by transfer 7")
    assert balance_minor(office) == 0
    assert not any("surplus" in owed for owed in open_obligations(office))


def test_a_second_payment_of_the_same_order_is_all_surplus(office: Office, sandbox: PaymentSandbox) -> None:
    number = paid(office, sandbox)
    again = sandbox.make("13989.00", {"order": number}, f"again-{office.settings.home}")
    sandbox.pay(again)
    put_payment(office, again, at=NOW + DAY)
    drain(office, NOW + DAY)
    assert state(office, number) == "inProgress"
    assert balance_minor(office) == 1398900
    assert kinds(office, number).count("access_data") == 1


def test_money_in_another_currency_holds_the_order(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    put_receipt(office, number, "13989.00", "B-1", NOW + DAY, currency="USD")
    drain(office, NOW + DAY)
    assert state(office, number) == "held:other_currency"


def test_an_unpaid_order_ends_after_its_window_and_late_money_revives_it_as_held(office: Office) -> None:
    from tasks.upkeep import keep_up

    number = ordered(office, "A-1", ks(2), COMPANY)
    ends = story_pay_by(office, number)
    assert ends == "2026-11-30T21:00:00+00:00", "the tenth day ends at Moscow's midnight"
    bound = NOW.replace(month=11, day=30, hour=21)
    keep_up(office, now=bound)
    assert state(office, number) == "pending", "the bound itself is in time"
    keep_up(office, now=bound + MINUTE)
    assert state(office, number) == "cancelled"
    assert open_obligations(office) == []

    put_receipt(office, number, "13989.00", "B-1", bound + DAY)
    drain(office, bound + DAY)
    assert state(office, number) == "held:payment_after_cancellation"
    assert "resumed" in decide(office, number, "resume", bound + 2 * DAY)
    assert service_of(office, number).state.value == "active"


def story_pay_by(office: Office, number: str) -> str:
    from blocks.ledger import Order

    with reading(office.sessions) as session:
        return session.scalars(select(Order.pay_by).where(Order.number == number)).one().isoformat()


def test_money_for_a_cancelled_order_can_be_owed_back(office: Office) -> None:
    number = ordered(office, "A-1", ks(2), COMPANY)
    assert "cancelled" in decide(office, number, "cancel", NOW + MINUTE)
    put_receipt(office, number, "13989.00", "B-1", NOW + DAY)
    drain(office, NOW + DAY)
    assert "cancelled" in decide(office, number, "cancel", NOW + 2 * DAY)
    assert state(office, number) == "cancelled"
    assert balance_minor(office) == 1398900
    assert "KS-4.1 return 13989.00 RUB" in open_obligations(office)
    assert "settled" in decide(office, number, "settle surplus", NOW + 3 * DAY, "returned")
    assert open_obligations(office) == []


def test_a_cancelled_payment_holds_the_order_and_resuming_asks_again(office: Office, sandbox: PaymentSandbox) -> None:
    number = ordered(office, "A-1", ks(2))
    first = payment_of(office, number)
    sandbox.cancel(first)
    put_payment(office, first, "payment.canceled", NOW + MINUTE)
    drain(office, NOW + MINUTE)
    assert state(office, number) == "held:payment_canceled"
    assert "resumed" in decide(office, number, "resume", NOW + 2 * MINUTE)
    second = payment_of(office, number)
    assert second != first
    assert state(office, number) == "pending"
    assert kinds(office, number).count("payment_requested") == 2


@pytest.mark.clause("KS-4.1")
def test_ks_4_1_a_package_that_does_not_exist_is_held_for_a_person(office: Office) -> None:
    number = ordered(office, "A-1", ks(7))
    assert state(office, number) == "held:unknown_product"
    assert kinds(office, number) == ["order_received", "held_unknown_product"]
    assert decide(office, number, "resume", NOW + MINUTE).startswith("refused")
    assert "cancelled" in decide(office, number, "cancel", NOW + 2 * MINUTE)


def test_money_that_comes_before_its_order_finds_it(office: Office, sandbox: PaymentSandbox) -> None:
    payment = sandbox.make("13989.00", {"order": "shop/A-1"}, f"early-{office.settings.home}")
    sandbox.pay(payment)
    put_payment(office, payment)
    drain(office, NOW)
    assert any("find the order" in owed for owed in open_obligations(office))
    number = ordered(office, "A-1", ks(2), at=NOW + MINUTE)
    assert service_of(office, number).state.value == "active"
    assert kinds(office, number) == ["order_received", "access_data"]
    assert not any("find the order" in owed for owed in open_obligations(office))


@pytest.mark.clause("KS-2.1")
def test_ks_2_1_an_unopened_page_is_reminded_of_then_held_and_goes_on_when_opened(
    office: Office, sandbox: PaymentSandbox
) -> None:
    from tasks.upkeep import keep_up

    number = paid(office, sandbox)
    third_day_ends = NOW.replace(day=23, hour=21)
    assert keep_up(office, now=third_day_ends).reminded == 0
    assert keep_up(office, now=third_day_ends + MINUTE).reminded == 1
    assert keep_up(office, now=third_day_ends + DAY).reminded == 0, "once"
    fourteenth = NOW.replace(month=12, day=4, hour=21)
    assert keep_up(office, now=fourteenth).held == 0
    assert keep_up(office, now=fourteenth + MINUTE).held == 1
    assert state(office, number) == "held:page_unopened"
    assert reveal(office, page_token(office, number), now=fourteenth + DAY) is not None
    drain(office, fourteenth + DAY)
    assert state(office, number) == "completed"


def test_every_event_twice_changes_nothing(office: Office, sandbox: PaymentSandbox) -> None:
    number = paid(office, sandbox)
    payment = payment_of(office, number)
    before = (story(office, number), kinds(office))
    put_order(office, "A-1", ks(2), at=NOW + 5 * MINUTE)
    put_payment(office, payment, "payment.waiting_for_capture", NOW + 5 * MINUTE)
    put_payment(office, payment, at=NOW + 5 * MINUTE)
    drain(office, NOW + 6 * MINUTE)
    assert (story(office, number), kinds(office)) == before
    assert {found.value for found in inbox_states(office)} == {"done"}


def test_an_unknown_outcome_at_the_provider_makes_one_payment(office: Office, sandbox: PaymentSandbox) -> None:
    sandbox.fail("after", 2)
    number = ordered(office, "A-1", ks(2))
    assert state(office, number) == "acknowledged"
    for minute in range(1, 4):
        drain(office, NOW + minute * MINUTE)
    assert state(office, number) == "pending"
    made = sandbox.http.get(f"/v3/payments/{payment_of(office, number)}", auth=("shop", "secret")).json()
    assert made["metadata"] == {"order": number}
    assert kinds(office, number).count("payment_requested") == 1
    with reading(office.sessions) as session:
        assert session.scalars(select(Step.key)).all() == []
