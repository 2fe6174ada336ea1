"""A certificate rotates whole: real ACME and DNS, a real TLS port, the public page in a browser, a forced clock."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import httpx
import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from blocks.ledger import Certificate, CertificateState, Notice, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from blocks.terms.certificate_plan import told_by
from blocks.terms.zones import MOSCOW
from flows.fulfilment import send_due
from flows.rotating import rotate_all
from tests.certificate_work import consumer_text
from tests.certificates import in_public
from tests.conftest import close_office
from tests.servers.acme_dns import KEY_NAME, AcmeDns
from tests.servers.pebble import PebbleServer, settings_file
from tests.servers.tls_site import TlsSite, tls_site
from tests.work import still

HOST = "chat.example.test"
DAY = timedelta(days=1)
SITE = f"""
[[site]]
slug = "{HOST}"
names = ["{HOST}", "*.{HOST}"]
authority = "pebble"
consumers = ["front"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsSite]:
    with tls_site(tmp_path / "server") as running:
        yield running


@pytest.fixture
def house(
    settings_for: Callable[..., Settings], server: TlsSite, pebble: PebbleServer, acme_dns: AcmeDns, tmp_path: Path
) -> Iterator[Office]:
    place = tmp_path / "shown"
    place.mkdir()
    front = consumer_text("front", place, server.reload(place / HOST / "both.pem"), [f"{server.port} tls {HOST}"])
    file = tmp_path / "certificates.toml"
    file.write_text(f"{settings_file(pebble.at, acme_dns)}\n{front}{SITE}")
    users = {"KS": ["user@example.test"]}
    opened = open_office(settings_for(certificates_file=file, tsig_keys={KEY_NAME: acme_dns.secret}, end_users=users))
    with in_public(opened) as office:
        yield office
    close_office(opened)


def shown(at: TlsSite) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", at.port), 5) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


def rows(office: Office) -> list[Certificate]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Certificate).order_by(Certificate.id)))


def until(office: Office, at: datetime, done: Callable[[], bool]) -> datetime:
    """Morning passes, and on Saturdays one in the window, until something is so."""
    for _ in range(120):
        rotate_all(office, worker="pass", clock=still(at))
        send_due(office, now=at)
        if done():
            return at
        local = at + timedelta(hours=3)
        if local.weekday() == 5 and local.hour == 6:
            at = at.replace(hour=6, minute=30)
        else:
            at = (at + DAY).replace(hour=3, minute=0)
    raise AssertionError([row.state for row in rows(office)])


def tlsa(dns_at: AcmeDns, port: int) -> set[str]:
    query = dns.message.make_query(f"_{port}._tcp.{HOST}", "TLSA")
    answer = dns.query.udp(query, "127.0.0.1", 5, dns_at.port)
    return {record.cert.hex() for found in answer.answer for record in found}


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_what_is_shown_after_the_window_is_what_was_announced_a_month_before(
    house: Office, server: TlsSite, pebble: PebbleServer, acme_dns: AcmeDns, page: Page
) -> None:
    begun = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0) + DAY
    until(house, begun, lambda: [row.state for row in rows(house)] == [CertificateState.IN_SERVICE])
    [first] = rows(house)
    assert shown(server) == first.fingerprint

    told_at = until(house, begun + DAY, lambda: [row.announced_at is not None for row in rows(house)] == [False, True])
    [_, coming] = rows(house)
    assert coming.swap_at is not None
    assert told_at <= told_by(coming.swap_at, MOSCOW)
    assert shown(server) == first.fingerprint
    assert {first.key_hash, coming.key_hash} <= tlsa(acme_dns, server.port)

    with reading(house.sessions) as session:
        [letter] = session.scalars(select(Notice).where(Notice.kind == "certificate_coming"))
    assert letter.recipient == "user@example.test"
    assert coming.fingerprint in (letter.body or "").replace(":", "").replace("\n", "").lower()
    address = f"{house.settings.link('/certificates/')}{HOST}"
    assert address in (letter.body or "")
    page.goto(address)
    text = page.inner_text("body").replace(":", "").replace(" ", "").replace("\n", "").lower()
    assert coming.fingerprint in text
    published = httpx.get(f"{address}/{coming.fingerprint}.pem", trust_env=False).text
    assert published.strip() == coming.chain.strip()

    swapped_at = until(house, told_at + DAY, lambda: rows(house)[1].state is CertificateState.IN_SERVICE)
    local = swapped_at + timedelta(hours=3)
    assert (local.weekday(), local.hour) == (5, 9)
    assert shown(server) == coming.fingerprint
    assert pebble.status(coming.serial) == "Valid"
    assert rows(house)[0].state is CertificateState.RETIRED
