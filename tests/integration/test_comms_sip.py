"""SIP of a complex on a real Kamailio and PostgreSQL, with phones that share no code with ours."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import update

from blocks.clients.comms import sip_server
from blocks.clients.comms.sip_rpc import SipRpc
from blocks.clients.directory import SIP_SUBSCRIBERS, Kind
from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Transient
from blocks.terms.ks_complex import ProofKind, Want
from tests.servers.baresip import baresip
from tests.servers.comms_sip import SipGround, sip_ground
from tests.servers.postgres import PostgresServer
from tests.servers.processes import wait_until
from tests.servers.sip_phone import AES_128, AES_256, GCM_256, Phone, offer

STRANGER, GOOD = "127.0.0.2", "127.0.0.3"
"""Addresses that are no manager's."""
_TIMEOUT_BYE = 4  # Kamailio's flag of a dialog that is ended by BYE at its limit


class Customer:
    """A customer with a domain of its own, a certificate for it, and contacts 1001 to 1003."""

    def __init__(self, sip: SipGround) -> None:
        self.sip, self.service = sip, sip.service
        self.domain = f"c{uuid4().hex[:12]}.test"
        self.passwords = {str(1001 + place): uuid4().hex for place in range(3)}
        self.accounts = [self.account(number, password) for number, password in self.passwords.items()]
        self.service.install_certificate(self.domain, sip.ground.authority.of(self.domain))
        self.service.provision(self.domain, self.accounts)

    def account(self, number: str, password: str) -> AccountHashes:
        return hash_account(f"n{number}", self.domain, number, password)

    def phone(self, number: str, password: str = "", *, source: str = "127.0.0.1") -> Phone:
        ca_file = str(self.sip.plan.ca_file)
        secret = password or self.passwords.get(number, "none")
        return Phone(self.sip.plan.ports.sips, ca_file, self.domain, number, secret, source=source)

    def rpc(self) -> SipRpc:
        return SipRpc(str(sip_server.at(self.sip.plan).rpc_url))

    def registered(self, number: str) -> list[str]:
        return self.rpc().registered(self.domain, number)

    def wants(self, kind: ProofKind) -> list[Want]:
        return [Want(account.name, kind) for account in self.accounts]


@pytest.fixture
def customer(sip: SipGround) -> Iterator[Customer]:
    made = Customer(sip)
    yield made
    made.service.delete(made.domain)
    made.service.remove_certificate(made.domain)


@pytest.fixture(scope="module")
def free(postgres: PostgresServer) -> Iterator[SipGround]:
    """Calls without a limit, on a server that may be stopped."""
    with sip_ground(postgres, call_seconds=0) as made:
        yield made


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_a_phone_registers_with_its_password(customer: Customer) -> None:
    with customer.phone("1001") as phone:
        assert phone.register().code == 200
        assert len(customer.registered("1001")) == 1
        assert phone.register(0).code == 200
        assert customer.registered("1001") == []


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_every_contact_is_proven_without_its_password(customer: Customer) -> None:
    proofs = customer.service.verify(customer.domain, customer.accounts, customer.wants(ProofKind.SIP))
    assert [proof.want for proof in proofs] == customer.wants(ProofKind.SIP)
    assert all(proof.ok for proof in proofs)
    assert proofs[0].facts["tls"] == "TLSv1.3"
    assert proofs[0].facts["bits"] == "256"
    assert customer.registered("1001") == []


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_a_proven_call_rings_no_phone_and_takes_no_registration_away(customer: Customer) -> None:
    with customer.phone("1001") as first, customer.phone("1002") as second:
        first.register()
        second.register()
        proof = customer.service.verify(customer.domain, customer.accounts, [Want("n1001", ProofKind.SIP_CALL)])[0]
        assert proof.ok, proof.detail
        assert proof.facts["srtp"] == AES_256
        for phone in (first, second):
            with pytest.raises(TimeoutError):
                phone.receive(0.2)
            assert len(customer.registered(phone.number)) == 1


