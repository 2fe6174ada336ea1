from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError
from sqlalchemy import text

from blocks.clients.certificates import Bundle, LocalAuthority
from blocks.clients.comms.scram import MECHANISM, ScramClient
from blocks.clients.comms.xmpp import XmppService
from blocks.clients.comms.xmpp_api import XmppApi
from blocks.clients.comms.xmpp_server import at, files, prepare_database
from blocks.clients.directory import Kind, Standing
from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Refused, Transient
from blocks.ledger import open_engine
from blocks.terms.ks_complex import Proof, ProofKind, SecurityFacts, Want, connection_is_secure
from tests.servers.comms_xmpp import CommsXmpp
from tests.servers.xmpp_customer import Customer, logged_in

PUBLISHED = (
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:n'><item id='1'><x xmlns='a:b'/></item>"
    "</publish></pubsub>"
)
NAMES = ("anna", "boris", "vera")


@pytest.fixture
def xmpp(comms_xmpp: CommsXmpp) -> CommsXmpp:
    return comms_xmpp


class House:
    """A customer's domain with its certificate and, once provisioned, three accounts."""

    def __init__(self, xmpp: CommsXmpp) -> None:
        self.xmpp, self.service, self.plan = xmpp, xmpp.service, xmpp.ground.plan
        self.domain = f"h{uuid4().hex[:8]}.test"
        self.accounts = [account(name, self.domain) for name in NAMES]

    def built(self) -> House:
        self.service.install_certificate(self.domain, self.xmpp.ground.authority.of(self.domain))
        self.service.provision(self.domain, self.accounts)
        return self

    def verify(self, *kinds: ProofKind, service: XmppService | None = None) -> list[Proof]:
        wants = [Want(name, kind) for name in NAMES for kind in kinds or (ProofKind.XMPP,)]
        return (service or self.service).verify(self.domain, self.accounts, wants)

    def enter(self, name: str, password: str = "") -> AbstractAsyncContextManager[Customer]:
        jid, password = f"{name}@{self.domain}/phone", password or password_of(name)
        return logged_in(jid, password, self.plan.ca_file, self.plan.ports.xmpp)


def password_of(name: str) -> str:
    return f"correct horse {name}"


def account(name: str, domain: str, password: str = "") -> AccountHashes:
    return hash_account(name, domain, "1001", password or password_of(name))


@pytest.fixture
def house(xmpp: CommsXmpp) -> Iterator[House]:
    made = House(xmpp).built()
    yield made
    made.service.delete(made.domain)
    made.service.remove_certificate(made.domain)


def oks(proofs: list[Proof]) -> set[bool]:
    return {proof.ok for proof in proofs}


