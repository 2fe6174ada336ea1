"""A host of our own whose certificates rotate: its TLS port, its office with two users, and what they come to."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.protocol import Placed, Request
from blocks.ledger import (
    Certificate,
    CertificateEvent,
    CertificateState,
    Finding,
    Notice,
    reading,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from blocks.terms.certificate_notice import Emergency
from flows.rotating import rotate_all, turn_site
from tasks.certificate_rotation import Turn, declare_emergency
from tests.certificate_work import certificates_file, consumer_text
from tests.certificates import in_public
from tests.conftest import close_office
from tests.servers.tls_site import TlsSite, tls_site
from tests.work import DAY, NOW

SLUG = "front.example.test"
SITE = f"""
[[site]]
slug = "{SLUG}"
names = ["{SLUG}"]
authority = "local"
consumers = ["front"]
"""


def shown(at: TlsSite) -> str:
    """The fingerprint that anybody sees there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", at.port), 5) as plain,
        context.wrap_socket(plain, server_hostname=SLUG) as secure,
    ):
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsSite]:
    with tls_site(tmp_path / "server") as running:
        yield running


@pytest.fixture
def rotation_file(server: TlsSite, tmp_path: Path) -> Path:
    place = tmp_path / "shown"
    place.mkdir()
    reload = server.reload(place / SLUG / "both.pem")
    return certificates_file(
        tmp_path / "certificates.toml", consumer_text("front", place, reload, [f"{server.port} tls {SLUG}"]), SITE
    )


@pytest.fixture
def house(settings_for: Callable[..., Settings], rotation_file: Path) -> Iterator[Office]:
    """An office with one host of its own and two users, its pages at their public address."""
    users = {"KS": ["a@example.test", "b@example.test"]}
    opened = open_office(settings_for(certificates_file=rotation_file, end_users=users))
    with in_public(opened) as office:
        yield office
    close_office(opened)


def pass_(office: Office, at: datetime) -> None:
    rotate_all(office, worker="pass", clock=lambda: at)


def rows(office: Office) -> list[Certificate]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Certificate).order_by(Certificate.id)))


def letters(office: Office, kind: str) -> list[Notice]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))


def findings(office: Office) -> list[tuple[str, bool]]:
    with reading(office.sessions) as session:
        return [(row.kind, row.open_key is not None) for row in session.scalars(select(Finding).order_by(Finding.id))]


class Moody(LocalCa):
    """The local CA, which refuses what `moods` hold, one call after the other."""

    def __init__(self, office: Office) -> None:
        super().__init__("local", office.authority, office.authority.root, 90)
        self.moods: list[Exception] = []

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        if self.moods:
            raise self.moods.pop(0)
        return super().advance(url, request, now=now)


def ca_of(office: Office) -> Moody:
    made = Moody(office)
    vars(office)["_authorities"] = {"local": made}
    return made


def begun(office: Office) -> Certificate:
    """The first certificate, in service since NOW."""
    pass_(office, NOW)
    [first] = rows(office)
    assert first.state is CertificateState.IN_SERVICE
    return first


def states(office: Office) -> list[CertificateState]:
    return [row.state for row in rows(office)]


def events(office: Office, kind: str) -> list[str]:
    with reading(office.sessions) as session:
        query = select(CertificateEvent.why).where(CertificateEvent.kind == kind).order_by(CertificateEvent.id)
        return list(session.scalars(query))


def emergency(office: Office, why: Emergency, at: datetime) -> Turn:
    declare_emergency(office, SLUG, why, who="О. Петрова", note_text="so it is", now=at)
    return turn_site(office, SLUG, worker="person", now=at)


def issued_for(office: Office, days: int) -> None:
    """The CA issues for so many days from now on."""
    at = office.certificates_at
    [local] = at.authority
    changed = at.model_copy(update={"authority": (local.model_copy(update={"days": days}),)})
    vars(office)["certificates_at"] = changed


def two_coming(office: Office) -> datetime:
    """Passed daily with certificates of 47 days until two are on their way; the day of it."""
    issued_for(office, 47)
    begun(office)
    day = NOW.replace(hour=3)
    while len(rows(office)) < 3:
        day += DAY
        pass_(office, day)
        assert day < NOW + 40 * DAY
    assert states(office)[1:] == [CertificateState.ANNOUNCED] * 2
    return day