def test_wants_of_other_services_are_not_answered(customer: Customer) -> None:
    wants = [Want("n1001", ProofKind.XMPP), Want("n1001", ProofKind.SIP), Want("", ProofKind.TLS)]
    proofs = customer.service.verify(customer.domain, customer.accounts, wants)
    assert [proof.want for proof in proofs] == [wants[1]]


def test_a_wrong_key_is_a_proof_that_says_so(customer: Customer) -> None:
    wrong = [customer.account("1001", "another"), *customer.accounts[1:]]
    both = [Want("n1001", ProofKind.SIP), Want("n1001", ProofKind.SIP_CALL), Want("n1002", ProofKind.SIP)]
    proofs = customer.service.verify(customer.domain, wrong, both)
    assert [proof.ok for proof in proofs] == [False, False, True]
    assert proofs[0].detail == "REGISTER 401"
    assert proofs[1].detail == "INVITE 407"


def test_a_domain_without_its_certificate_is_a_proof_that_says_so(customer: Customer) -> None:
    customer.service.remove_certificate(customer.domain)
    proof = customer.service.verify(customer.domain, customer.accounts, [Want("n1001", ProofKind.SIP)])[0]
    assert not proof.ok
    assert "certificate" in proof.detail


def test_provisioning_again_leaves_phones_alone_and_logs_out_who_is_gone_or_changed(customer: Customer) -> None:
    phones = [customer.phone(number) for number in customer.passwords]
    for phone in phones:
        phone.register()
    dialog = phones[0].call(phones[2])
    customer.service.provision(customer.domain, customer.accounts)
    assert [len(customer.registered(number)) for number in customer.passwords] == [1, 1, 1]
    changed = customer.account("1002", "another")
    customer.service.provision(customer.domain, [customer.accounts[0], changed])
    assert [len(customer.registered(number)) for number in customer.passwords] == [1, 0, 0]
    assert phones[0].wait("BYE")["Call-ID"] == phones[2].wait("BYE")["Call-ID"] == dialog.call_id
    assert phones[1].register().code == 401
    assert phones[2].register().code == 401
    with customer.phone("1002", "another") as phone:
        assert phone.register().code == 200
    for phone in phones:
        phone.socket.close()


def test_suspension_ends_calls_and_registrations_and_resuming_lets_the_same_password_in(customer: Customer) -> None:
    other = Customer(customer.sip)
    with customer.phone("1001") as caller, customer.phone("1002") as callee, other.phone("1001") as outside:
        for phone in (caller, callee, outside):
            assert phone.register().code == 200
        dialog = caller.call(callee)
        customer.service.suspend(customer.domain)
        assert caller.wait("BYE")["Call-ID"] == callee.wait("BYE")["Call-ID"] == dialog.call_id
        assert customer.registered("1001") == customer.registered("1002") == []
        assert caller.register().code == 401
        assert caller.start_call(callee.own(), offer(AES_256)).code == 407
        customer.service.suspend(customer.domain)
        assert len(other.registered("1001")) == 1
        customer.service.resume(customer.domain)
        customer.service.resume(customer.domain)
        assert caller.register().code == 200
    other.service.delete(other.domain)
    other.service.remove_certificate(other.domain)


def test_a_call_that_rang_at_the_suspension_is_ended_when_it_is_answered(customer: Customer) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        callee.register()
        asked = caller.ring(callee)
        customer.service.suspend(customer.domain)
        callee.answer(asked, offer(AES_256))
        caller.answered(callee)
        for phone in (caller, callee):
            assert phone.wait("BYE", 5)["Call-ID"] == asked["Call-ID"]


