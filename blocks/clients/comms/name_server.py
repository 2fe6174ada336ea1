"""The primary name server: zones read by AXFR and changed by RFC 2136, both signed by TSIG."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NSEC
import dns.rdtypes.ANY.SOA
import dns.tsig
import dns.update
import dns.xfr
import dns.zone

from blocks.errors import Refused, Transient
from blocks.terms.ks_zone import Record

WAIT_S, TRIES = 10.0, 5
_MOST_NAMES = 10_000
MADE_BY_SERVER = frozenset(
    dns.rdatatype.from_text(kind)
    for kind in ("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534")
)
_FINAL = frozenset({dns.rcode.NOTAUTH, dns.rcode.REFUSED, dns.rcode.NOTZONE, dns.rcode.FORMERR, dns.rcode.NOTIMP})
_CHANGED = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})


class Entry(NamedTuple):
    """One record as the DNS has it; two are equal if nothing differs, the letters' case aside."""

    name: dns.name.Name
    ttl: int
    rdata: dns.rdata.Rdata


def entry(record: Record) -> Entry:
    """A record of ours as the DNS has it."""
    rdata = dns.rdata.from_text(dns.rdataclass.IN, record.kind, record.value, relativize=False)
    return Entry(dns.name.from_text(record.name), record.ttl, rdata)


@contextmanager
def answering(server: str) -> Iterator[None]:
    """Turn what DNS calls raise into Transient or Refused, `server` named."""
    try:
        yield
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadTime, dns.message.UnknownTSIGKey):
        raise Refused("tsig", f"{server} and we do not hold the same TSIG key") from None
    except dns.xfr.TransferError as error:
        if error.rcode in _FINAL:
            raise Refused("dns", f"{server} refuses a transfer: {dns.rcode.to_text(error.rcode)}") from None
        raise Transient(f"{server}: {dns.rcode.to_text(error.rcode)}") from None
    except (OSError, EOFError, dns.exception.DNSException) as error:
        raise Transient(f"{server} does not answer: {type(error).__name__}") from None


