"""Domain names as the public finds them: what resolvers answer, what the parent names, what each name server serves."""

from __future__ import annotations

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from blocks.clients.comms.names_outside import Resolver
from blocks.errors import DogovorError, Transient
from blocks.terms.watching import ResolverSaid

_ADDRESSES = ("A", "AAAA")
_MOST_CUTS = 8


def said_by(resolver: Resolver, domain: str) -> ResolverSaid:
    """What one resolver answers for the name servers and the addresses of a domain; its silence is an answer too."""
    name = f"{resolver.address}#{resolver.port}"
    try:
        servers = resolver.answer(domain, "NS", recursive=True, signed=True)
        found = [resolver.answer(domain, kind, recursive=True, signed=True) for kind in _ADDRESSES]
        if failed := _failure([servers, *found]):
            bogus = failed == "SERVFAIL" and _answers_unchecked(resolver, domain)
            return ResolverSaid(resolver=name, failure=failed, bogus=bogus)
    except DogovorError as error:
        return ResolverSaid(resolver=name, failure=str(error))
    addresses = [text for each, kind in zip(found, _ADDRESSES, strict=True) for text in _texts(each, kind)]
    return ResolverSaid(
        resolver=name,
        servers=tuple(_texts(servers, "NS")),
        addresses=tuple(addresses),
        authentic=all(each.flags & dns.flags.AD for each in (servers, *found)),
    )


def delegated_by_parent(resolvers: Sequence[Resolver], domain: str, *, port: int = 53) -> tuple[str, ...] | None:
    """The name servers that the servers of the parent zone name for a domain; None where none of them answers.

    Empty where the parent knows no such domain, or holds its records itself.
    """
    name = dns.name.from_text(domain)
    for server in _servers_of_parent(resolvers, name, port):
        try:
            answer = server.answer(name, "NS", recursive=False, signed=False)
        except DogovorError:
            continue
        found = [rrset for rrset in (*answer.answer, *answer.authority) if rrset.name == name]
        return tuple(sorted(_text(each) for rrset in found if rrset.rdtype == dns.rdatatype.NS for each in rrset))
    return None


def lame(resolvers: Sequence[Resolver], domain: str, server: str, *, port: int = 53) -> str:
    """What is wrong with a name server of a domain: "" where each of its addresses answers with authority."""
    addresses = addresses_of(resolvers, server)
    if not addresses:
        return "its name has no address"
    faults = [_not_authoritative(Resolver(address, port), domain) for address in addresses]
    return "; ".join(fault for fault in faults if fault)


def addresses_of(resolvers: Sequence[Resolver], host: str) -> list[str]:
    """The addresses of a host by the first resolver that answers."""
    for resolver in resolvers:
        try:
            answers = [resolver.answer(host, kind, recursive=True, signed=False) for kind in _ADDRESSES]
        except DogovorError:
            continue
        return [text for each, kind in zip(answers, _ADDRESSES, strict=True) for text in _texts(each, kind)]
    return []


def _servers_of_parent(resolvers: Sequence[Resolver], name: dns.name.Name, port: int) -> list[Resolver]:
    """The servers of the zone that the domain is delegated from: the next name above that has any."""
    for above in _above(name):
        for resolver in resolvers:
            try:
                servers = _texts(resolver.answer(above, "NS", recursive=True, signed=False), "NS")
            except DogovorError:
                continue
            if servers:
                return [Resolver(each, port) for host in servers for each in addresses_of(resolvers, host)]
            break
    return []


def _above(name: dns.name.Name) -> list[dns.name.Name]:
    found: list[dns.name.Name] = []
    while name != dns.name.root and len(found) < _MOST_CUTS:
        name = name.parent()
        found.append(name)
    return found


def _not_authoritative(server: Resolver, domain: str) -> str:
    try:
        answer = server.answer(domain, "SOA", recursive=False, signed=False)
    except Transient:
        return f"{server.address} does not answer"
    except DogovorError as error:
        return str(error)
    if answer.rcode() != dns.rcode.NOERROR:
        return f"{server.address} answers {dns.rcode.to_text(answer.rcode())}"
    served = answer.flags & dns.flags.AA and any(rrset.rdtype == dns.rdatatype.SOA for rrset in answer.answer)
    return "" if served else f"{server.address} does not serve it"


def _failure(answers: Sequence[dns.message.Message]) -> str:
    """Why a domain does not resolve by these answers, "" where it does."""
    for answer in answers:
        if answer.rcode() != dns.rcode.NOERROR:
            return dns.rcode.to_text(answer.rcode())
    return "" if any(answer.answer for answer in answers) else "no records"


def _answers_unchecked(resolver: Resolver, domain: str) -> bool:
    answer = resolver.answer(domain, "SOA", recursive=True, signed=True, unchecked=True)
    return answer.rcode() == dns.rcode.NOERROR


def _texts(answer: dns.message.Message, kind: str) -> list[str]:
    wanted = dns.rdatatype.from_text(kind)
    return sorted({_text(each) for rrset in answer.answer if rrset.rdtype == wanted for each in rrset})


def _text(record: object) -> str:
    return str(record).rstrip(".").lower()