def test_a_deleted_domain_leaves_nothing_and_can_be_deleted_again(customer: Customer) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        caller.register()
        callee.register()
        caller.call(callee)
        customer.service.delete(customer.domain)
        caller.wait("BYE")
        callee.wait("BYE")
        assert customer.registered("1001") == []
        assert caller.register().code == 401
    assert customer.domain not in customer.sip.ground.directory.domains(Kind.SIP)
    customer.service.delete(customer.domain)
    customer.service.suspend("never.test")
    customer.service.resume("never.test")
    customer.service.delete("never.test")


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize(
    "body",
    [
        offer(profile="RTP/AVP"),
        offer(AES_256, profile="RTP/AVP"),
        offer(AES_128),
        offer(AES_256, extra=" UNENCRYPTED_SRTP"),
        offer(AES_256) + "m=video 40002 RTP/AVP 96\r\n",
        offer(AES_256) + "m=video 40002 UDP/TLS/RTP/SAVP 96\r\n",
        "",
    ],
    ids=["no SRTP", "keys without SRTP", "128 bits", "unencrypted", "video in clear", "DTLS", "no offer"],
)
def test_ks_2_6_a_call_without_srtp_of_256_bits_is_refused(customer: Customer, body: str) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        callee.register()
        assert caller.start_call(callee.own(), body).code == 488


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_lesser_suites_are_taken_from_offers_and_answers(customer: Customer) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        callee.register()
        dialog = caller.call(callee, offer(AES_128, AES_128, GCM_256, AES_128), offer(AES_128, GCM_256))
        for description in (callee.last_offer, caller.last_answer):
            assert GCM_256 in description
            assert AES_128 not in description
        again = caller.within(dialog, "INVITE", offer(profile="RTP/AVP"))
        assert again is not None
        assert again.code == 488


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_phone_of_another_maker_talks_under_256_bits_and_is_refused_with_128(customer: Customer) -> None:
    plan, dial = customer.sip.plan, f"/dial sip:1002@{customer.domain}"
    line = (plan.ports.sips, plan.ca_file, customer.domain)
    with (
        baresip(*line, "1001", customer.passwords["1001"], dial) as caller,
        baresip(*line, "1002", customer.passwords["1002"]),
        customer.phone("1003") as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
    ):
        wait_until(lambda: "488 SRTP With 256 Bits" in caller.log.read_text(errors="replace"), 15, "it is refused")
        wait_until(lambda: bool(customer.registered("1002")), 15, "it is registered")
        media.bind(("127.0.0.1", 0))
        media.settimeout(10)
        body = offer(GCM_256, AES_128, port=media.getsockname()[1])
        said = ours.start_call(ours.own("1002"), body)
        assert said.code == 200
        assert f"a=crypto:1 {GCM_256} " in said.body
        ours.acknowledge(said)
        assert len(media.recv(2048)) == 12 + 160 + 16  # RTP's head, 20 ms of speech, the tag of AES-GCM


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_only_inside_numbers_of_the_own_domain_can_be_called(customer: Customer) -> None:
    other = Customer(customer.sip)
    with customer.phone("1001") as phone, other.phone("1002") as outside:
        outside.register()
        targets = {
            f"sip:0049891234@{customer.domain}": 403,
            f"sip:+4989@{customer.domain}": 403,
            f"sip:100@{customer.domain}": 403,
            outside.own(): 403,
            "sip:1002@127.0.0.1:5060": 403,
            f"sip:1009@{customer.domain}": 404,
            f"sip:1002@{customer.domain}": 480,
        }
        assert {target: phone.start_call(target, offer(AES_256)).code for target in targets} == targets
        assert phone.ask("MESSAGE", phone.own("1002")).code == 405
    other.service.delete(other.domain)
    other.service.remove_certificate(other.domain)


def test_nobody_registers_for_another_number_or_domain(customer: Customer) -> None:
    other = Customer(customer.sip)
    with customer.phone("1001") as phone:
        contact = (("Contact", phone.contact),)
        for stolen in (phone.own("1002"), f"sip:1001@{other.domain}"):
            said = phone.ask("REGISTER", f"sip:{customer.domain}", to=stolen, extra=contact)
            assert said.code in {401, 403}
            said = phone.ask("REGISTER", f"sip:{customer.domain}", to=stolen, sender=stolen, extra=contact)
            assert said.code in {401, 403}
        assert phone.start_call(phone.own("1002"), offer(AES_256)).code == 480
        said = phone.ask("INVITE", phone.own("1002"), sender=phone.own("1003"), body=offer(AES_256))
        assert said.code == 407
    assert customer.registered("1002") == other.registered("1001") == []
    other.service.delete(other.domain)
    other.service.remove_certificate(other.domain)


