"""The scan of client ports against ports that offer what they must not, and against such as are right."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from OpenSSL import SSL
from pydantic import HttpUrl

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.addresses import ComplexAt, MailAt, SipAt, XmppAt
from blocks.clients.comms.tls_hello import STRONG, TLS_1_1, WEAK, client_hello, server_answer
from blocks.clients.comms.tls_prelude import Speech
from blocks.clients.comms.tls_scan import Endpoint, PortScan, TlsScan, endpoints, scan_port
from blocks.errors import Transient
from blocks.terms.ks_complex import ProofKind
from tests.servers.processes import free_port
from tests.servers.tls_port import GOOD_CIPHERS, GOOD_SUITES, Manners, tls_port

NOW = datetime.now(UTC)
NAME = "k000001.example.test"
URL = HttpUrl("http://127.0.0.1:1/")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    made = LocalAuthority(tmp_path_factory.mktemp("ca"), lambda: NOW)
    for name in (NAME, "host.test"):
        made.of(name)
    return made


def scanned(
    authority: LocalAuthority,
    manners: Manners,
    *,
    name: str = NAME,
    now: datetime = NOW,
    ca_file: Path | None = None,
    takes_logins: bool = True,
) -> PortScan:
    with tls_port(manners, authority.ca_file.parent / NAME) as port:
        endpoint = Endpoint("port", "127.0.0.1", port, manners.speech, manners.tls_first, name, takes_logins)
        return scan_port(endpoint, ca_file=ca_file or authority.ca_file, now=now)


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize("speech", list(Speech))
@pytest.mark.parametrize("tls_first", [True, False])
def test_ks_2_6_a_port_with_strong_tls_alone_is_found_right(
    authority: LocalAuthority, speech: Speech, tls_first: bool
) -> None:
    if speech is Speech.NONE and not tls_first:
        return
    seen = scanned(authority, Manners(speech=speech, tls_first=tls_first))
    assert seen.faults == ()
    assert seen.agreed == ("TLSv1.3 TLS_AES_256_GCM_SHA384", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384")
    assert seen.certificate_ends is not None
    assert timedelta(days=89) < seen.certificate_ends - NOW <= timedelta(days=90)


def test_a_hello_offers_every_cipher_of_openssl_as_weak_or_as_strong() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    known = {each["id"] & 0xFFFF: each["alg_bits"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}
    assert len(known) > 100
    assert {suite for suite, bits in known.items() if bits < 256} <= set(WEAK)
    assert {suite for suite, bits in known.items() if bits >= 256} <= set(STRONG)
    assert not set(WEAK) & set(STRONG)


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-NULL-SHA", "ECDHE-ECDSA-AES128-SHA"])
def test_ks_2_6_a_weak_cipher_beside_a_strong_one_is_found(authority: LocalAuthority, cipher: str) -> None:
    seen = scanned(authority, Manners(ciphers=f"{GOOD_CIPHERS}:{cipher}:@SECLEVEL=0"))
    assert any(cipher in fault and "TLSv1.2" in fault for fault in seen.faults)


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize(("version", "name"), [(SSL.TLS1_VERSION, "TLSv1"), (SSL.TLS1_1_VERSION, "TLSv1.1")])
def test_ks_2_6_an_old_version_is_found(authority: LocalAuthority, version: int, name: str) -> None:
    manners = Manners(ciphers="ALL:@SECLEVEL=0", lowest=version, highest=version)
    with ExitStack() as stack:
        port = stack.enter_context(tls_port(manners, authority.ca_file.parent / NAME))
        connected = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        connected.sendall(client_hello(TLS_1_1, (*WEAK, *STRONG), NAME))
        answer = server_answer(connected.recv)
    assert answer is not None
    assert answer.version == name


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_an_old_version_beside_the_new_ones_is_found(authority: LocalAuthority) -> None:
    seen = scanned(authority, Manners(ciphers="ALL:@SECLEVEL=0", lowest=SSL.TLS1_1_VERSION))
    assert any(fault.startswith("agrees on TLSv1.1 ") for fault in seen.faults)


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_port_without_tls_1_3_is_found(authority: LocalAuthority) -> None:
    seen = scanned(authority, Manners(highest=SSL.TLS1_2_VERSION))
    assert any(fault.startswith("no TLS 1.3: ") for fault in seen.faults)


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_port_without_strong_tls_1_2_is_found(authority: LocalAuthority) -> None:
    seen = scanned(authority, Manners(lowest=SSL.TLS1_3_VERSION))
    assert any(fault.startswith("no TLS 1.2 with 256 bits: ") for fault in seen.faults)


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_128_bits_in_tls_1_3_are_found_though_a_good_client_gets_256(authority: LocalAuthority) -> None:
    seen = scanned(authority, Manners(suites=f"{GOOD_SUITES}:TLS_AES_128_GCM_SHA256"))
    assert seen.faults == ("agrees on TLSv1.3 TLS_AES_128_GCM_SHA256, 128 bits",)


@pytest.mark.clause("KS-2.7")
@pytest.mark.parametrize("speech", [Speech.XMPP, Speech.IMAP, Speech.SMTP])
def test_ks_2_7_a_login_offered_in_clear_is_found(authority: LocalAuthority, speech: Speech) -> None:
    seen = scanned(authority, Manners(speech=speech, tls_first=False, login_in_clear=True))
    assert "SASL in clear" in seen.faults


@pytest.mark.clause("KS-2.7")
@pytest.mark.parametrize("speech", [Speech.XMPP, Speech.IMAP, Speech.SMTP])
@pytest.mark.parametrize("tls_first", [True, False])
def test_ks_2_7_a_port_for_logins_that_offers_none_under_tls_is_found(
    authority: LocalAuthority, speech: Speech, tls_first: bool
) -> None:
    manners = Manners(speech=speech, tls_first=tls_first, login_under_tls=False)
    assert "no SASL under TLS" in scanned(authority, manners).faults
    assert scanned(authority, manners, takes_logins=False).faults == ()


@pytest.mark.clause("KS-2.7")
@pytest.mark.parametrize("speech", [Speech.XMPP, Speech.IMAP, Speech.SMTP])
def test_ks_2_7_a_port_that_offers_no_tls_is_found(authority: LocalAuthority, speech: Speech) -> None:
    seen = scanned(authority, Manners(speech=speech, tls_first=False, offers_tls=False))
    assert "no TLS 1.3: it offers no STARTTLS" in seen.faults


@pytest.mark.clause("KS-2.7")
def test_ks_2_7_words_in_clear_behind_the_answer_to_starttls_are_found(authority: LocalAuthority) -> None:
    manners = Manners(speech=Speech.SMTP, tls_first=False, after_start=b"250 injected\r\n")
    assert "no TLS 1.3: it goes on in clear after STARTTLS" in scanned(authority, manners).faults


def test_a_certificate_for_another_name_is_found(authority: LocalAuthority) -> None:
    seen = scanned(authority, Manners(), name="k000002.example.test")
    assert "certificate: Hostname mismatch" in seen.faults[0]


def test_a_certificate_of_an_authority_that_is_not_ours_is_found(authority: LocalAuthority, tmp_path: Path) -> None:
    other = LocalAuthority(tmp_path, lambda: NOW)
    assert "certificate: " in scanned(authority, Manners(), ca_file=other.ca_file).faults[0]


def test_a_certificate_is_found_less_than_seven_days_before_its_end(authority: LocalAuthority) -> None:
    ends = scanned(authority, Manners()).certificate_ends
    assert ends is not None
    assert scanned(authority, Manners(), now=ends - timedelta(days=7)).faults == ()
    late = scanned(authority, Manners(), now=ends - timedelta(days=7) + timedelta(seconds=1))
    assert late.faults == (f"its certificate ends {ends:%Y-%m-%d}",)


def test_a_port_that_speaks_no_tls_is_found(authority: LocalAuthority) -> None:
    with tls_port(Manners(speech=Speech.SMTP, tls_first=False), authority.ca_file.parent / NAME) as port:
        endpoint = Endpoint("port", "127.0.0.1", port, Speech.NONE, True, NAME)
        seen = scan_port(endpoint, ca_file=authority.ca_file, now=NOW)
    assert seen.answers
    assert len(seen.faults) >= 2


def test_a_closed_port_is_a_fault_and_no_answer(authority: LocalAuthority) -> None:
    endpoint = Endpoint("port", "127.0.0.1", free_port(), Speech.NONE, True, NAME)
    seen = scan_port(endpoint, ca_file=authority.ca_file, now=NOW)
    assert not seen.answers
    assert seen.faults


@pytest.fixture
def whole(authority: LocalAuthority) -> Iterator[ComplexAt]:
    """A complex of which every port is right."""
    here = ComplexAt(
        name="shared",
        host="host.test",
        addresses=("127.0.0.1",),
        ca_file=authority.ca_file,
        xmpp=XmppAt(api_url=URL, hosts_file=Path("hosts.yml"), certificates=Path("certificates")),
        mail=MailAt(doveadm_url=URL),
        sip=SipAt(rpc_url=URL, tls_file=Path("tls.cfg"), certificates=Path("certificates")),
    )
    ports = {}
    with ExitStack() as stack:
        for each in endpoints(here, "127.0.0.1", NAME):
            shown = authority.ca_file.parent / each.certified.removeprefix("upload.")
            manners = Manners(speech=each.speech, tls_first=each.tls_first, login_under_tls=each.takes_logins)
            ports[each.port] = stack.enter_context(tls_port(manners, shown))
        parts = {
            name: getattr(here, name).model_copy(
                update={
                    field: ports[value]
                    for field, value in getattr(here, name)
                    if field.endswith("port") and value in ports
                }
            )
            for name in ("xmpp", "mail", "sip")
        }
        yield here.model_copy(update=parts)


@pytest.mark.clause("KS-2.6", "KS-2.7")
def test_ks_2_6_a_whole_complex_is_proven_port_by_port(whole: ComplexAt) -> None:
    proof = TlsScan(whole, lambda: NOW)(NAME)
    assert (proof.ok, proof.contact, proof.kind) == (True, "", ProofKind.TLS)
    assert proof.detail == "9 ports: TLS 1.2 and 1.3 with 256 bits alone, no login in clear"
    assert len(proof.facts) == 9
    assert proof.facts[f"imaps 127.0.0.1:{whole.mail.imaps_port}"].startswith("TLSv1.3 TLS_AES_256_GCM_SHA384, TLSv1.2")


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_one_port_at_fault_is_named_and_the_complex_is_not_proven(whole: ComplexAt) -> None:
    closed = free_port()
    sip = whole.sip.model_copy(update={"tls_port": closed})
    proof = TlsScan(whole.model_copy(update={"sip": sip}), lambda: NOW)(NAME)
    assert not proof.ok
    assert proof.detail.startswith(f"sips {closed}: ")


def test_a_complex_of_which_no_port_answers_is_asked_again_later(whole: ComplexAt) -> None:
    away = whole.model_copy(update={"addresses": ("::1",)})
    with pytest.raises(Transient, match="no port of shared answers"):
        TlsScan(away, lambda: NOW)(NAME)
