"""TLSA records of our own hosts (RFC 6698): the keys that a site's certificates have, those that come among them.

Records stand at `_PORT._tcp.HOST` of each endpoint, in the zone of ours that holds the host, and say `3 1 1`: whoever
checks them goes by the key, whatever the chain. The key of a coming certificate is there as soon as it is issued, long
before the swap; that of a former one goes when nobody remembers records without its successor. At customers' domains
the complex' own name servers publish these records, and nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import dns.name
import dns.rdtypes.ANY.TLSA
from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.clients.ca.zones import Zones
from blocks.clients.comms.name_server import entry
from blocks.issued import keys_told
from blocks.ledger import Certificate, Site, reading, transaction
from blocks.office import Office
from blocks.terms.ks_zone import Record
from tasks.ca_orders import note
from tasks.certificate_places import Place, own_places
from tasks.sites import COMPLEX


@dataclass(frozen=True)
class HostKeys:
    """What the DNS was brought to at one place; without a zone of ours nothing was written.

    Records in a zone that is not `signed` (DNSSEC) harm nobody, and nobody goes by them.
    """

    place: Place
    zone: str
    signed: bool
    added: int
    dropped: int


def keep_tlsa(office: Office, site_id: int, *, now: datetime) -> tuple[HostKeys, ...]:
    """Bring the records of a site's own hosts to the keys of the ledger; nothing is sent where all is so.

    Of what is there, only records for keys of this site go; others' stay. Raises Transient where a name server does not
    answer, Refused where it refuses us or the key for it is missing.
    """
    with reading(office.sessions) as session:
        site = session.get_one(Site, site_id)
        wanted = keys_told(session, site_id, now=now) if site.retired_at is None else ()
        ours = frozenset(session.scalars(select(Certificate.key_hash).where(Certificate.site_id == site_id)))
        where = [place for name in site.consumers if name != COMPLEX for place in own_places(office, site, name)]
        free = [place for place in dict.fromkeys(where) if not _of_a_customer(session, place.host)]
    kept = tuple(_keep(office, place, wanted, ours) for place in free)
    _note(office, site_id, kept, now)
    return kept


def _keep(office: Office, place: Place, wanted: Sequence[str], ours: frozenset[str]) -> HostKeys:
    zones = Zones(office.certificates_at.zone, office.settings.tsig_keys)
    zone = zones.of(place.host)
    if zone is None:
        return HostKeys(place, "", signed=False, added=0, dropped=0)
    server = zones.primary(zone)
    want = {entry(record).rdata: record for record in (place.record(key) for key in wanted)}
    name = place.record("").name
    have = [each for each in server.ask(name, "TLSA") if isinstance(each, dns.rdtypes.ANY.TLSA.TLSA)]
    drop = [_record(place, each) for each in have if each not in want and _is_ours(each, ours)]
    add = [record for rdata, record in want.items() if rdata not in have]
    if add or drop:
        server.change(zone.name, add=add, drop=drop)
    signed = bool(server.ask(zone.name, "DNSKEY"))
    return HostKeys(place, zone.name, signed=signed, added=len(add), dropped=len(drop))


def _is_ours(rdata: dns.rdtypes.ANY.TLSA.TLSA, ours: frozenset[str]) -> bool:
    return (rdata.usage, rdata.selector, rdata.mtype) == (3, 1, 1) and rdata.cert.hex() in ours


def _record(place: Place, rdata: dns.rdtypes.ANY.TLSA.TLSA) -> Record:
    return place.record(rdata.cert.hex())


def _of_a_customer(session: Session, host: str) -> bool:
    labels = host.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    query = select(Site.id).where(Site.slug.in_(above), Site.order_id.is_not(None), Site.retired_at.is_(None))
    return session.scalar(query.limit(1)) is not None


def _note(office: Office, site_id: int, kept: Sequence[HostKeys], now: datetime) -> None:
    changed = [each for each in kept if each.added or each.dropped]
    if not changed:
        return
    told = [f"{each.place.host}:{each.place.port} +{each.added} -{each.dropped}" for each in changed]
    unsigned = sorted({each.zone for each in changed if not each.signed})
    aside = f"; without DNSSEC nobody goes by them: {', '.join(unsigned)}" if unsigned else ""
    with transaction(office.sessions) as session:
        site = session.get_one(Site, site_id)
        note(session, site, "tlsa", f"{', '.join(told)}{aside}", now=now)