def test_requests_of_a_call_that_is_not_known_go_nowhere(customer: Customer) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee, customer.phone("1003") as stranger:
        callee.register()
        dialog = caller.call(callee)
        dialog.call_id = uuid4().hex
        said = stranger.within(dialog, "BYE")
        assert said is not None
        assert said.code == 481
        with pytest.raises(TimeoutError):
            callee.receive(0.2)


def test_a_request_in_a_call_is_never_taken_to_another_host(customer: Customer) -> None:
    with (
        customer.phone("1001") as caller,
        customer.phone("1002") as callee,
        socket.create_server(("127.0.0.1", 0)) as outside,
    ):
        callee.register()
        dialog = caller.call(callee)
        dialog.target = f"sip:1002@127.0.0.1:{outside.getsockname()[1]};transport=tls"
        caller.ask_within(dialog, "INFO")
        callee.reply(callee.wait("INFO"), "200 OK")
        assert caller.final("INFO").code == 200
        outside.settimeout(0.2)
        with pytest.raises(TimeoutError):
            outside.accept()


def test_an_unknown_name_an_unknown_domain_and_a_wrong_password_are_answered_alike(customer: Customer) -> None:
    shapes = []
    for number, domain in (("1001", customer.domain), ("4711", customer.domain), ("1001", "nobody.test")):
        with customer.phone(number, "wrong") as phone:
            phone.domain = domain
            for login in (False, True):
                said = phone.ask("REGISTER", f"sip:{domain}", to=phone.own(), login=login)
                challenge = said["WWW-Authenticate"].split("nonce=")[0].replace(domain, "DOMAIN")
                names = sorted(name for name, _ in said.headers)
                shapes.append((said.start, challenge, tuple(names)))
    assert len(set(shapes)) == 1


def test_who_guesses_must_wait_and_the_good_phone_elsewhere_does_not(customer: Customer) -> None:
    with customer.phone("1001", "wrong", source=STRANGER) as guesser:
        codes = [guesser.register().code for _ in range(12)]
    assert codes == [401] * 10 + [503] * 2
    with customer.phone("1001", source=STRANGER) as late:
        said = late.register()
        assert said.code == 503
        assert said["Retry-After"] == "60"
    with customer.phone("1001", source=GOOD) as good, customer.phone("1002", source=STRANGER) as neighbour:
        assert good.register().code == 200
        assert neighbour.register().code == 200


def test_who_guesses_at_many_numbers_must_wait_but_phones_known_there_do_not(customer: Customer) -> None:
    source = "127.0.0.4"
    with customer.phone("1001", source=source) as known, customer.phone("1002", source=source) as new:
        assert known.register().code == 200
        codes = []
        for number in range(2000, 2110):
            with customer.phone(str(number), "guess", source=source) as guesser:
                codes.append(guesser.register().code)
        assert codes == [401] * 100 + [503] * 10
        assert known.register().code == 200
        assert new.register().code == 503


def test_a_flood_from_one_address_is_dropped(customer: Customer) -> None:
    with customer.phone("1001", source="127.0.0.5") as flood, customer.phone("1001", source="127.0.0.6") as other:
        with pytest.raises(TimeoutError):
            flood.flood(2000)
        assert other.register().code == 200


def test_a_certificate_is_replaced_under_a_live_connection(customer: Customer) -> None:
    with customer.phone("1001") as before:
        assert before.register().code == 200
        bundle = customer.sip.ground.authority.of(customer.domain)
        place = customer.sip.plan.home / "ca" / customer.domain
        (place / "privkey.pem").unlink()
        new = customer.sip.ground.authority.of(customer.domain)
        assert new.chain != bundle.chain
        customer.service.install_certificate(customer.domain, new)
        with customer.phone("1002") as after:
            assert after.socket.getpeercert(True) != before.socket.getpeercert(True)
            assert after.register().code == 200
        assert before.register().code == 200
        assert before.ask("OPTIONS", f"sip:{customer.domain}").code == 200


