"""Mail of a complex by its real servers: accounts come, are proven, suspended, resumed and deleted."""

from __future__ import annotations

import os
import smtplib
from pathlib import Path

import pytest
from pydantic import HttpUrl

from blocks.clients.comms.mail import MailService
from blocks.clients.comms.mail_login import HEADER
from blocks.clients.comms.mail_proofs import KINDS
from blocks.clients.comms.mail_server import at, programs
from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Refused, Transient
from blocks.terms.ks_complex import ProofKind, Want
from tests.integration.mail_client import (
    PASSWORD,
    Customer,
    MailClient,
    a_letter,
    a_service,
    an_account,
    arrived,
    imap_accepts,
    is_closed,
    messages,
    smtp_accepts,
)
from tests.servers.comms_mail import MailServers
from tests.servers.processes import free_port


def all_of(accounts: list[AccountHashes]) -> list[Want]:
    return [Want(account.name, kind) for account in accounts for kind in KINDS]


def store(servers: MailServers, domain: str) -> Path:
    return servers.ground.plan.home / "mail" / "store" / domain


@pytest.mark.clause("KS-2.5")
def test_ks_2_5_every_contact_has_a_mailbox_and_letters_go_from_one_to_the_next(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    letter = a_letter(one, two)
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(letter)
    with mail_client.inbox(two, PASSWORD) as inbox:
        assert arrived(inbox, letter["Message-ID"]).get_content().strip() == "Привет"


def test_accounts_provisioned_twice_are_the_same_accounts_and_live_sessions_go_on(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    with mail_client.inbox(mail_customer.addresses[0], PASSWORD) as inbox:
        mail_service.provision(mail_customer.domain, mail_customer.accounts)
        assert not is_closed(inbox)
    assert imap_accepts(mail_client, mail_customer.addresses[0], PASSWORD)


def test_an_account_that_is_no_longer_among_the_accounts_is_gone_with_its_session_and_mail(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer, comms_mail: MailServers
) -> None:
    gone, stays, _ = mail_customer.addresses
    sessions = mail_client.inbox(gone, PASSWORD), mail_client.inbox(stays, PASSWORD)
    mail_service.provision(mail_customer.domain, mail_customer.accounts[1:])
    with sessions[1]:
        assert is_closed(sessions[0])
        assert not is_closed(sessions[1])
    assert not imap_accepts(mail_client, gone, PASSWORD)
    assert sorted(path.name for path in store(comms_mail, mail_customer.domain).iterdir()) == ["c2"]


def test_a_new_password_ends_the_sessions_of_the_old_one(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    session = mail_client.inbox(mail_customer.addresses[0], PASSWORD)
    renewed = hash_account("c1", mail_customer.domain, "1001", "another password")
    mail_service.provision(mail_customer.domain, [renewed, *mail_customer.accounts[1:]])
    assert is_closed(session)
    assert imap_accepts(mail_client, mail_customer.addresses[0], "another password")
    assert not imap_accepts(mail_client, mail_customer.addresses[0], PASSWORD)


def test_every_contact_is_proven_by_logins_and_letters_under_strong_tls(
    mail_service: MailService, mail_customer: Customer
) -> None:
    proofs = mail_service.verify(mail_customer.domain, mail_customer.accounts, all_of(mail_customer.accounts))
    assert [proof.want for proof in proofs] == all_of(mail_customer.accounts)
    assert all(proof.ok for proof in proofs), proofs
    for proof in proofs:
        assert proof.facts["version"] == "TLSv1.3"
        assert proof.facts["bits"] == "256"
        assert proof.facts["mechanism"] == "SCRAM-SHA-256"


def test_only_what_is_wanted_of_mail_is_proven(mail_service: MailService, mail_customer: Customer) -> None:
    wants = [Want("c2", ProofKind.MAIL), Want("c1", ProofKind.XMPP), Want("", ProofKind.DNS)]
    assert [proof.want for proof in mail_service.verify(mail_customer.domain, mail_customer.accounts, wants)] == wants[
        :1
    ]
    assert mail_service.verify(mail_customer.domain, mail_customer.accounts, wants[1:]) == []


def test_a_single_contact_is_its_own_correspondent(mail_service: MailService, mail_customer: Customer) -> None:
    alone = mail_customer.accounts[:1]
    mail_service.provision(mail_customer.domain, alone)
    assert all(proof.ok for proof in mail_service.verify(mail_customer.domain, alone, all_of(alone)))


def test_verification_removes_its_letters_and_those_of_a_run_that_died_and_nothing_else(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    own, left = a_letter(one, two), a_letter(one, two)
    left[HEADER] = mail_customer.domain
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(own)
        session.send_message(left)
    with mail_client.inbox(two, PASSWORD) as inbox:
        arrived(inbox, own["Message-ID"])
        arrived(inbox, left["Message-ID"])
        inbox.store("1:*", "+FLAGS", r"(\Deleted)")
        mail_service.verify(mail_customer.domain, mail_customer.accounts, all_of(mail_customer.accounts))
        mail_service.verify(mail_customer.domain, mail_customer.accounts, [Want("c2", ProofKind.IMAP)])
        assert [letter["Message-ID"] for letter in messages(inbox)] == [own["Message-ID"]]


def test_a_login_that_fails_is_a_proof_that_says_so(mail_service: MailService, mail_customer: Customer) -> None:
    wrong = hash_account("c2", mail_customer.domain, "1001", "not the password")
    accounts = [mail_customer.accounts[0], wrong, mail_customer.accounts[2]]
    proofs = {proof.want: proof for proof in mail_service.verify(mail_customer.domain, accounts, all_of(accounts))}
    failed = {want for want, proof in proofs.items() if not proof.ok}
    own = {Want("c2", kind) for kind in KINDS}
    assert failed == own | {Want("c1", ProofKind.MAIL)}  # nobody could look for the letter of c1
    assert proofs[Want("c2", ProofKind.SUBMISSION)].detail == "submission: refused (535)"
    assert proofs[Want("c2", ProofKind.IMAP)].detail == "IMAP: refused (AUTHENTICATIONFAILED)"


def test_a_server_that_impersonates_ours_is_told_by_its_certificate(
    comms_mail: MailServers, mail_customer: Customer
) -> None:
    plan, ground = comms_mail.ground.plan, comms_mail.ground
    mail_service = MailService(
        ground.directory,
        at(plan),
        "other.test",
        address=plan.address,
        ca_file=plan.ca_file,
        doveadm_key=plan.doveadm_key,
    )
    (proof,) = mail_service.verify(mail_customer.domain, mail_customer.accounts, [Want("c1", ProofKind.IMAP)])
    assert (proof.ok, proof.detail) == (False, "IMAP: CERTIFICATE_VERIFY_FAILED")


@pytest.mark.parametrize("port", ["imap_port", "submission_port"])
def test_a_server_that_is_down_is_an_error_and_no_proof(
    comms_mail: MailServers, mail_customer: Customer, port: str
) -> None:
    mail_service = a_service(comms_mail, **{port: free_port()})
    with pytest.raises(Transient, match="ConnectionRefused"):
        mail_service.verify(mail_customer.domain, mail_customer.accounts, all_of(mail_customer.accounts))


def test_a_management_that_is_down_is_an_error(comms_mail: MailServers, mail_customer: Customer) -> None:
    mail_service = a_service(
        comms_mail, doveadm_url=HttpUrl(f"http://127.0.0.1:{free_port()}"), management_port=free_port()
    )
    with pytest.raises(Transient, match="doveadm kick"):
        mail_service.suspend(mail_customer.domain)
    with pytest.raises(Transient, match="SMTP"):
        mail_service.software()
    a_service(comms_mail).resume(mail_customer.domain)


def test_a_wrong_key_of_management_is_refused_and_not_repeated(
    comms_mail: MailServers, mail_customer: Customer
) -> None:
    plan, ground = comms_mail.ground.plan, comms_mail.ground
    mail_service = MailService(
        ground.directory, at(plan), plan.host, address=plan.address, ca_file=plan.ca_file, doveadm_key="not the key"
    )
    with pytest.raises(Refused, match="does not take our key") as caught:
        mail_service.delete(mail_customer.domain)
    assert "not the key" not in repr(caught.value)


def test_suspension_closes_live_sessions_and_every_door_and_resuming_opens_them_to_the_same_password(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    mail_service.verify(mail_customer.domain, mail_customer.accounts, all_of(mail_customer.accounts))
    session = mail_client.inbox(one, PASSWORD)
    for _ in range(2):
        mail_service.suspend(mail_customer.domain)
        assert is_closed(session)
    assert not imap_accepts(mail_client, one, PASSWORD)
    assert not smtp_accepts(mail_client, one, PASSWORD)
    for _ in range(2):
        mail_service.resume(mail_customer.domain)
        assert smtp_accepts(mail_client, two, PASSWORD)
    assert imap_accepts(mail_client, one, PASSWORD)


def test_what_is_stored_stays_over_a_suspension(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    letter = a_letter(one, two)
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(letter)
    with mail_client.inbox(two, PASSWORD) as inbox:
        arrived(inbox, letter["Message-ID"])
    mail_service.suspend(mail_customer.domain)
    mail_service.resume(mail_customer.domain)
    with mail_client.inbox(two, PASSWORD) as inbox:
        assert [found["Message-ID"] for found in messages(inbox)] == [letter["Message-ID"]]


@pytest.mark.parametrize("sender", ["", "own"])
def test_a_contact_who_was_logged_in_to_submission_sends_nothing_once_it_is_suspended(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer, sender: str
) -> None:
    one = mail_customer.addresses[0]
    other = an_account("c1", f"other-{mail_customer.domain}")
    mail_service.provision(f"other-{mail_customer.domain}", [other])
    with mail_client.logged_in(one, PASSWORD) as session:
        session.mail(one if sender else "")
        assert session.rcpt(other.address)[0] == 250
        session.rset()
        mail_service.suspend(mail_customer.domain)
        session.mail(one if sender else "")
        assert session.rcpt(other.address)[0] in (550, 553, 554)
    mail_service.delete(f"other-{mail_customer.domain}")


def test_mail_from_outside_to_a_suspended_contact_is_refused_as_to_one_who_never_was(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    def answer(address: str) -> tuple[int, bytes]:
        with mail_client.smtp(mail_client.plan.ports.smtp) as session:
            session.mail("stranger@outside.test")
            code, text = session.rcpt(address)
        return code, text.replace(address.encode(), b"ADDRESS")

    assert answer(mail_customer.addresses[0])[0] == 250
    mail_service.suspend(mail_customer.domain)
    suspended = answer(mail_customer.addresses[0])
    assert suspended[0] == 550
    assert suspended == answer(f"nobody@{mail_customer.domain}")


def test_deletion_leaves_no_rows_sessions_or_mail_and_can_be_repeated(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer, comms_mail: MailServers
) -> None:
    one, two, _ = mail_customer.addresses
    letter = a_letter(one, two)
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(letter)
    inbox = mail_client.inbox(two, PASSWORD)
    arrived(inbox, letter["Message-ID"])
    inbox.create("Archive")
    inbox.copy("1", "Archive")
    assert any(store(comms_mail, mail_customer.domain).rglob("*"))
    for _ in range(2):
        mail_service.delete(mail_customer.domain)
        assert not store(comms_mail, mail_customer.domain).exists()
    assert is_closed(inbox)
    assert not imap_accepts(mail_client, two, PASSWORD)
    mail_service.provision(mail_customer.domain, mail_customer.accounts)
    with mail_client.inbox(two, PASSWORD) as inbox:
        assert messages(inbox) == []


def test_deletion_of_one_customer_leaves_another_alone(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer, comms_mail: MailServers
) -> None:
    longer = f"a{mail_customer.domain}"
    other = Customer(longer, [an_account("c1", longer)])
    mail_service.provision(longer, other.accounts)
    with mail_client.inbox(mail_customer.addresses[0], PASSWORD) as inbox:
        mail_client.inbox(other.addresses[0], PASSWORD).logout()
        mail_service.delete(longer)
        assert not is_closed(inbox)
    assert not store(comms_mail, longer).exists()
    assert store(comms_mail, mail_customer.domain).exists()


def test_a_domain_that_was_never_there_is_suspended_resumed_and_deleted_all_the_same(mail_service: MailService) -> None:
    mail_service.suspend("never.test")
    mail_service.resume("never.test")
    mail_service.delete("never.test")


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_running_servers_state_their_versions_to_managers_alone(
    mail_service: MailService, comms_mail: MailServers
) -> None:
    stated = {part.name: part.version for part in mail_service.software()}
    assert stated.keys() == {"Postfix", "Dovecot"}
    assert all(version[0].isdigit() and "." in version for version in stated.values())
    assert "Postfix" in mail_service.check()
    stranger = MailClient(comms_mail.ground.plan, source="127.0.0.3")
    with stranger.imap() as session:
        session.xatom("ID", "NIL")
        assert b"version" not in (session.response("ID")[1][0] or b"")
    with stranger.smtp() as session:
        assert b"Postfix" not in session.ehlo()[1]


def test_whoever_is_not_root_is_told_that_servers_need_it(
    comms_mail: MailServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="root"):
        programs(comms_mail.ground.plan)


def test_without_an_smtp_login_nothing_is_taken_at_submission(mail_client: MailClient, mail_customer: Customer) -> None:
    with mail_client.smtp() as session, pytest.raises(smtplib.SMTPRecipientsRefused, match="Access denied"):
        session.sendmail(mail_customer.addresses[0], [mail_customer.addresses[1]], b"x")


def test_a_letter_whose_recipient_was_taken_before_the_suspension_is_refused_after_it(
    mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    with mail_client.logged_in(one, PASSWORD) as session:
        session.mail(one)
        assert session.rcpt(two)[0] == 250
        mail_service.suspend(mail_customer.domain)
        try:
            assert session.data(a_letter(one, two).as_bytes())[0] in (550, 554)
        finally:
            mail_service.resume(mail_customer.domain)


@pytest.mark.parametrize("form", ["director@{}.", "<@evil.test:director@{}>", "director@{}"])
def test_no_form_of_an_address_lets_somebody_outside_speak_for_a_customer(
    mail_client: MailClient, mail_customer: Customer, form: str
) -> None:
    sender = form.format(mail_customer.domain.upper())
    with mail_client.smtp(mail_client.plan.ports.smtp) as session:
        said = session.docmd("MAIL", f"FROM:{sender if '<' in sender else f'<{sender}>'}")
        assert said[0] >= 500 or session.docmd("RCPT", f"TO:<{mail_customer.addresses[1]}>")[0] >= 500
