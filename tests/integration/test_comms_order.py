"""Orders on a real complex: from the event to contacts that log in with the passwords of the credential file."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import slixmpp
from sqlalchemy import select

from blocks.clients.consumers import domain_endpoints
from blocks.clients.endpoints import look
from blocks.ledger import Certificate, CertificateState, SealedAccounts, reading
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from blocks.terms.ks_complex import ProofKind, wanted
from flows.rotating import turn_site
from tasks.certificate_rotation import declare_emergency
from tests.comms_work import active, customers, proofs
from tests.conftest import PaymentSandbox, eventually
from tests.servers.comms_whole import Customer, Messenger, Whole
from tests.work import MINUTE, NOW, decide, drain, service_of, state

CONTACTS = 6


@pytest.mark.clause("KS-1.4", "KS-2.3", "KS-2.4", "KS-2.5", "KS-2.6")
def test_ks_2_3_an_order_of_six_is_active_once_every_contact_was_logged_in(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = active(complex_office, sandbox, CONTACTS)
    domain = service_of(complex_office, number).name
    seen = proofs(complex_office, number)
    names = [f"c{place:03d}" for place in range(1, CONTACTS + 1)]
    assert {(proof.contact, proof.kind) for proof in seen if proof.ok} == {
        (want.contact, want.kind.value) for want in wanted(names)
    }
    assert all(proof.ok for proof in seen), [proof.detail for proof in seen if not proof.ok]
    for kind in (ProofKind.XMPP, ProofKind.IMAP, ProofKind.SUBMISSION, ProofKind.SIP):
        facts = [proof.facts for proof in seen if proof.kind == kind]
        assert {fact["bits"] for fact in facts} == {"256"}
    with reading(complex_office.sessions) as session:
        assert session.scalars(select(SealedAccounts)).all() == []

    contacts = customers(whole, complex_office, number, tmp_path)
    drain(complex_office, NOW + 2 * MINUTE)
    assert state(complex_office, number) == "completed"
    assert [(contact.name, contact.domain) for contact in contacts] == [(name, domain) for name in names]
    for contact in contacts:
        assert contact.doors() == [True] * 4, contact.address
    wrong = whole.customer(contacts[0].name, contacts[0].number, domain, contacts[1].password)
    assert wrong.doors() == [False] * 4


@pytest.mark.clause("KS-2.3", "KS-2.4", "KS-2.5")
def test_ks_2_5_contacts_write_to_each_other_and_find_nothing_of_the_verification(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = active(complex_office, sandbox, 2)
    first, second = customers(whole, complex_office, number, tmp_path)
    assert asyncio.run(_messages(first, second)) == ["Добрый день"], "what the verification said is not kept"
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = first.address, second.address, "hello"
    letter.set_content("first")
    with first.submission() as line:
        line.send_message(letter)
    box = second.imap()
    eventually(lambda: box.select("INBOX")[1] == [b"1"])
    assert "hello" in str(box.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")[1])
    box.shutdown()
    with first.phone_registers() as caller, second.phone_registers() as callee:
        dialog = caller.call(callee)
        caller.ask_within(dialog, "BYE")
        callee.reply(callee.wait("BYE"), "200 OK")
        assert caller.final("BYE").code == 200


async def _messages(first: Customer, second: Customer) -> list[str]:
    came: list[str] = []
    here, there = Messenger(first), Messenger(second)
    arrived = asyncio.Event()

    def keep(message: Any) -> None:
        came.append(message["body"])
        arrived.set()

    there.add_event_handler("message", keep)
    assert await there.arrives()
    assert await here.arrives()
    there.send_presence()
    here.send_message(slixmpp.JID(second.address), "Добрый день")
    async with asyncio.timeout(20):
        await arrived.wait()
    for messenger in (here, there):
        await messenger.leave()
    return came


@pytest.mark.clause("KS-2.6", "KS-2.7")
def test_ks_2_7_suspension_closes_live_sessions_and_doors_and_resumption_opens_them(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = active(complex_office, sandbox, 2)
    first, second = customers(whole, complex_office, number, tmp_path)
    drain(complex_office, NOW + 2 * MINUTE)
    box, caller, callee = first.imap(), first.phone_registers(), second.phone_registers()
    caller.call(callee)

    async def suspended() -> bool:
        messenger = Messenger(first)
        assert await messenger.arrives()
        decided = asyncio.to_thread(decide, complex_office, number, "suspend", NOW + 3 * MINUTE)
        assert "suspended" in await decided
        async with asyncio.timeout(20):
            gone = await messenger.gone
        await messenger.leave()
        return gone

    assert asyncio.run(suspended())
    with pytest.raises((box.abort, OSError)):
        [box.noop() for _ in range(3)]  # the first may still read the server's farewell
    with suppress(OSError):
        box.shutdown()
    assert caller.wait("BYE").method == "BYE"
    assert callee.wait("BYE").method == "BYE"
    for phone in (caller, callee):
        phone.socket.close()
    assert first.doors() == [False] * 4
    decide(complex_office, number, "resume", NOW + 4 * MINUTE)
    assert service_of(complex_office, number).state.value == "active"
    assert first.doors() == [True] * 4
    assert second.doors() == [True] * 4


@pytest.mark.clause("KS-2.6", "KS-3.8")
def test_ks_2_6_a_domain_whose_key_is_known_shows_another_certificate_at_once_on_all_its_servers(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = active(complex_office, sandbox, 2)
    domain = service_of(complex_office, number).name
    contacts = customers(whole, complex_office, number, tmp_path)
    with reading(complex_office.sessions) as session:
        [first] = session.scalars(select(Certificate))
    at = first.not_before + 2 * MINUTE
    declare_emergency(
        complex_office, domain, Emergency.KEY_COMPROMISE, who="О. Петрова", note_text="ключ известен", now=at
    )
    turn = turn_site(complex_office, domain, worker="test", now=at)
    with reading(complex_office.sessions) as session:
        former, second = session.scalars(select(Certificate).order_by(Certificate.id))
    assert (former.state, second.state) == (CertificateState.REVOKED, CertificateState.IN_SERVICE), turn.faults
    place = complex_office.complexes.addresses()[0]
    shown = {str(each): look(each) for each in domain_endpoints(place, domain)}
    assert len(shown) == 4
    assert shown == dict.fromkeys(shown, second.fingerprint)
    for contact in contacts:
        assert contact.doors() == [True] * 4, contact.address
