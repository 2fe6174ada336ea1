"""The watch over domain names (KS-3.2): watched ones and customers', looked up from several resolvers.

A name below a zone of ours is no zone: it has no delegation of its own. Of customers' own zones the name servers are
those that the settings of the complexes name.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from blocks.clients.ca.addresses import DomainAt
from blocks.clients.comms.names_outside import Resolver, resolver
from blocks.clients.resolving import delegated_by_parent, lame, said_by
from blocks.ledger import Order, Service, ServiceState, reading
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.watching import NAMED, DomainFacts, Kind, domain_flaws
from tasks.accept import ZONE
from tasks.findings import Changed, Looked, record

AT_ONCE = 8
_AGAIN = frozenset({Kind.UNRESOLVED, Kind.DISAGREE, Kind.LAME})
"""Of these nothing is said before they were seen twice."""


@dataclass(frozen=True)
class _Domain:
    name: str
    servers: tuple[str, ...]
    signed: bool
    expires: date | None


def watch_names(office: Office, *, now: datetime) -> tuple[list[Looked], Changed]:
    """Look every domain up and write down what is wrong. Raises Transient where the ledger is away."""
    resolvers = [resolver(text) for text in office.certificates_at.resolvers or office.complexes.resolvers]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        domains = _domains(office)
        first = list(threads.map(lambda domain: _look(domain, resolvers, now=now), domains))
        again = [domain if _doubtful(look) else None for domain, look in zip(domains, first, strict=True)]
        second = threads.map(lambda domain: domain and _look(domain, resolvers, now=now), again)
        looks = [later or look for look, later in zip(first, second, strict=True)]
    return looks, record(office, looks, kinds=NAMED, now=now)


def _doubtful(look: Looked) -> bool:
    """Whether a datagram that was lost may be all that is wrong."""
    return any(flaw.kind in _AGAIN for flaw in look.flaws)


def _look(domain: _Domain, resolvers: list[Resolver], *, now: datetime) -> Looked:
    """A domain that no resolver is there for is judged by its calendar alone."""
    delegated = delegated_by_parent(resolvers, domain.name) if domain.servers else None
    said = tuple(said_by(each, domain.name) for each in resolvers)
    servers = {*domain.servers, *(delegated or ())}
    facts = DomainFacts(
        said=said,
        expected=domain.servers,
        delegated=delegated,
        lame=tuple((server, fault) for server in sorted(servers) if (fault := lame(resolvers, domain.name, server))),
        signed=domain.signed,
        expires=domain.expires,
    )
    judged = NAMED if delegated is not None or not domain.servers else NAMED - {Kind.DELEGATION}
    if not resolvers:
        judged = frozenset({Kind.REGISTRATION})
    return Looked(domain.name, judged, domain_flaws(facts, today=local_date(now, ZONE)))


def _domains(office: Office) -> list[_Domain]:
    """Every domain once; what the settings say of a name stands before what is known of a customer's."""
    found = {at.name: _of(at) for at in office.certificates_at.domain}
    own_zone, servers = office.complexes.own_zone, tuple(office.complexes.name_servers)
    query = select(Service.name).join(Order, Order.id == Service.order_id)
    with reading(office.sessions) as session:
        active = query.where(Service.state == ServiceState.ACTIVE, Order.agreement == "KS").order_by(Service.id)
        customers = list(session.scalars(active))
    for name in customers:
        is_zone = bool(own_zone) and not name.endswith(f".{own_zone}")
        found.setdefault(name, _Domain(name, servers if is_zone else (), signed=False, expires=None))
    return list(found.values())


def _of(at: DomainAt) -> _Domain:
    return _Domain(at.name, at.servers, at.signed, at.expires)
