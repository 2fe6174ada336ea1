"""The watch over what is served: at every endpoint the certificate that is really shown, beside what the ledger says.

An endpoint that a certificate is being installed at just now is not compared; one that does not answer is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from blocks.clients.ca.addresses import EndpointAt
from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.consumers import domain_endpoints, meant_for
from blocks.clients.endpoints import Shown, asked_name, covered, shown, takes_old_tls
from blocks.errors import Refused, Transient
from blocks.ledger import Certificate, CertificateState, Order, Service, ServiceState, Site, reading
from blocks.office import Office
from blocks.terms.watching import SERVED, Flaw, Kind, ServedFacts, served_flaws
from tasks.certificate_install import being_installed
from tasks.complexes import complex_at
from tasks.findings import Changed, Looked, record

AT_ONCE = 12
_COMPARED = frozenset({Kind.UNKNOWN, Kind.NOT_IN_SERVICE})


@dataclass(frozen=True)
class Place:
    """An endpoint to be looked at; `site` is the slug of the site that it shows, empty where the ledger has none."""

    at: EndpointAt
    site: str
    ca_file: Path | None

    @property
    def subject(self) -> str:
        """How findings name it."""
        return str(self.at) if asked_name(self.at) == self.at.host else f"{self.at} {self.at.name}"


@dataclass(frozen=True)
class Look:
    """What was seen at a place, and what is wrong with it; `judged` are the kinds of which anything could be said."""

    place: Place
    seen: Shown | None
    judged: frozenset[Kind]
    flaws: tuple[Flaw, ...]


def watch_served(office: Office, *, now: datetime) -> tuple[list[Look], Changed]:
    """Look at every endpoint and write down what is wrong. Raises Transient where the ledger is away."""
    looks = look_everywhere(office, now=now)
    looked = [Looked(each.place.subject, each.judged, each.flaws) for each in looks]
    return looks, record(office, looked, kinds=SERVED, now=now)


def look_everywhere(office: Office, *, now: datetime) -> list[Look]:
    """What is seen at every place, the ones that are wrong in any way looked at twice."""
    places = list(_places(office))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        first = list(threads.map(lambda place: _look(office, place, now=now), places))
        return list(threads.map(lambda look: _look(office, look.place, now=now) if _doubtful(look) else look, first))


def _doubtful(look: Look) -> bool:
    return any(flaw.kind in _COMPARED | {Kind.UNREACHABLE} for flaw in look.flaws)


def _look(office: Office, place: Place, *, now: datetime) -> Look:
    installing = bool(place.site) and being_installed(office, place.site)
    try:
        seen = shown(place.at, place.ca_file, now=now)
        old_tls = takes_old_tls(place.at)
    except Transient as error:
        flaw = Flaw(kind=Kind.UNREACHABLE, detail=str(error))
        return Look(place, None, frozenset({Kind.UNREACHABLE}), (flaw,))
    except Refused as error:
        flaw = Flaw(kind=Kind.CHAIN, detail=str(error))
        return Look(place, None, frozenset({Kind.UNREACHABLE, Kind.CHAIN}), (flaw,))
    flaws = served_flaws(_facts(place, seen, old_tls), now=now)
    flaws += _compared(office, place, seen)
    if installing or (place.site and being_installed(office, place.site)):
        kept = tuple(flaw for flaw in flaws if flaw.kind not in _COMPARED)
        return Look(place, seen, SERVED - _COMPARED, kept)
    return Look(place, seen, SERVED, tuple(flaws))


def _facts(place: Place, seen: Shown, old_tls: str) -> ServedFacts:
    return ServedFacts(
        not_before=seen.facts.not_before,
        not_after=seen.facts.not_after,
        name=asked_name(place.at),
        covers=seen.covers,
        names=seen.facts.names,
        distrust=seen.distrust,
        ordered=seen.ordered,
        key=seen.key,
        signature=seen.signature,
        version=seen.version,
        bits=seen.bits,
        old_tls=old_tls,
    )


def _compared(office: Office, place: Place, seen: Shown) -> list[Flaw]:
    """What the ledger says of what is shown there."""
    if not place.site:
        return []
    query = select(Certificate.state).join(Site, Site.id == Certificate.site_id)
    with reading(office.sessions) as session:
        state = session.scalar(query.where(Site.slug == place.site, Certificate.fingerprint == seen.facts.fingerprint))
    told = f"{seen.facts.fingerprint} by {seen.facts.issuer}"
    if state is None:
        return [Flaw(kind=Kind.UNKNOWN, detail=f"{told} is no certificate of {place.site} that we know")]
    if state is not CertificateState.IN_SERVICE:
        return [Flaw(kind=Kind.NOT_IN_SERVICE, detail=f"{told} is {state} in the ledger")]
    return []


def _places(office: Office) -> Iterator[Place]:
    """Every place once by its subject: of consumers first, then of complexes, then those that are only watched."""
    found: dict[str, Place] = {}
    for place in (*_of_consumers(office), *_of_complexes(office), *_only_watched(office)):
        found.setdefault(place.subject, place)
    yield from found.values()


def _sites(office: Office) -> list[Site]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Site).where(Site.retired_at.is_(None)).order_by(Site.slug)))


def _of_consumers(office: Office) -> Iterator[Place]:
    for site in _sites(office):
        for consumer in office.certificates_at.consumer:
            if consumer.name in site.consumers:
                for at in meant_for(consumer, site.names):
                    yield Place(at, site.slug, consumer.ca_file)


def _only_watched(office: Office) -> Iterator[Place]:
    sites = _sites(office)
    for at in office.certificates_at.watch:
        owner = next((site.slug for site in sites if covered(asked_name(at), tuple(site.names))), "")
        yield Place(at, owner, None)


def _of_complexes(office: Office) -> Iterator[Place]:
    """Ports of customers' domains, and of each complex' host the ports of mail."""
    if office.settings.complexes_file is None:
        return
    with reading(office.sessions) as session:
        query = select(Service.name, Order.number).join(Order, Order.id == Service.order_id)
        active = query.where(Service.state == ServiceState.ACTIVE, Order.agreement == "KS").order_by(Service.id)
        served = [(domain, number) for domain, number in session.execute(active)]
        ours = set(session.scalars(select(Site.slug).where(Site.retired_at.is_(None))))
    for domain, number in served:
        if (at := _standing(office, number)) is not None:
            for endpoint in domain_endpoints(at, domain):
                yield Place(endpoint, domain if domain in ours else "", at.ca_file)
    for at in office.complexes.addresses():
        for endpoint in mail_endpoints(at):
            yield Place(endpoint, at.host if at.host in ours else "", at.ca_file)


def _standing(office: Office, number: str) -> ComplexAt | None:
    """Where the complex of an order stands; None where a person must provide one first."""
    try:
        return complex_at(office, number)
    except Refused:
        return None


def mail_endpoints(at: ComplexAt) -> list[EndpointAt]:
    """Where a complex shows the certificate of its host."""
    return [
        endpoint
        for address in at.addresses
        for endpoint in (
            EndpointAt(host=address, port=at.mail.imap_port, protocol="imap", name=at.host),
            EndpointAt(host=address, port=at.mail.imaps_port, name=at.host),
            EndpointAt(host=address, port=at.mail.submission_port, protocol="smtp", name=at.host),
            EndpointAt(host=address, port=at.mail.submissions_port, name=at.host),
            EndpointAt(host=address, port=at.mail.smtp_port, protocol="smtp", name=at.host),
        )
    ]