class NameServer:
    """The primary at an address and port, with the key of that name. Raises Transient and Refused."""

    def __init__(
        self, address: str, port: int, key_name: str, secret: str, algorithm: dns.name.Name = dns.tsig.HMAC_SHA256
    ) -> None:
        self._address = address
        self._port = port
        try:
            self._key = dns.tsig.Key(dns.name.from_text(key_name), secret, algorithm)
        except ValueError:
            raise Refused("tsig", "the TSIG key is not base64") from None

    def make(
        self, zone: str, below: str, wanted: Callable[[], Iterable[Record]], spare: Callable[[Entry], bool]
    ) -> int:
        """Make what is at and below a name of a zone exactly what is wanted; returns how many records that changed.

        A part of a zone is found by its NSEC chain, so that it costs nothing how much else there is: the zone must be
        signed so. What DNSSEC makes and what `spare` is true for stay. The change is one update that holds only for the
        zone that it was computed from; where that changed meanwhile it is computed again.
        """
        for _ in range(TRIES):
            soa, held = self._transfer(zone) if zone == below else self._walk(zone, below)
            have = {old for old in held if not spare(old)}
            want = {_counted(entry(record), soa) for record in wanted()}
            if have - {soa} == want - {soa}:
                return 0
            if self._sent(self._update(zone, soa, have - want - {soa}, want - have)):
                return len(have ^ want)
        raise Transient(f"{zone} kept changing while its records were written")

    def change(self, zone: str, *, add: Iterable[Record] = (), drop: Iterable[Record] = ()) -> None:
        """Add and drop records; what is there or gone already is no error."""
        update = self._message(zone)
        for record in drop:
            update.delete(entry(record).name, entry(record).rdata)
        for record in add:
            update.add(*entry(record))
        self._sent(update)

    def ask(self, name: str, kind: str) -> list[dns.rdata.Rdata]:
        """The records of a name and type that the server has itself, none where there are none."""
        query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        query.use_tsig(self._key)
        with answering(self._address):
            answer = dns.query.tcp(query, self._address, WAIT_S, self._port)
        if answer.rcode() in _FINAL:
            raise Refused("dns", f"{self._address} refuses {name}: {dns.rcode.to_text(answer.rcode())}")
        asked = dns.rdatatype.from_text(kind)
        return [rdata for found in answer.answer if found.rdtype == asked for rdata in found]

    def _walk(self, zone: str, below: str) -> tuple[Entry, list[Entry]]:
        origin, top = dns.name.from_text(zone), dns.name.from_text(below)
        held: list[Entry] = []
        with answering(self._address), socket.create_connection((self._address, self._port), WAIT_S) as line:
            start = [each for each in self._all(line, origin) if each.rdata.rdtype == dns.rdatatype.SOA]
            name = top
            for _ in range(_MOST_NAMES):
                said = self._all(line, name)
                held += [each for each in said if each.name == name and each.rdata.rdtype not in MADE_BY_SERVER]
                name = _following(said, name)
                if not name.is_subdomain(top) or name == top:
                    break
            else:
                raise Refused("dns", f"{below} has more than {_MOST_NAMES} names")
        if not start:
            raise Refused("dns", f"{self._address} does not serve {zone}")
        return start[0], held

    def _all(self, line: socket.socket, name: dns.name.Name) -> list[Entry]:
        query = dns.message.make_query(name, dns.rdatatype.ANY, want_dnssec=True)
        query.use_tsig(self._key)
        said = dns.query.tcp(query, self._address, WAIT_S, sock=line)
        if said.rcode() in _FINAL:
            raise Refused("dns", f"{self._address} refuses {name}: {dns.rcode.to_text(said.rcode())}")
        found = (*said.answer, *said.authority)
        return [Entry(each.name, each.ttl, rdata) for each in found for rdata in each]

    def _transfer(self, zone: str) -> tuple[Entry, list[Entry]]:
        copy = dns.zone.Zone(dns.name.from_text(zone), relativize=False)
        query, _ = dns.xfr.make_query(copy, None, keyring=self._key)
        with answering(self._address):
            dns.query.inbound_xfr(self._address, copy, query, self._port, WAIT_S, WAIT_S)
        held = [Entry(*each) for each in copy.iterate_rdatas() if each[2].rdtype not in MADE_BY_SERVER]
        return next(each for each in held if each.rdata.rdtype == dns.rdatatype.SOA), held

    def _message(self, zone: str) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(zone, keyring=self._key)

    def _update(self, zone: str, soa: Entry, gone: set[Entry], new: set[Entry]) -> dns.update.UpdateMessage:
        update = self._message(zone)
        update.present(soa.name, soa.rdata)
        servers = [each for each in new if each.rdata.rdtype == dns.rdatatype.NS]
        for added in servers:  # a zone keeps one name server at any moment
            update.add(*added)
        for old in gone:
            update.delete(old.name, old.rdata)
        for added in new:
            update.add(*added)
        return update

    def _sent(self, update: dns.update.UpdateMessage) -> bool:
        with answering(self._address):
            code = dns.query.tcp(update, self._address, WAIT_S, self._port).rcode()
        if code in _FINAL:
            raise Refused("dns", f"{self._address} refuses an update: {dns.rcode.to_text(code)}")
        if code not in _CHANGED and code != dns.rcode.NOERROR:
            raise Transient(f"{self._address}: {dns.rcode.to_text(code)}")
        return code == dns.rcode.NOERROR


def _following(said: list[Entry], name: dns.name.Name) -> dns.name.Name:
    """The name after `name` in its zone, by the NSEC record that stands at it or spans it."""
    for each in said:
        if isinstance(each.rdata, dns.rdtypes.ANY.NSEC.NSEC):
            following: dns.name.Name = each.rdata.next
            if each.name == name or _spans(each.name, name, following):
                return following
    raise Refused("dns", f"the zone of {name.to_text(omit_final_dot=True)} is not signed with NSEC")


def _spans(owner: dns.name.Name, name: dns.name.Name, following: dns.name.Name) -> bool:
    last = following <= owner  # it leads to the first
    return bool(owner < name and (last or name < following))


def _counted(wanted: Entry, soa: Entry) -> Entry:
    """The wanted SOA with the serial of the one that is there, one higher where anything else of it differs."""
    if not isinstance(wanted.rdata, dns.rdtypes.ANY.SOA.SOA) or not isinstance(soa.rdata, dns.rdtypes.ANY.SOA.SOA):
        return wanted
    same = wanted._replace(rdata=wanted.rdata.replace(serial=soa.rdata.serial))
    return same if same == soa else wanted._replace(rdata=wanted.rdata.replace(serial=soa.rdata.serial + 1))


def member(catalog: str, domain: str) -> Record:
    """The record by which a catalog zone (RFC 9432) lists a domain; the same domain has always the same one."""
    label = hashlib.sha256(domain.encode()).hexdigest()[:32]
    return Record(f"{label}.zones.{catalog}", 3600, "PTR", f"{domain}.")
