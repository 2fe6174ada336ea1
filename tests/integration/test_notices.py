"""Notices through a real Postfix: proof of delivery, bounces, and letters whose sending is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import pytest
from sqlalchemy import select, update

from blocks.clients.bounces import parse_report
from blocks.clients.mail import EmlDirectory, Letter, Receipt, SmtpServer
from blocks.errors import Transient
from blocks.ledger import Notice, NoticeState, Obligation, ObligationState, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.fulfilment import send_due
from tasks.notices import DOUBT, MAX_ATTEMPTS, queue_operator_notice, read_reports
from tests.conftest import close_office, eventually
from tests.servers.postfix import PostfixServer
from tests.servers.processes import free_port
from tests.work import COMPANY, MINUTE, NOW, drain, kinds, ks, open_obligations, ordered, put_order, qs


@pytest.fixture
def mail_office(settings_for: Callable[..., Settings], postfix: PostfixServer) -> Iterator[Office]:
    """An office that sends through Postfix and reads its reports."""
    settings = settings_for(
        smtp_host=postfix.host,
        smtp_port=postfix.port,
        smtp_security="none",
        mail_from="service@example.test",
        bounce_address="bounces@example.test",
        operator_email="other@example.test",
        bounce_maildir=postfix.maildir("bounces"),
    )
    office = open_office(settings)
    yield office
    close_office(office)


def new_mail(postfix: PostfixServer, name: str) -> list[Path]:
    return sorted((postfix.maildir(name) / "new").glob("*"))


def states(office: Office) -> list[tuple[str, str]]:
    with reading(office.sessions) as session:
        return [(row.kind, row.state.value) for row in session.scalars(select(Notice).order_by(Notice.id))]


def receipt_obligation(office: Office) -> Obligation:
    with reading(office.sessions) as session:
        return session.scalars(select(Obligation).where(Obligation.what == "confirm receipt")).one()


def test_one_call_sends_all_that_is_due_however_many_customers_there_are(sqlite_office: Office) -> None:
    facts = {"subject": "M-1", "what": "works", "clause": "KS-3.12", "due": NOW.isoformat(), "provisional": False}
    with transaction(sqlite_office.sessions) as session:
        for n in range(230):
            operator = f"operator-{n}@example.test"
            queue_operator_notice(
                session, kind="obligation_warned", key=f"many:{n}", operator=operator, facts=facts, now=NOW
            )
    assert send_due(sqlite_office, now=NOW) == 230
    assert {state for _, state in states(sqlite_office)} == {"delivered"}


@pytest.mark.clause("KS-1.5", "KS-1.3")
def test_ks_1_5_a_notice_is_given_only_when_its_delivery_is_proven(mail_office: Office, postfix: PostfixServer) -> None:
    put_order(mail_office, "A-1", ks(2), COMPANY)
    drain(mail_office, NOW)
    assert ("order_received", "sent") in states(mail_office)
    assert receipt_obligation(mail_office).state is ObligationState.OPEN

    eventually(lambda: len(new_mail(postfix, "bounces")) >= 2)
    assert read_reports(mail_office, now=NOW + MINUTE) == 2
    assert states(mail_office) == [("order_received", "delivered"), ("invoice_issued", "delivered")]
    obligation = receipt_obligation(mail_office)
    assert obligation.state is ObligationState.FULFILLED
    assert "delivered" in (obligation.evidence or "")
    assert new_mail(postfix, "bounces") == []
    assert read_reports(mail_office, now=NOW + MINUTE) == 0


@pytest.mark.clause("KS-1.5")
def test_ks_1_5_a_bounced_notice_has_not_been_given_and_its_obligation_stays_open(
    mail_office: Office, postfix: PostfixServer
) -> None:
    nobody = {**COMPANY, "email": "nobody@example.test"}
    put_order(mail_office, "A-1", ks(2), nobody)
    drain(mail_office, NOW)
    eventually(lambda: len(new_mail(postfix, "bounces")) >= 2)
    read_reports(mail_office, now=NOW + MINUTE)
    assert states(mail_office)[:2] == [("order_received", "bounced"), ("invoice_issued", "bounced")]
    assert receipt_obligation(mail_office).state is ObligationState.OPEN
    assert kinds(mail_office).count("notice_undelivered") == 2
    drain(mail_office, NOW + MINUTE)
    eventually(lambda: len(new_mail(postfix, "other")) == 2)


@pytest.mark.clause("QS-12.4")
def test_qs_12_4_an_e_mail_counts_from_its_sending_unless_it_bounces(mail_office: Office) -> None:
    from blocks.terms.qs_ending import ReceivedFacts, notice_received

    ordered(mail_office, "Q-1", qs("free", 0))
    assert ("project_activated", "sent") in states(mail_office)
    sent = ReceivedFacts(channel="email", sent_at=NOW)
    assert notice_received(sent).allowed
    assert not notice_received(sent.model_copy(update={"bounced": True})).allowed


def test_a_letter_left_in_doubt_is_not_sent_twice_when_its_report_comes(
    mail_office: Office, postfix: PostfixServer
) -> None:
    ordered(mail_office, "A-1", ks(2), COMPANY)
    eventually(lambda: len(new_mail(postfix, "bounces")) >= 2)
    in_doubt(mail_office)
    assert send_due(mail_office, now=NOW + MINUTE) == 0, "its time of doubt is not over"
    read_reports(mail_office, now=NOW + MINUTE)
    assert send_due(mail_office, now=NOW + 2 * DOUBT) == 0
    assert len(new_mail(postfix, "customer")) == 2


def test_a_letter_left_in_doubt_without_a_report_is_sent_again_under_the_same_id(
    mail_office: Office, postfix: PostfixServer
) -> None:
    ordered(mail_office, "A-1", ks(2), COMPANY)
    eventually(lambda: len(new_mail(postfix, "customer")) == 2)
    in_doubt(mail_office)
    assert send_due(mail_office, now=NOW + DOUBT + timedelta(seconds=1)) == 2
    eventually(lambda: len(new_mail(postfix, "customer")) == 4)
    ids = [
        message_from_bytes(path.read_bytes(), policy=default_policy)["Message-ID"]
        for path in new_mail(postfix, "customer")
    ]
    assert len(set(ids)) == 2


def in_doubt(office: Office) -> None:
    """As if the process had been killed between the server's answer and its record."""
    with transaction(office.sessions) as session:
        session.execute(update(Notice).values(state=NoticeState.SENDING, sent_at=None))


