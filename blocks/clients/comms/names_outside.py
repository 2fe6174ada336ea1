"""What the DNS says about a domain as seen from outside: by resolvers, and by each of its name servers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.SOA

from blocks.clients.comms.name_server import answering, entry
from blocks.terms.ks_zone import Record

WAIT_S, AT_ONCE = 5.0, 8
_PAYLOAD = 1232


class Resolver(NamedTuple):
    """A server that is asked without any key."""

    address: str
    port: int

    def answer(
        self, name: str | dns.name.Name, kind: str, *, recursive: bool, signed: bool, unchecked: bool = False
    ) -> dns.message.Message:
        """Its answer, over TCP where a datagram does not hold it; `unchecked`: with signatures that are not valid too.

        Raises Transient where there is none.
        """
        flags = (dns.flags.RD if recursive else dns.flags.Flag(0)) | (dns.flags.CD if unchecked else dns.flags.Flag(0))
        query = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD, want_dnssec=signed, flags=flags)
        with answering(f"{self.address}#{self.port}"):
            said, _ = dns.query.udp_with_fallback(query, self.address, WAIT_S, self.port, ignore_errors=True)
        return said

    def look_up(self, name: str | dns.name.Name, kind: str) -> set[dns.rdata.Rdata]:
        """The records that it resolves a name to, none where it says that there are none or cannot resolve."""
        asked = dns.rdatatype.from_text(kind)
        said = self.answer(name, kind, recursive=True, signed=False)
        return {rdata for found in said.answer if found.rdtype == asked for rdata in found}


def resolver(text: str) -> Resolver:
    """Read `ADDRESS` or `ADDRESS#PORT`."""
    address, _, port = text.partition("#")
    return Resolver(address, int(port or 53))


def missing(resolvers: Sequence[Resolver], records: Sequence[Record]) -> list[str]:
    """What any resolver does not resolve exactly as it should be, as `TYPE name`; the SOA is not compared."""
    wanted: dict[tuple[dns.name.Name, str], set[dns.rdata.Rdata]] = {}
    for record in records:
        if record.kind != "SOA":
            made = entry(record)
            wanted.setdefault((made.name, record.kind), set()).add(made.rdata)
    asked = [(each, name, kind) for each in resolvers for name, kind in wanted]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        seen = list(threads.map(lambda question: question[0].look_up(question[1], question[2]), asked))
    faults = [
        f"{kind} {name.to_text(omit_final_dot=True)}"
        for (_, name, kind), found in zip(asked, seen, strict=True)
        if found != wanted[name, kind]
    ]
    return list(dict.fromkeys(faults))


class Served(NamedTuple):
    """A zone as one of its name servers answers for it: its serial, None where it does not have it, and its faults."""

    serial: int | None
    fault: str


def served(server: Resolver, domain: str) -> Served:
    """Ask one name server for the start of a zone and its keys: it must answer with authority, and signed."""
    said = server.answer(domain, "SOA", recursive=False, signed=True)
    name = dns.name.from_text(domain)
    soa = said.get_rrset(said.answer, name, dns.rdataclass.IN, dns.rdatatype.SOA)
    if soa is None or not said.flags & dns.flags.AA:
        return Served(None, "does not serve it")
    start = soa[0]
    if not isinstance(start, dns.rdtypes.ANY.SOA.SOA):
        return Served(None, "does not serve it")
    keys = server.answer(domain, "DNSKEY", recursive=False, signed=True).answer
    signatures = said.get_rrset(said.answer, name, dns.rdataclass.IN, dns.rdatatype.RRSIG, dns.rdatatype.SOA)
    found = [each for each in keys if each.name == name and each.rdtype == dns.rdatatype.DNSKEY]
    if signatures is None or not found:
        return Served(start.serial, "is not signed")
    try:
        dns.dnssec.validate(soa, signatures, {name: found[0]})
    except dns.exception.ValidationFailure:
        return Served(start.serial, "has a signature that is not valid")
    return Served(start.serial, "")
