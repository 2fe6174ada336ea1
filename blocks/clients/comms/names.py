"""Customers' domains on our name servers: names in our own zone, and zones of their own (KS-3.2, KS-4.3)."""

from __future__ import annotations

import secrets
import time
from functools import cached_property

import dns.dnssec
import dns.rdtypes.ANY.DNSKEY
from pydantic import ValidationError

from blocks.clients.certificates import Certificates
from blocks.clients.comms.addresses import ComplexAt, DnsAt
from blocks.clients.comms.name_server import Entry, NameServer, member
from blocks.clients.comms.names_outside import Resolver, missing, resolver, served
from blocks.clients.comms.protocol import Software
from blocks.clients.comms.rndc import Rndc
from blocks.errors import Refused
from blocks.terms.ks_complex import Proof, ProofKind
from blocks.terms.ks_zone import Record, ZoneFacts, acceptable_domain, malformed, records

_SECURE_ENTRY = 257
_LONGEST_DETAIL = 300
_PAUSE_S = 0.25
_ZONE = (
    'type primary; file "{file}"; update-policy {{ grant {key} zonesub ANY; }}; dnssec-policy default; '
    "inline-signing no; serial-update-method unixtime;"
)


class DnsNames:
    """See `Names`. `tsig_secret` (base64) is the key `at.tsig_name`; TLSA records name the keys of `certificates`.

    A domain below `at.own_zone` has its records there; any other is a zone of its own, added to the primary and to the
    catalog that the other name servers follow. All calls can be repeated and end where they were broken off. They raise
    Transient where a server does not answer, Refused for a domain that cannot be ours and for a wrong key.
    """

    def __init__(
        self,
        at: DnsAt,
        tsig_secret: str,
        complex_at: ComplexAt,
        certificates: Certificates,
        *,
        patience_s: float = 15.0,
    ) -> None:
        self._at = at
        self._complex = complex_at
        self._certificates = certificates
        self._server = NameServer(at.primary, at.port, at.tsig_name, tsig_secret)
        self._patience_s = patience_s
        self._rndc = Rndc(at.primary, at.control_port, at.rndc_key)

    def publish(self, domain: str) -> None:
        """See Names.publish. Nothing is sent where all is there; `_acme-challenge` names are left alone."""
        zone = self._zone_of(domain)
        if zone == domain:
            self._add_zone(domain)
        self._server.make(zone, domain, lambda: self._records(domain), _challenge)

    def withdraw(self, domain: str) -> None:
        """See Names.withdraw. Of a zone of its own the keys go too: what DS its parent has means nothing now."""
        zone = self._zone_of(domain)
        if zone != domain:
            self._server.make(zone, domain, list, lambda _: False)
            return
        if self._rndc.has(domain) or self._listed(domain):
            self._server.change(self._at.catalog, drop=[member(self._at.catalog, domain)])
            self._rndc.delete(domain)
        self._clear(domain)

    def verify(self, domain: str) -> Proof:
        """See Names.verify. A domain that its parent does not delegate to us yet is said to be just that.

        What was published a moment ago gets `patience_s` to reach every name server.
        """
        end = time.monotonic() + self._patience_s
        while not (proof := self._look(domain)).ok and time.monotonic() < end:
            time.sleep(_PAUSE_S)
        return proof

    def _look(self, domain: str) -> Proof:
        own = self._zone_of(domain) == domain
        wanted = self._records(domain)
        facts = {"records": str(len(wanted)), "resolvers": ", ".join(self._at.resolvers)}
        faults = self._delegation(domain) if own else []
        if not faults:
            faults = [f"not as it should be: {what}" for what in missing(self._resolvers, wanted)]
        if own:
            faults += self._served(domain, facts)
        detail = "; ".join(faults) or f"{len(wanted)} records resolve"
        if len(detail) > _LONGEST_DETAIL:
            detail = detail[: _LONGEST_DETAIL - 4] + " ..."
        return Proof(contact="", kind=ProofKind.DNS, ok=not faults, detail=detail, facts=facts)

    def software(self) -> list[Software]:
        """See Names.software: the primary, then the other name servers, each asked on its control channel."""
        asked = [("primary name server", self._at.primary)]
        for name in self._at.servers[1:]:
            asked += [(f"name server {name}", each.address) for each in self._addresses(name)]
        return [
            Software(
                role=role,
                name="BIND",
                version=Rndc(address, self._at.control_port, self._at.rndc_key).version(),
                learnt="rndc status",
            )
            for role, address in asked
        ]

    def ds_of(self, domain: str) -> list[str]:
        """The DS records for the registrar of a domain that is a zone of its own: `TAG ALGORITHM 2 SHA256` each.

        Empty for a name in our own zone. Raises Refused where the zone is not on our primary.
        """
        if self._zone_of(domain) != domain:
            return []
        keys = self._server.ask(domain, "DNSKEY")
        entries = [key for key in keys if isinstance(key, dns.rdtypes.ANY.DNSKEY.DNSKEY) and key.flags == _SECURE_ENTRY]
        return sorted(dns.dnssec.make_ds(f"{domain}.", key, "SHA256").to_text() for key in entries)

    @cached_property
    def _resolvers(self) -> list[Resolver]:
        return [resolver(text) for text in self._at.resolvers]

    def _zone_of(self, domain: str) -> str:
        shared = domain.endswith(f".{self._at.own_zone}")
        others = (self._complex.host, *self._at.servers, self._at.catalog)
        fault = malformed(domain) if shared else acceptable_domain(domain, self._at.own_zone, "", others)
        if shared and any(f".{other}".endswith(f".{domain}") for other in others):
            fault = f"{domain} is a name of our own servers"
        if fault:
            raise Refused("domain", fault)
        return self._at.own_zone if shared else domain

    def _records(self, domain: str) -> list[Record]:
        at, services = self._at, self._complex
        try:
            facts = ZoneFacts(
                domain=domain,
                own=self._zone_of(domain) == domain,
                host=services.host,
                addresses=services.addresses,
                ports=services.ports,
                servers=at.servers,
                hostmaster=at.hostmaster if "@" in at.hostmaster else at.hostmaster.replace(".", "@", 1),
                authorities=at.ca,
                dkim_selector=at.dkim_selector,
                dkim_key=at.dkim_public_key,
                key_hashes=self._certificates.key_hashes(domain),
            )
        except ValidationError as error:
            fault = error.errors()[0]
            raise Refused("complexes", f"{fault['loc'][0]}: {fault['msg']}") from None
        return records(facts)

    def _add_zone(self, domain: str) -> None:
        if not self._rndc.has(domain):
            self._clear(domain)
            # A name of its own each time: BIND cleans up after a zone that it deleted when it pleases.
            file = self._at.zones / f"{domain}.{secrets.token_hex(4)}.db"
            start = [record for record in self._records(domain) if record.kind in {"SOA", "NS"}]
            try:
                file.write_text("".join(f"{name}. {ttl} IN {kind} {value}\n" for name, ttl, kind, value in start))
                file.chmod(0o644)
            except OSError as error:
                raise Refused("zones", f"{self._at.zones}: {error.strerror}") from None
            self._rndc.add(domain, _ZONE.format(file=file, key=self._at.tsig_name))
        if not self._listed(domain):
            self._server.change(self._at.catalog, add=[member(self._at.catalog, domain)])

    def _listed(self, domain: str) -> bool:
        return bool(self._server.ask(member(self._at.catalog, domain).name, "PTR"))

    def _clear(self, domain: str) -> None:
        for pattern in (f"{domain}.????????.db*", f"K{domain}.+*"):
            for file in self._at.zones.glob(pattern):
                file.unlink(missing_ok=True)

    def _delegation(self, domain: str) -> list[str]:
        for each in self._resolvers:
            seen = {rdata.to_text().rstrip(".").lower() for rdata in each.look_up(domain, "NS")}
            if seen != set(self._at.servers):
                names = ", ".join(sorted(seen)) or "no name server of it"
                return [f"{domain} is not delegated to us yet: {each.address} sees {names}"]
        return []

    def _served(self, domain: str, facts: dict[str, str]) -> list[str]:
        faults: list[str] = []
        serials: set[int] = set()
        for name in self._at.servers:
            addresses = self._addresses(name)
            if not addresses:
                faults.append(f"{name} has no address")
            for address in addresses:
                found = served(address, domain)
                if found.serial is not None:
                    serials.add(found.serial)
                if found.fault:
                    faults.append(f"{name} {found.fault}")
        if len(serials) > 1:
            faults.append("name servers differ in serial: " + ", ".join(map(str, sorted(serials))))
        if not faults:
            facts.update(serial=str(serials.pop()), dnssec="valid", servers=", ".join(self._at.servers))
        return faults

    def _addresses(self, name: str) -> list[Resolver]:
        found = {rdata.to_text() for kind in ("A", "AAAA") for rdata in self._resolvers[0].look_up(name, kind)}
        return [Resolver(address, self._at.port) for address in sorted(found)]


def _challenge(entry: Entry) -> bool:
    return entry.name.labels[0].lower() == b"_acme-challenge"