def test_a_report_that_nobody_of_ours_caused_proves_nothing(mail_office: Office, postfix: PostfixServer) -> None:
    ordered(mail_office, "A-1", ks(2), COMPANY)
    eventually(lambda: len(new_mail(postfix, "bounces")) >= 2)
    for path in new_mail(postfix, "bounces"):
        forged = path.read_bytes().replace(b"Original-Envelope-Id: ", b"Original-Envelope-Id: 1-forged")
        path.write_bytes(forged)
    assert read_reports(mail_office, now=NOW + MINUTE) == 0
    assert {state for _, state in states(mail_office)} == {"sent"}


def test_a_mail_server_that_is_down_is_tried_again_later(settings_for: Callable[..., Settings]) -> None:
    office = open_office(settings_for(smtp_host="127.0.0.1", smtp_port=free_port(), smtp_security="none"))
    ordered(office, "Q-1", qs("free", 0))
    assert {state for _, state in states(office)} == {"queued"}
    assert send_due(office, now=NOW + timedelta(seconds=9)) == 0
    assert send_due(office, now=NOW + timedelta(seconds=11)) == 2
    moment = NOW
    for _ in range(MAX_ATTEMPTS):
        moment += timedelta(hours=2)
        send_due(office, now=moment)
    assert {state for kind, state in states(office) if kind != "notice_undelivered"} == {"failed"}
    assert "notice_undelivered" in kinds(office)
    assert open_obligations(office) == []
    close_office(office)


@pytest.mark.parametrize("kind", ["directory", "server"])
def test_both_transports_keep_the_same_promises(kind: str, postfix: PostfixServer, tmp_path: Path) -> None:
    from email.message import EmailMessage

    transport = (
        EmlDirectory(tmp_path)
        if kind == "directory"
        else SmtpServer(postfix.host, postfix.port, security="none", bounce_address="bounces@example.test")
    )
    message = EmailMessage()
    message["From"], message["To"] = "service@example.test", "customer@example.test"
    message["Subject"], message["Message-ID"] = "Проверка", "<1-abc@example.test>"
    message.set_content("Текст\n")
    letter = Letter("1-abc", "customer@example.test", message)
    assert transport.send(letter) is (Receipt.DELIVERED if kind == "directory" else Receipt.SENT)
    assert transport.check()
    if kind == "directory":
        transport.send(letter)
        [path] = tmp_path.glob("*.eml")
    else:
        eventually(lambda: len(new_mail(postfix, "customer")) == 1)
        [path] = new_mail(postfix, "customer")
    arrived = message_from_bytes(path.read_bytes(), policy=default_policy)
    assert arrived["Subject"] == "Проверка"


def test_a_server_that_is_not_there_is_transient() -> None:
    transport = SmtpServer("127.0.0.1", free_port(), security="starttls", bounce_address="bounces@example.test")
    with pytest.raises(Transient, match="ConnectionRefused"):
        transport.check()


def test_a_bounce_without_an_envelope_id_is_known_by_the_returned_message_id() -> None:
    raw = b"""From: MAILER-DAEMON@example.test
To: bounces@example.test
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

no
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.test

Final-Recipient: rfc822; x@example.test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: <17-tokentoken@example.test>
Subject: x

--b--
"""
    report = parse_report(raw)
    assert report is not None
    assert (report.envelope_id, report.delivered) == ("17-tokentoken", False)
    assert "550 no such user" in report.diagnostic
    assert parse_report(raw.replace(b"failed", b"delayed")) is None
    assert parse_report(b"Subject: hello\n\nnot a report") is None