def test_a_domain_that_the_certificate_of_the_host_is_good_for_is_not_listed_and_nothing_is_read_again(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloads: list[str] = []
    monkeypatch.setattr(customer.service, "_reload", lambda: reloads.append("read"))
    authority, plan = customer.sip.ground.authority, customer.sip.plan
    listing = plan.home / "sip" / "tls" / "tls.cfg"
    below, far = f"k000001.{plan.host}", f"far.k000001.{plan.host}"
    customer.service.install_certificate(below, authority.of(below))
    assert (reloads, below in listing.read_text()) == ([], False)
    customer.service.install_certificate(far, authority.of(far))
    assert (reloads, far in listing.read_text()) == (["read"], True)
    customer.service.remove_certificate(far)
    customer.service.remove_certificate(below)
    assert (len(reloads), far in listing.read_text()) == (2, False)


def test_versions_and_state_are_asked_of_the_server(customer: Customer) -> None:
    software = customer.service.software()[0]
    assert (software.role, software.name) == ("SIP", "Kamailio")
    assert software.version.startswith("5.")
    assert software.version in customer.service.check()


def test_a_contact_leaves_when_its_connection_does(customer: Customer) -> None:
    with customer.phone("1001") as phone:
        phone.register()
    wait_until(lambda: not customer.registered("1001"), 15, "the registration is gone")


@pytest.mark.clause("KS-3.5")
def test_ks_3_5_a_call_is_ended_on_both_sides_at_its_limit_and_refreshing_does_not_stretch_it(
    postgres: PostgresServer,
) -> None:
    with sip_ground(postgres, call_seconds=4) as limited:
        customer = Customer(limited)
        with customer.phone("1001") as caller, customer.phone("1002") as callee:
            callee.register()
            dialog = caller.call(callee)
            began = time.monotonic()
            wait_until(lambda: time.monotonic() - began > 2, 5, "half of the call")
            caller.ask_within(dialog, "INVITE", offer(AES_256))
            callee.take(offer(AES_256))
            assert caller.final("INVITE").code == 200
            caller.within(dialog, "ACK")
            for phone in (caller, callee):
                lasted = phone.wait("BYE").at - began
                assert 3 <= lasted <= 5.8


@pytest.mark.clause("KS-3.5")
def test_ks_3_5_a_call_without_a_limit_gets_no_bye_of_ours(free: SipGround) -> None:
    customer = Customer(free)
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        callee.register()
        caller.call(callee)
        [dialog] = customer.rpc().call("dlg.list")
        assert dialog["lifetime"] == 7 * 86400
        assert not dialog["dflags"] & _TIMEOUT_BYE
        customer.service.suspend(customer.domain)
        caller.wait("BYE")
        callee.wait("BYE")


def test_a_call_goes_over_a_restart_and_ends_once_its_phones_are_back(free: SipGround) -> None:
    customer = Customer(free)
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        callee.register()
        dialog = caller.call(callee)
        free.restart()
        assert [call.call_id for call in customer.rpc().calls(customer.domain, {"1001"})] == [dialog.call_id]
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        assert caller.register().code == 200
        assert callee.register().code == 200
        caller.ask_within(dialog, "BYE")
        callee.reply(callee.wait("BYE"), "200 OK")
        assert caller.final("BYE").code == 200
    assert customer.rpc().calls(customer.domain, {"1001"}) == []
    customer.service.delete(customer.domain)


def test_a_server_that_is_down_is_told_as_such(free: SipGround) -> None:
    customer = Customer(free)
    free.stop()
    try:
        with pytest.raises(Transient):
            customer.service.verify(customer.domain, customer.accounts, customer.wants(ProofKind.SIP))
        for step in (customer.service.suspend, customer.service.delete):
            with pytest.raises(Transient):
                step(customer.domain)
        with pytest.raises(Transient):
            customer.service.software()
    finally:
        free.start()
    customer.service.delete(customer.domain)


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_a_hundred_contacts_are_proven_in_seconds_and_as_fast_shut(customer: Customer) -> None:
    many = [customer.account(str(2000 + place), f"p{place}") for place in range(100)]
    customer.service.provision(customer.domain, many)
    wants = [Want(account.name, ProofKind.SIP) for account in many]
    began = time.monotonic()
    assert all(proof.ok for proof in customer.service.verify(customer.domain, many, wants))
    proven = time.monotonic()
    customer.service.suspend(customer.domain)
    shut = time.monotonic()
    print(f"100 contacts: proven in {proven - began:.2f} s, suspended in {shut - proven:.2f} s")
    assert proven - began < 5
    assert shut - proven < 5


class Impostor(Phone):
    """A phone that names its domain in the user name, and answers with a key that it made up."""

    key, called = b"\0" * 32, ""

    def _digest(self, challenge: str, method: str, uri: str) -> str:
        realm, nonce = (re.findall(rf'{name}="([^"]*)"', challenge)[0] for name in ("realm", "nonce"))
        ha2 = hashlib.md5(f"{method}:{uri}".encode(), usedforsecurity=False).hexdigest()
        text = self.key + f":{nonce}:00000001:mine:auth:{ha2}".encode()
        response = hashlib.md5(text, usedforsecurity=False).hexdigest()
        return (
            f'Digest username="{self.called or self.number}",realm="{realm}",nonce="{nonce}",uri="{uri}",'
            f'response="{response}",algorithm=MD5,qop=auth,nc=00000001,cnonce="mine"'
        )


def test_a_user_name_with_a_domain_in_it_is_no_way_in(customer: Customer, sip: SipGround) -> None:
    other = Customer(sip)
    key = "0123456789abcdef" * 2
    with sip.ground.directory.transaction("a made-up key") as connection:
        connection.execute(update(SIP_SUBSCRIBERS).where(SIP_SUBSCRIBERS.c.domain == other.domain).values(ha1b=key))
    with Impostor(sip.plan.ports.sips, str(sip.plan.ca_file), customer.domain, "1001", "") as phone:
        phone.key, phone.called = key.encode(), f"1001@{other.domain}"
        assert phone.register().code == 401
    assert customer.registered("1001") == []
    other.service.delete(other.domain)


@pytest.mark.parametrize("more", [":5061", ";transport=tls", ":5061;a=b"])
def test_a_call_from_an_address_with_a_port_or_parameters_ends_at_the_suspension(customer: Customer, more: str) -> None:
    with customer.phone("1001") as caller, customer.phone("1002") as callee:
        caller.register()
        callee.register()
        own = caller.own()
        caller.own = lambda *_: own + more  # type: ignore[method-assign]
        caller.call(callee)
        customer.service.suspend(customer.domain)
        assert callee.wait("BYE")


def test_a_request_in_a_call_reaches_nobody_outside_it(customer: Customer, sip: SipGround) -> None:
    other = Customer(sip)
    with customer.phone("1001") as caller, customer.phone("1002") as callee, other.phone("1001") as stranger:
        for phone in (caller, callee, stranger):
            phone.register()
        dialog = caller.call(callee)
        dialog.target = stranger.contact.strip("<>")
        caller.ask_within(dialog, "INFO")
        assert callee.wait("INFO").start.startswith(f"INFO {callee.contact.strip('<>')}")
        with pytest.raises(TimeoutError):
            stranger.receive(0.5)
        dialog.routes = [*dialog.routes, stranger.contact.replace(">", ";lr>")]
        caller.ask_within(dialog, "INFO")
        with pytest.raises(TimeoutError):
            stranger.receive(0.5)
    other.service.delete(other.domain)


def test_a_proof_of_a_contact_that_is_not_there_says_so(customer: Customer) -> None:
    wants = [Want("nobody", ProofKind.SIP), Want("nobody", ProofKind.SIP_CALL)]
    proofs = customer.service.verify(customer.domain, customer.accounts, wants)
    assert [(proof.want, proof.ok, proof.detail) for proof in proofs] == [
        (want, False, "there is no such account") for want in wants
    ]


@pytest.mark.clause("KS-2.4")
def test_ks_2_4_many_phones_that_come_at_once_are_all_let_in_and_the_server_lives_on(customer: Customer) -> None:
    before = customer.rpc().call("core.uptime")["up_since"]
    wants = customer.wants(ProofKind.SIP) * 30 + customer.wants(ProofKind.SIP_CALL) * 2
    for _ in range(4):
        proofs = customer.service.verify(customer.domain, customer.accounts, wants)
        assert [proof.detail for proof in proofs if not proof.ok] == []
    assert customer.rpc().call("core.uptime")["up_since"] == before
