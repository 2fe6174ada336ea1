"""Sites and certificates in tests: ordered at the local CA, published, given a window, put into service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import HttpUrl
from sqlalchemy import select

from blocks.ledger import CaOrderState, Certificate, CertificateEvent, CertificateState, Site, reading, transaction
from blocks.office import Office
from tasks.ca_advance import advance
from tasks.ca_orders import Wanted, open_site, order_certificate
from tests.gateway_server import gateway
from tests.work import NOW

SWAP_AT = datetime(2027, 1, 9, 6, 0, tzinfo=UTC)  # a Saturday, 9 in the morning in Moscow
HOST = "c1.example.net"


def a_certificate(
    office: Office,
    slug: str = HOST,
    *,
    names: Sequence[str] = (),
    consumers: Sequence[str] = ("front",),
    at: datetime = NOW,
    agreement: str = "KS",
    customer_id: int | None = None,
    order_id: int | None = None,
    **changes: Any,
) -> int:
    """A certificate that the local CA has issued for a site, with these columns changed; its id."""
    with transaction(office.sessions) as session:
        site = open_site(
            session,
            slug=slug,
            agreement=agreement,
            names=names or (slug, f"*.{slug}"),
            authority="local",
            consumers=consumers,
            customer_id=customer_id,
            order_id=order_id,
            now=at,
        )
        wanted = Wanted(purpose="first", give_up_at=at + timedelta(days=2))
        order = order_certificate(session, office.sealer, site, wanted, now=at).id
    assert advance(office, order, worker="test", now=at) is CaOrderState.ISSUED
    with transaction(office.sessions) as session:
        made = session.scalars(select(Certificate).where(Certificate.ca_order_id == order)).one()
        for name, value in changes.items():
            setattr(made, name, value)
        return made.id


def in_service(office: Office, slug: str = HOST, **changes: Any) -> int:
    """A certificate that is in service since it was issued."""
    return a_certificate(office, slug, state=CertificateState.IN_SERVICE, in_service_at=NOW, **changes)


def coming(office: Office, slug: str = HOST, **changes: Any) -> int:
    """A certificate that is to go into service at SWAP_AT, not published yet."""
    window = {"swap_at": SWAP_AT, "swap_until": SWAP_AT + timedelta(hours=2)}
    return a_certificate(office, slug, **{**window, **changes})


def change(office: Office, certificate_id: int, **changes: Any) -> None:
    """Change columns of a certificate."""
    with transaction(office.sessions) as session:
        made = session.get_one(Certificate, certificate_id)
        for name, value in changes.items():
            setattr(made, name, value)


def row_of(office: Office, certificate_id: int) -> Certificate:
    """A certificate as the ledger has it."""
    with reading(office.sessions) as session:
        return session.get_one(Certificate, certificate_id)


def events_of(office: Office, slug: str = HOST) -> list[str]:
    """What happened to the certificates of a site, in order."""
    with reading(office.sessions) as session:
        query = select(CertificateEvent.kind).join(Site, Site.id == CertificateEvent.site_id).where(Site.slug == slug)
        return list(session.scalars(query.order_by(CertificateEvent.id)))


@contextmanager
def in_public(office: Office) -> Iterator[Office]:
    """The same office with its pages up at its public address."""
    with gateway(office) as http:
        settings = office.settings.model_copy(update={"public_url": HttpUrl(str(http.base_url))})
        yield Office(settings, office.engine, office.sessions)