def rows_of(xmpp: CommsXmpp, domain: str) -> dict[str, int]:
    """How many rows of each table name a domain anywhere."""
    found = {}
    with xmpp.ground.directory.transaction("a question") as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        for table in tables:
            query = text(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE :domain')  # noqa: S608
            found[table] = connection.scalar(query, {"domain": f"%{domain}%"}) or 0
    return {table: count for table, count in found.items() if count}


@pytest.mark.clause("KS-2.3")
@pytest.mark.clause("KS-2.6")
def test_ks_2_3_every_contact_logs_in_writes_to_another_and_uploads_a_file(house: House) -> None:
    kinds = (ProofKind.XMPP, ProofKind.XMPP_MESSAGE, ProofKind.XMPP_UPLOAD)
    proofs = house.verify(*kinds)
    assert [proof.want for proof in proofs] == [Want(name, kind) for name in NAMES for kind in kinds]
    assert oks(proofs) == {True}, proofs
    for proof in proofs:
        seen = SecurityFacts(version=proof.facts["tls"], bits=int(proof.facts["bits"]))
        assert connection_is_secure(seen).verdict == "allowed"
        assert proof.facts["mechanism"] == "SCRAM-SHA-256"
    assert set(rows_of(house.xmpp, house.domain)) == {"users", "sr_group"}, "messages left a trace"


def test_a_proof_is_asked_of_one_contact_and_of_a_contact_that_is_not(house: House) -> None:
    wants = [Want("vera", ProofKind.XMPP_MESSAGE), Want("nobody", ProofKind.XMPP), Want("vera", ProofKind.IMAP)]
    one, other = house.service.verify(house.domain, house.accounts, wants)
    assert (one.ok, one.facts["peer"]) == (True, "anna")
    assert not other.ok


def test_a_wrong_key_is_a_proof_that_failed(house: House) -> None:
    house.accounts[1] = account("boris", house.domain, "another")
    assert [proof.ok for proof in house.verify()] == [True, False, True]
    assert [proof.ok for proof in house.verify(ProofKind.XMPP_MESSAGE)] == [True, False, True]


@pytest.mark.clause("KS-2.6")
def test_ks_2_6_a_server_that_an_unknown_authority_vouches_for_is_not_trusted(house: House, tmp_path: Path) -> None:
    stranger = XmppService(
        house.xmpp.ground.directory,
        at(house.plan),
        host=house.plan.address,
        ca_file=LocalAuthority(tmp_path, lambda: datetime.now(UTC)).ca_file,
    )
    proofs = house.verify(service=stranger)
    assert oks(proofs) == {False}
    assert {proof.detail for proof in proofs} == {"its certificate is not to be trusted"}


def test_a_customers_session_outlives_verification_provisioning_and_a_new_certificate(house: House) -> None:
    authority = house.xmpp.ground.authority
    old = authority.of(house.domain)

    async def live() -> None:
        async with house.enter("anna") as anna, house.enter("boris") as boris:
            shown = anna.serial()
            await asyncio.to_thread(house.verify, ProofKind.XMPP, ProofKind.XMPP_MESSAGE)
            await asyncio.to_thread(house.service.provision, house.domain, house.accounts)
            (authority.ca_file.parent / house.domain / "privkey.pem").unlink()
            new: Bundle = authority.of(house.domain)
            assert new != old
            await asyncio.to_thread(house.service.install_certificate, house.domain, new)
            async with house.enter("vera") as vera:
                assert vera.serial() != shown
            anna.say(f"boris@{house.domain}", "still here")
            assert await boris.hear() == "still here", "nothing of the verification may arrive before"
            assert not anna.over.is_set()
            assert anna.came.empty()

    asyncio.run(live())


@pytest.mark.clause("KS-2.3")
def test_ks_2_3_contacts_find_each_other_and_messages_wait_for_who_is_away(house: House) -> None:
    async def live() -> None:
        async with house.enter("anna") as anna:
            assert {f"boris@{house.domain}", f"vera@{house.domain}"} <= set(anna.client_roster)
            anna.say(f"boris@{house.domain}", "read this later")
        async with house.enter("boris") as boris:
            assert await boris.hear() == "read this later"

    asyncio.run(live())


def test_accounts_become_exactly_those_given(house: House) -> None:
    async def live() -> None:
        async with house.enter("vera") as vera, house.enter("boris") as boris:
            boris.say(f"vera@{house.domain}", "to be forgotten")
            assert await vera.hear() == "to be forgotten"
            changed = [house.accounts[0], account("boris", house.domain, "new")]
            await asyncio.to_thread(house.service.provision, house.domain, changed)
            await asyncio.wait_for(vera.over.wait(), 10)
            await asyncio.wait_for(boris.over.wait(), 10)

    asyncio.run(live())
    assert [proof.ok for proof in house.verify()] == [True, False, False]
    with house.xmpp.ground.directory.transaction("a question") as connection:
        kept = connection.scalars(text("SELECT username FROM archive WHERE server_host = :d"), {"d": house.domain})
        assert set(kept) == {"boris"}


def test_suspension_ends_sessions_refuses_logins_and_keeps_passwords(house: House) -> None:
    async def live() -> None:
        async with house.enter("anna") as anna:
            await asyncio.to_thread(house.service.suspend, house.domain)
            await asyncio.wait_for(anna.over.wait(), 10)
        with pytest.raises(PermissionError, match="not-authorized"):
            async with house.enter("anna"):
                pytest.fail("a suspended account logged in")
        await asyncio.to_thread(house.service.suspend, house.domain)
        await asyncio.to_thread(house.service.resume, house.domain)
        async with house.enter("anna"):
            pass
        await asyncio.to_thread(house.service.resume, house.domain)

    asyncio.run(live())
    assert oks(house.verify()) == {True}


async def _live_in(house: House) -> None:
    """Leave something in every corner: archive, offline store, vCard, roster, private storage, node, room, upload."""
    async with house.enter("anna") as anna, house.enter("boris") as boris:
        anna.say(f"boris@{house.domain}", "archived")
        assert await boris.hear() == "archived"
        anna.say(f"vera@{house.domain}", "waits")
        for xml in (
            "<vCard xmlns='vcard-temp'><FN>Anna</FN></vCard>",
            "<query xmlns='jabber:iq:private'><x xmlns='a:b'/></query>",
            "<query xmlns='jabber:iq:roster'><item jid='elsewhere@other.test'/></query>",
            PUBLISHED,
        ):
            iq = anna.make_iq_set()
            iq.append(ET.fromstring(xml))  # noqa: S314 - ours
            await anna.ask(iq)
        room = f"hall@conference.{house.domain}"
        anna.send_raw(f"<presence to='{room}/anna'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        form = anna.make_iq_set(ito=room)
        form.append(
            ET.fromstring(  # noqa: S314 - ours
                "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
                "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
                "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
            )
        )
        await anna.ask(form)
        anna.say(room, "to everybody", "groupchat")
        assert await anna.hear() == "to everybody"


def test_deletion_leaves_nothing_and_can_be_repeated(xmpp: CommsXmpp) -> None:
    house = House(xmpp).built()
    asyncio.run(_live_in(house))
    house.verify(ProofKind.XMPP_UPLOAD)
    held = rows_of(xmpp, house.domain)
    assert {"users", "archive", "spool", "vcard", "private_storage", "rosterusers", "pubsub_node", "muc_room"} <= set(
        held
    )
    uploads = house.plan.home / "xmpp/upload"
    assert [path for path in uploads.rglob("*") if path.is_file()]

    async def live() -> None:
        async with house.enter("anna") as anna:
            await asyncio.to_thread(house.service.delete, house.domain)
            await asyncio.wait_for(anna.over.wait(), 10)

    asyncio.run(live())
    house.service.remove_certificate(house.domain)
    for _ in range(2):
        assert rows_of(xmpp, house.domain) == {}
        assert not [path for path in uploads.rglob("*") if path.is_file() and house.domain in str(path)]
        assert house.domain not in at(house.plan).hosts_file.read_text()
        assert not (at(house.plan).certificates / f"{house.domain}.pem").exists()
        assert oks(house.verify()) == {False}
        house.service.delete(house.domain)
        house.service.remove_certificate(house.domain)
    house.built()
    asyncio.run(_finds_nothing(house))
    house.service.delete(house.domain)


async def _finds_nothing(house: House) -> None:
    async with house.enter("vera") as vera, house.enter("anna") as anna:
        query = anna.make_iq_get(ito=anna.boundjid.bare)
        query.append(ET.fromstring("<vCard xmlns='vcard-temp'/>"))  # noqa: S314 - ours
        answer = await anna.ask(query)
        assert "Anna" not in str(answer)
        anna.say(f"vera@{house.domain}", "hello again")
        assert await vera.hear() == "hello again"


def test_a_domain_that_was_never_there_is_suspended_resumed_and_deleted_in_peace(xmpp: CommsXmpp) -> None:
    xmpp.service.suspend("never.test")
    xmpp.service.resume("never.test")
    xmpp.service.delete("never.test")
    xmpp.service.remove_certificate("never.test")
    assert xmpp.ground.directory.standing(Kind.XMPP, "never.test") == Standing()


def test_customers_do_not_meet_on_the_server(xmpp: CommsXmpp, house: House) -> None:
    other = House(xmpp).built()

    async def live() -> None:
        async with house.enter("anna") as anna, house.enter("boris") as boris, other.enter("boris") as stranger:
            conditions: list[str] = []
            for foreign in (stranger.boundjid.full, f"boris@{other.domain}", "anybody@elsewhere.test"):
                anna.say(foreign, "psst")
                conditions.append(await asyncio.wait_for(anna.refusals.get(), 20))
            anna.send_presence(pto=stranger.boundjid.bare, ptype="subscribe")
            anna.send_presence(pto=stranger.boundjid.full)
            errors: list[str] = []
            for foreign in (
                stranger.boundjid.full,
                stranger.boundjid.bare,
                other.domain,
                f"conference.{other.domain}",
                f"upload.{other.domain}",
                "elsewhere.test",
            ):
                query = anna.make_iq_get(ito=foreign, queryxmlns="http://jabber.org/protocol/disco#info")
                with pytest.raises(IqError) as refused:
                    await anna.ask(query)
                errors.append(refused.value.condition)
            assert set(conditions + errors) == {"remote-server-not-found"}
            # What came to the stranger came before this, which its own colleague sends it.
            async with other.enter("vera") as colleague:
                colleague.say(stranger.boundjid.full, "hello")
                assert await stranger.hear() == "hello"
            anna.say(boris.boundjid.full, "hello")
            assert await boris.hear() == "hello"
            assert stranger.came.empty()

    asyncio.run(live())
    other.service.delete(other.domain)
    other.service.remove_certificate(other.domain)
    with socket.create_connection(("127.0.0.1", house.plan.ports.proxy), 5):
        pass  # the proxy of those who stay still answers
    assert oks(house.verify()) == {True}


def test_a_colleague_that_does_not_exist_gets_no_mail(house: House) -> None:
    async def live() -> None:
        async with house.enter("anna") as anna:
            anna.say(f"nobody@{house.domain}", "is anybody there?")
            assert await asyncio.wait_for(anna.refusals.get(), 20) == "service-unavailable"

    asyncio.run(live())
    assert "spool" not in rows_of(house.xmpp, house.domain)


def _read_until(stream: socket.socket, *ends: bytes) -> str:
    data = b""
    while not any(end in data for end in ends):
        more = stream.recv(4096)
        assert more, data
        data += more
    return data.decode()


def _hello(domain: str) -> bytes:
    return (
        f"<stream:stream to='{domain}' version='1.0' xmlns='jabber:client'"
        " xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()


def _challenged(house: House, name: str) -> tuple[str, str]:
    """The mechanisms that are offered, and the answer to a login's first message without its nonce."""
    context = ssl.create_default_context(cafile=str(house.plan.ca_file))
    with (
        socket.create_connection(("127.0.0.1", house.plan.ports.xmpps), 10) as plain,
        context.wrap_socket(plain, server_hostname=house.domain) as stream,
    ):
        stream.sendall(_hello(house.domain))
        features = _read_until(stream, b"</stream:features>")
        first = b64encode(f"n,,n={name},r=fyko+d2lbbFgONRv9qkxdawL".encode()).decode()
        stream.sendall(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>".encode()
        )
        answer = _read_until(stream, b"</challenge>", b"</failure>")
    said = re.search(r"<challenge[^>]*>([^<]+)<", answer)
    return features, re.sub("^r=[^,]*", "r", b64decode(said.group(1)).decode()) if said else answer


@pytest.mark.clause("KS-2.7")
def test_ks_2_7_a_password_is_asked_for_under_tls_alone_and_never_itself(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.plan.ports.xmpp), 10) as plain:
        plain.sendall(_hello(house.domain))
        clear = _read_until(plain, b"</stream:features>")
    assert "<required/>" in clear
    assert "mechanism" not in clear
    offered, _ = _challenged(house, "anna")
    assert set(re.findall(r"<mechanism>([^<]+)<", offered)) <= {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
    assert "register" not in offered


def test_whoever_asks_does_not_learn_which_accounts_exist(house: House) -> None:
    _, real = _challenged(house, "anna")
    _, unreal = _challenged(house, "nobody")
    shape = r"r,s=[A-Za-z0-9+/]{22}==,i=4096"
    assert re.fullmatch(shape, real)
    assert re.fullmatch(shape, unreal)
    assert (real, unreal) == (_challenged(house, "anna")[1], _challenged(house, "nobody")[1])
    assert unreal != _challenged(house, "noone")[1]


@pytest.mark.clause("KS-2.9")
def test_ks_2_9_the_server_states_its_version(xmpp: CommsXmpp) -> None:
    [software] = xmpp.service.software()
    assert software.name == "ejabberd"
    assert re.match(r"\d+\.\d+", software.version)
    assert xmpp.service.check().startswith(f"ejabberd {software.version}, ")


def test_its_tables_and_files_can_be_made_again(house: House) -> None:
    engine = open_engine(house.xmpp.ground.directory_url)
    prepare_database(engine)
    engine.dispose()
    assert "xmpp/domains/hosts.yml" not in files(house.plan), "domains of customers would be forgotten"
    assert oks(house.verify()) == {True}


def test_a_server_that_is_down_is_asked_again_later_and_remembers_after_a_kill(xmpp: CommsXmpp) -> None:
    house = House(xmpp).built()
    xmpp.kill()
    with pytest.raises(Transient):
        house.verify()
    with pytest.raises(Transient):
        house.service.provision(house.domain, house.accounts)
    with pytest.raises(Transient):
        house.service.check()
    xmpp.start()
    assert oks(house.verify(ProofKind.XMPP, ProofKind.XMPP_MESSAGE)) == {True}
    house.service.delete(house.domain)


def test_the_api_is_for_its_few_commands(xmpp: CommsXmpp) -> None:
    api = XmppApi(at(xmpp.ground.plan))
    assert api.names("registered_vhosts")
    with pytest.raises(Refused, match="403"):
        api.call("check_password", user="anna", host="host.test", password="x")


async def _ready_to_bind(house: House, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has logged in, and has not asked for its session yet."""
    tls = ssl.create_default_context(cafile=str(house.plan.ca_file))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.plan.ports.xmpps, ssl=tls, server_hostname=house.domain
    )
    opening = (
        f"<stream:stream to='{house.domain}' version='1.0' xmlns='jabber:client'"
        " xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()
    keys = next(each for each in house.accounts if each.name == name)
    scram = ScramClient(name, keys.scram_client, keys.scram_server)
    writer.write(opening)
    await reader.readuntil(b"</stream:features>")
    first = b64encode(scram.first().encode()).decode()
    writer.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{MECHANISM}'>{first}</auth>".encode())
    said = (await reader.readuntil(b"</challenge>")).decode()
    final = scram.final(b64decode(re.findall(r">([^<]+)</challenge>", said)[0]).decode())
    answer = b64encode(final.encode()).decode()
    writer.write(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{answer}</response>".encode())
    assert b"<success" in await reader.readuntil(b"</success>")
    writer.write(opening)
    await reader.readuntil(b"</stream:features>")
    return reader, writer


def test_who_logged_in_before_the_suspension_gets_no_session_after_it(house: House) -> None:
    async def live() -> bytes:
        reader, writer = await _ready_to_bind(house, "anna")
        await asyncio.to_thread(house.service.suspend, house.domain)
        writer.write(
            b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
            b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
        )
        said = await asyncio.wait_for(reader.read(), 10)  # until the server closes
        writer.close()
        return said

    assert b"id='r'" not in asyncio.run(live())
    assert XmppApi(at(house.plan)).names("connected_users_vhost", host=house.domain) == []
