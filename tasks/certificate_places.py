"""Where a site's certificates are shown: the names and ports under which the DNS tells of their keys (RFC 6698)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.addresses import EndpointAt
from blocks.errors import NotFound, Refused
from blocks.ledger import Order, Service, Site
from blocks.office import Office
from blocks.terms.ks_zone import Record, ServicePorts, key_places, key_record
from tasks.sites import COMPLEX


class Place(NamedTuple):
    """A TCP port of a host."""

    port: int
    host: str

    def record(self, key_hash: str) -> Record:
        """The TLSA record of a key there."""
        return key_record(self.port, self.host, key_hash)


def places(office: Office, session: Session, site: Site) -> tuple[Place, ...]:
    """Every place where a site's certificates are shown, each once; none where nobody here installs them."""
    found: list[Place] = []
    for name in site.consumers:
        if name == COMPLEX:
            found += [Place(*each) for each in key_places(site.slug, _ports(office, session, site))]
        else:
            found += own_places(office, site, name)
    return tuple(dict.fromkeys(found))


def own_places(office: Office, site: Site, consumer: str) -> list[Place]:
    """Those of one of our own servers whose name the site's certificates cover; an address without a name has none."""
    try:
        at = office.certificates_at.consumer_at(consumer)
    except NotFound:
        return []
    asked = [(each.port, _name(each)) for each in at.endpoints]
    return [Place(port, name) for port, name in asked if any(covers(pattern, name) for pattern in site.names)]


def covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate stands for that host; a wildcard stands for exactly one label."""
    return name == pattern or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


def _name(at: EndpointAt) -> str:
    name = at.name or at.host
    try:
        ip_address(name)
    except ValueError:
        return name
    return ""


def _ports(office: Office, session: Session, site: Site) -> ServicePorts:
    found = session.execute(
        select(Order.number, Service.product)
        .join(Service, Service.order_id == Order.id)
        .where(Order.id == site.order_id)
    ).one_or_none()
    if found is None:
        return ServicePorts()
    number, product = found
    try:
        at = office.complexes.place_of(number, dedicated=bool(product["dedicated"]), place=str(product["place"]))
    except Refused:
        return ServicePorts()
    return at.ports if at is not None else ServicePorts()
