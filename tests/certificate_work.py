"""Certificates in tests: a site of our own with its servers, and certificates for it from the local CA."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from blocks.clients.certificates import Bundle
from blocks.ledger import Certificate, CertificateEvent, CertificateState, Site, reading, transaction
from blocks.office import Office
from tasks.ca_advance import advance
from tasks.ca_orders import Wanted, open_site, order_certificate
from tests.work import NOW

SLUG = "mail.example.test"
NAMES = (SLUG, "imap.example.test")


def consumer_text(name: str, directory: Path, reload: Sequence[str], endpoints: Sequence[str]) -> str:
    """A consumer as the file of certificates has it; an endpoint is `PORT PROTOCOL NAME` on 127.0.0.1."""
    lines = ["[[consumer]]", f'name = "{name}"', f'directory = "{directory}"', f"reload = {json.dumps([*reload])}"]
    for endpoint in endpoints:
        port, protocol, asked = endpoint.split()
        lines += ["[[consumer.endpoints]]", 'host = "127.0.0.1"', f"port = {port}"]
        lines += [f'protocol = "{protocol}"', f'name = "{asked}"']
    return "\n".join(lines) + "\n"


def certificates_file(path: Path, *parts: str) -> Path:
    """The file: the local CA and what is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('[[authority]]\nname = "local"\nkind = "local"\n' + "".join(parts))
    return path


def issue(
    office: Office,
    consumers: Sequence[str],
    *,
    slug: str = SLUG,
    names: Sequence[str] = NAMES,
    now: datetime = NOW,
) -> int:
    """A new certificate of a site, ready to be installed; its number."""
    with transaction(office.sessions) as session:
        site = open_site(
            session, slug=slug, agreement="KS", names=names, authority="local", consumers=consumers, now=now
        )
        wanted = Wanted(purpose="renewal", give_up_at=now + timedelta(days=2))
        order = order_certificate(session, office.sealer, site, wanted, now=now).id
    advance(office, order, worker="tests", now=now)
    with reading(office.sessions) as session:
        return session.scalars(select(Certificate.id).where(Certificate.ca_order_id == order)).one()


def fingerprint_of(office: Office, certificate: int) -> str:
    with reading(office.sessions) as session:
        return session.get_one(Certificate, certificate).fingerprint


def in_service(office: Office, slug: str = SLUG) -> list[int]:
    """The certificates of a site that the ledger names in service."""
    query = select(Certificate.id).join(Site, Site.id == Certificate.site_id)
    with reading(office.sessions) as session:
        return list(session.scalars(query.where(Site.slug == slug, Certificate.state == CertificateState.IN_SERVICE)))


def events(office: Office, *kinds: str) -> list[tuple[str, str]]:
    """What was written down of these kinds, in its order."""
    query = select(CertificateEvent.kind, CertificateEvent.why).where(CertificateEvent.kind.in_(kinds))
    with reading(office.sessions) as session:
        return [(kind, why) for kind, why in session.execute(query.order_by(CertificateEvent.id))]


def standing_in(directory: Path, slug: str = SLUG) -> Bundle | None:
    """What the link of a site in a directory of certificates points to; None where there is none."""
    place = directory / slug
    if not place.is_symlink():
        return None
    return Bundle(chain=(place / "fullchain.pem").read_text(), key=(place / "privkey.pem").read_text())
