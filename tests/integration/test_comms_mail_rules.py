"""What mail servers of a complex refuse, limit and sign, seen by clients that know nothing of us."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import re
import smtplib
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.mail import MailService
from blocks.clients.comms.mail_server import HEADROOM_BYTES, dkim_key, dkim_public, files
from tests.integration.mail_client import (
    PASSWORD,
    Customer,
    MailClient,
    a_letter,
    arrived,
    imap_accepts,
    is_closed,
    smtp_accepts,
)
from tests.servers.comms_mail import MailServers
from tests.servers.processes import wait_until

LIMIT = 10 * 2**20
OUTSIDE = "stranger@outside.test"
REFUSED = (550, 553, 554)


def of_size(size: int, sender: str, receiver: str) -> bytes:
    head = f"From: {sender}\r\nTo: {receiver}\r\nSubject: big\r\nMessage-ID: <{size}@client.test>\r\n\r\n".encode()
    line = b"x" * 76 + b"\r\n"
    whole, rest = divmod(size - len(head) - 2, len(line))
    return head + line * whole + b"y" * rest + b"\r\n"


@pytest.mark.clause("KS-3.5")
@pytest.mark.parametrize("over", [-1, 0])
def test_ks_3_5_a_message_up_to_exactly_the_limit_arrives(
    mail_client: MailClient, mail_customer: Customer, over: int
) -> None:
    one, two, _ = mail_customer.addresses
    message = of_size(LIMIT + over, one, two)
    assert len(message) == LIMIT + over
    with mail_client.logged_in(one, PASSWORD) as session:
        session.sendmail(one, [two], message)
    with mail_client.inbox(two, PASSWORD) as inbox:
        body = str(arrived(inbox, f"<{LIMIT + over}@client.test>").get_payload()).encode()
    assert body.split() == message.partition(b"\r\n\r\n")[2].split()


@pytest.mark.clause("KS-3.5")
@pytest.mark.parametrize("stated", [True, False])
def test_ks_3_5_a_message_one_byte_over_the_limit_is_refused(
    mail_client: MailClient, mail_customer: Customer, stated: bool
) -> None:
    one, two, _ = mail_customer.addresses
    with mail_client.logged_in(one, PASSWORD) as session:
        assert session.esmtp_features["size"] == str(LIMIT)
        if not stated:
            del session.esmtp_features["size"]
        with pytest.raises(smtplib.SMTPResponseException) as caught:
            session.sendmail(one, [two], of_size(LIMIT + 1, one, two))
    assert caught.value.smtp_code == 552


@pytest.mark.clause("KS-3.5")
def test_ks_3_5_incoming_mail_may_have_grown_by_headers_on_its_way(
    mail_client: MailClient, mail_customer: Customer
) -> None:
    one = mail_customer.addresses[0]
    with mail_client.smtp(mail_client.plan.ports.smtp) as session:
        assert session.esmtp_features["size"] == str(LIMIT + HEADROOM_BYTES)
        session.sendmail(OUTSIDE, [one], of_size(LIMIT + 4096, OUTSIDE, one))
        with pytest.raises(smtplib.SMTPResponseException) as caught:
            session.sendmail(OUTSIDE, [one], of_size(LIMIT + HEADROOM_BYTES + 1, OUTSIDE, one))
    assert caught.value.smtp_code == 552


@pytest.mark.clause("KS-2.7")
def test_ks_2_7_no_login_is_offered_or_taken_before_tls(mail_client: MailClient, mail_customer: Customer) -> None:
    one = mail_customer.addresses[0]
    with mail_client.imap(tls=False) as session:
        assert "LOGINDISABLED" in session.capabilities
        assert not [capability for capability in session.capabilities if capability.startswith("AUTH=")]
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            session.login(one, PASSWORD)
    for port in (mail_client.plan.ports.submission, mail_client.plan.ports.smtp):
        with mail_client.smtp(port, tls=False) as plain:
            assert not plain.has_extn("auth")
            assert plain.docmd("AUTH", "PLAIN")[0] in (502, 503, 530)
            assert plain.mail(one)[0] == 530


@pytest.mark.clause("KS-2.7")
@pytest.mark.parametrize("mechanism", ["PLAIN", "CRAM-MD5"])
def test_ks_2_7_under_tls_the_password_is_taken(
    mail_client: MailClient, mail_customer: Customer, mechanism: str
) -> None:
    mail_client.logged_in(mail_customer.addresses[0], PASSWORD, mechanism).quit()


@pytest.mark.clause("KS-2.5")
def test_ks_2_5_incoming_mail_comes_under_tls_alone_and_for_our_domains_alone(
    mail_client: MailClient, mail_customer: Customer
) -> None:
    one = mail_customer.addresses[0]
    with mail_client.smtp(mail_client.plan.ports.smtp, tls=False) as plain:
        assert plain.mail(OUTSIDE)[0] == 530
    with mail_client.smtp(mail_client.plan.ports.smtp) as session:
        assert not session.has_extn("auth")
        assert session.verify(one)[0] == 502
        session.mail(OUTSIDE)
        assert session.rcpt("somebody@elsewhere.test")[0] == 554
        assert session.rcpt(f"somebody%elsewhere.test@{mail_customer.domain}")[0] in REFUSED
        assert session.rcpt(f"@{mail_customer.domain}:somebody@elsewhere.test")[0] in REFUSED
        assert session.rcpt(one)[0] == 250


def test_the_management_port_is_for_managers_and_takes_no_mail(
    mail_client: MailClient, mail_customer: Customer
) -> None:
    port = mail_client.plan.ports.mail_management
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        mail_client.smtp(port, tls=False)
    assert caught.value.smtp_code == 554
    with MailClient(mail_client.plan, source="127.0.0.1").smtp(port) as session:
        assert not session.has_extn("auth")
        session.mail(OUTSIDE)
        assert session.rcpt(mail_customer.addresses[0])[0] in REFUSED


@pytest.mark.parametrize("key", [None, "wrong"])
def test_the_api_of_management_wants_its_key(comms_mail: MailServers, key: str | None) -> None:
    plan = comms_mail.ground.plan
    headers = {"Authorization": f"X-Dovecot-API {base64.b64encode(key.encode()).decode()}"} if key else {}
    url = f"http://{plan.management}:{plan.ports.doveadm}/doveadm/v1"
    answer = httpx.post(url, json=[["who", {}, ""]], headers=headers, trust_env=False)
    assert answer.status_code in (401, 403)


def test_nobody_outside_speaks_as_a_contact_or_as_somebody_in_its_domain(
    mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    for sender in (one, f"director@{mail_customer.domain}"):
        with mail_client.smtp(mail_client.plan.ports.smtp) as session:
            session.mail(sender)
            assert session.rcpt(two)[0] in REFUSED


def test_a_contact_sends_under_its_own_address_alone_and_not_outside(
    mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, three = mail_customer.addresses
    for sender in (two, OUTSIDE, f"nobody@{mail_customer.domain}"):
        with mail_client.logged_in(one, PASSWORD) as session:
            session.mail(sender)
            assert session.rcpt(three)[0] == 553
    with mail_client.logged_in(one, PASSWORD) as session:
        session.mail(one)
        assert session.rcpt(OUTSIDE)[0] == 554
        assert session.rcpt(three)[0] == 250


@pytest.mark.parametrize("name", ["c1'--", "c1' OR '1'='1", "c1\\' OR 1=1 --", "%", "c_"])
def test_a_name_with_quotes_finds_nobody(mail_client: MailClient, mail_customer: Customer, name: str) -> None:
    with mail_client.smtp(mail_client.plan.ports.smtp) as session:
        session.mail(OUTSIDE)
        quoted = name.replace("\\", "\\\\")
        assert session.docmd("RCPT", f'TO:<"{quoted}"@{mail_customer.domain}>')[0] in REFUSED


def test_guessing_passwords_is_slow_and_locks_nobody_out(mail_client: MailClient, mail_customer: Customer) -> None:
    one, two, _ = mail_customer.addresses
    attacker = MailClient(mail_client.plan, source="127.0.0.66")
    guesses = [(imap_accepts, smtp_accepts)[at % 2] for at in range(30)]
    with ThreadPoolExecutor(10) as threads:
        started = time.monotonic()
        running = [threads.submit(guess, attacker, one, f"guess {at}") for at, guess in enumerate(guesses)]
        for address in (two, one):
            before = time.monotonic()
            assert imap_accepts(mail_client, address, PASSWORD)
            assert smtp_accepts(mail_client, address, PASSWORD)
            assert time.monotonic() - before < 4
        assert not any(guess.result() for guess in running)
        assert time.monotonic() - started > 4  # 3 rounds of 10, each answered after up to 2 s
    assert smtp_accepts(attacker, two, PASSWORD)  # who shares the address is not shut out either


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_new_certificate_of_the_host_is_shown_and_live_sessions_go_on(
    comms_mail: MailServers, mail_service: MailService, mail_client: MailClient, mail_customer: Customer
) -> None:
    plan, authority = comms_mail.ground.plan, comms_mail.ground.authority
    first = certificate_at_imap(mail_client)
    with mail_client.inbox(mail_customer.addresses[0], PASSWORD) as live:
        renew(authority, plan.host)
        mail_service.reload()
        wait_until(lambda: certificate_at_imap(mail_client) != first, 10, "IMAP shows the new certificate")
        wait_until(lambda: certificate_at_submission(mail_client) != first, 40, "submission shows it as well")
        assert not is_closed(live)


def renew(authority: LocalAuthority, host: str) -> None:
    place = authority.ca_file.parent / host
    (place / "fullchain.pem").unlink()
    authority.of(host)


def certificate_at_imap(client: MailClient) -> bytes | None:
    with client.imap() as session:
        return shown(session.socket())


def certificate_at_submission(client: MailClient) -> bytes | None:
    with client.smtp() as session:
        return shown(session.sock)


def shown(sock: object) -> bytes | None:
    assert isinstance(sock, ssl.SSLSocket)
    return sock.getpeercert(binary_form=True)


def test_a_submitted_letter_is_signed_for_the_domain_of_who_logged_in(
    comms_mail: MailServers, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    letter = a_letter(one, two)
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(letter)
    raw = raw_of(mail_client, two, letter["Message-ID"])
    public = dkim_public(comms_mail.ground.plan)
    assert verified_domain(raw, public) == mail_customer.domain
    with pytest.raises(InvalidSignature):
        verified_domain(raw.replace(b"A letter", b"B letter"), public)


def test_a_forged_from_of_another_customer_is_not_signed_for_that_customer(
    comms_mail: MailServers, mail_client: MailClient, mail_customer: Customer
) -> None:
    one, two, _ = mail_customer.addresses
    letter = a_letter("director@victim.test", two)
    with mail_client.logged_in(one, PASSWORD) as session:
        session.send_message(letter, from_addr=one)
    raw = raw_of(mail_client, two, letter["Message-ID"])
    assert verified_domain(raw, dkim_public(comms_mail.ground.plan)) == mail_customer.domain


def test_incoming_mail_is_not_signed(mail_client: MailClient, mail_customer: Customer) -> None:
    one = mail_customer.addresses[0]
    letter = a_letter(OUTSIDE, one)
    with mail_client.smtp(mail_client.plan.ports.smtp) as session:
        session.send_message(letter)
    with mail_client.inbox(one, PASSWORD) as inbox:
        assert "DKIM-Signature" not in arrived(inbox, letter["Message-ID"])


def test_the_key_that_signs_stays_when_the_configuration_is_written_again(comms_mail: MailServers) -> None:
    plan = comms_mail.ground.plan
    assert files(plan)["mail/dkim/mail.private"] == dkim_key(plan)
    assert dkim_key(plan) != dkim_key(plan.model_copy(update={"home": plan.home / "elsewhere"}))


def raw_of(client: MailClient, address: str, message_id: str) -> bytes:
    with client.inbox(address, PASSWORD) as inbox:
        arrived(inbox, message_id)
        uid = inbox.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')[1][0].decode()
        answer = inbox.uid("FETCH", uid, "(BODY.PEEK[])")[1]
        return next(bytes(part[1]) for part in answer if isinstance(part, tuple))


def verified_domain(raw: bytes, public: str) -> str:
    """The domain whose signature (RFC 6376, relaxed/simple, RSA) holds. Raises InvalidSignature."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = [field + b"\r\n" for field in re.split(rb"\r\n(?![ \t])", head)]
    signature = next(field for field in fields if field.lower().startswith(b"dkim-signature:"))
    stripped = re.sub(rb"\s+", b"", signature.partition(b":")[2])
    tags = dict(tag.split(b"=", 1) for tag in stripped.split(b";") if tag)
    assert (tags[b"a"], tags[b"c"], tags[b"s"]) == (b"rsa-sha256", b"relaxed/simple", b"mail")
    simple = re.sub(rb"(\r\n)*$", b"", body) + b"\r\n"
    if base64.b64encode(hashlib.sha256(simple).digest()) != tags[b"bh"]:
        raise InvalidSignature
    signed = b""
    left = list(fields)
    for name in tags[b"h"].lower().split(b":"):
        found = [field for field in left if field.partition(b":")[0].lower() == name]
        if found:
            left.remove(found[-1])
            signed += relaxed(found[-1])
    signed += relaxed(re.sub(rb"b=[^;]*$", b"b=", signature.rstrip())).rstrip(b"\r\n")
    key = serialization.load_der_public_key(base64.b64decode(public))
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(tags[b"b"]), signed, padding.PKCS1v15(), hashes.SHA256())
    return tags[b"d"].decode()


def relaxed(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    return name.lower().strip() + b":" + re.sub(rb"[ \t\r\n]+", b" ", value).strip() + b"\r\n"
