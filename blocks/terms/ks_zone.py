"""KeepSecrets (KS): which domains a customer may bring, and the records that each domain of a customer has.

KS-3.2 is read so: every name that a client of the complex looks up resolves, and so does what other people's software
asks before it trusts the domain (SPF, DKIM, DMARC, TLSA, CAA). KS-4.3 is read so: a domain of the second level has
exactly two labels and is a zone of its own on our name servers; any other domain of a customer is a name in our zone.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from pydantic import Field

from blocks.terms.base import Frozen

SERVICE_NAMES = ("xmpp", "upload", "conference", "pubsub", "proxy")
"""The names directly below a domain that its services answer at."""

_NAMES_S, _TRUST_S, _SOON_S = 3600, 3600, 300
KEYS_S = 300
"""How long, in seconds, the DNS may remember which keys are good."""
_LONGEST_TEXT = 255
_ED25519_BYTES = 32
_SERIAL = 1
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LONGEST_NAME = 200  # leaves room below 253 for the longest name that we make under it
_LONGEST_SERVED = 64
_NEVER_PUBLIC = frozenset({"alt", "arpa", "internal", "invalid", "local", "localhost", "onion"})


def acceptable_domain(domain: str, own_zone: str, customer_domain: str, taken: Collection[str] = ()) -> str:
    """Why a customer cannot bring this domain as its own of the second level (KS-4.3); "" where it can.

    `domain` is in lower case, in the form that the DNS carries (`xn--` for what is not ASCII). Nobody gets our own
    zone, the domain of shared customers, or a name in `taken` (other customers' domains, our hosts and name servers),
    and nothing above or below one of these. Top-level names kept for trials (`test`, `example`) pass.
    """
    if fault := malformed(domain):
        return fault
    labels = domain.split(".")
    if len(domain) > _LONGEST_SERVED:
        return f"{domain} is longer than {_LONGEST_SERVED} characters: the tables of SIP servers hold no more"
    if len(labels) != 2:
        return f"{domain} is not of the second level"
    if labels[-1] in _NEVER_PUBLIC or labels[-1].isdigit():
        return f".{labels[-1]} is never delegated to anyone"
    for other in (own_zone, customer_domain, *taken):
        if _overlap(domain, other.rstrip(".").lower()):
            return f"{domain} belongs to somebody else already"
    return ""


def malformed(domain: str) -> str:
    """What is wrong with the form of a domain name, whosever it is; "" where it is well written."""
    labels = domain.split(".")
    if len(domain) > _LONGEST_NAME:
        return f"{domain[:40]}... is longer than {_LONGEST_NAME} characters"
    if not all(_LABEL.fullmatch(label) for label in labels):
        return f"{domain!r} is no domain name in lower-case ASCII; write other letters as xn--"
    if any(label[2:4] == "--" and not _is_idna(label) for label in labels):
        return f"{domain} has a label that IDNA does not know"
    return ""


def _is_idna(label: str) -> bool:
    if not label.startswith("xn--"):
        return False
    try:
        return label.encode("ascii").decode("idna").encode("idna").decode() == label
    except UnicodeError:
        return False


def _overlap(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


class ServicePorts(Frozen):
    """The TCP ports that clients find by the DNS."""

    xmpp: int = 5222
    xmpps: int = 5223
    upload: int = 5444
    imap: int = 143
    imaps: int = 993
    submission: int = 587
    submissions: int = 465
    sips: int = 5061


class ZoneFacts(Frozen):
    """What the records of a domain are made from.

    `own` says that the domain is a zone of its own. `host` is the name that its mail goes to and that shows the mail
    servers' certificate, `addresses` what every name of the domain leads to. `key_hashes` are hex SHA-256 of the public
    keys (SPKI) that its certificate may show; `dkim_key` is base64, as in `p=`; none of either leaves its records out.
    """

    domain: str = Field(examples=["firm.ru"])
    own: bool
    host: str = Field(pattern=r"[a-z]", examples=["c1.example.net"])
    addresses: tuple[str, ...] = Field(min_length=1, examples=[("192.0.2.1", "2001:db8::1")])
    ports: ServicePorts = ServicePorts()
    servers: tuple[str, ...] = Field(min_length=1, examples=[("ns1.example.net", "ns2.example.net")])
    hostmaster: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", examples=["hostmaster@example.net"])
    authorities: tuple[str, ...] = Field(default=(), examples=[("letsencrypt.org",)])
    dkim_selector: str = "mail"
    dkim_key: str = ""
    key_hashes: tuple[str, ...] = ()


class Record(NamedTuple):
    """A record as zone files write it: the full name without its last dot, seconds to live, type, value."""

    name: str
    ttl: int
    kind: str
    value: str


def records(facts: ZoneFacts) -> list[Record]:
    """Exactly what there is at and below a domain (KS-3.2), the start of its own zone among it (KS-4.3).

    The serial of the SOA is a placeholder: name servers count it. There is no `_xmpp-server`: the complex talks to no
    other. TTLs are an hour, five minutes for what changes with a certificate.
    """
    parts = (_start(facts), _addresses(facts), _services(facts), _mail(facts), _keys(facts), _authorities(facts))
    return [record for part in parts for record in part]


def mailbox(address: str) -> str:
    """An e-mail address as a SOA names it."""
    local, _, place = address.partition("@")
    return local.replace(".", "\\.") + "." + place


def _start(facts: ZoneFacts) -> Iterator[Record]:
    if facts.own:
        numbers = f"{_SERIAL} 3600 600 1209600 {_SOON_S}"
        yield Record(facts.domain, _NAMES_S, "SOA", f"{facts.servers[0]}. {mailbox(facts.hostmaster)}. {numbers}")
        for server in facts.servers:
            yield Record(facts.domain, _NAMES_S, "NS", f"{server}.")


def _addresses(facts: ZoneFacts) -> Iterator[Record]:
    for name in (facts.domain, *(f"{name}.{facts.domain}" for name in SERVICE_NAMES)):
        for address in facts.addresses:
            kind = "A" if ip_address(address).version == 4 else "AAAA"
            yield Record(name, _NAMES_S, kind, address)


def _services(facts: ZoneFacts) -> Iterator[Record]:
    ports, here, mail = facts.ports, facts.domain, facts.host
    for service, preference, port, target in (
        ("_xmpps-client", 0, ports.xmpps, here),
        ("_xmpp-client", 10, ports.xmpp, here),
        ("_sips", 0, ports.sips, here),
        ("_imaps", 0, ports.imaps, mail),
        ("_imap", 10, ports.imap, mail),
        ("_submissions", 0, ports.submissions, mail),
        ("_submission", 10, ports.submission, mail),
    ):
        yield Record(f"{service}._tcp.{here}", _NAMES_S, "SRV", f"{preference} 1 {port} {target}.")


def _mail(facts: ZoneFacts) -> Iterator[Record]:
    yield Record(facts.domain, _NAMES_S, "MX", f"10 {facts.host}.")
    yield Record(facts.domain, _TRUST_S, "TXT", _text("v=spf1 mx -all"))
    policy = "v=DMARC1; p=reject; sp=reject; adkim=s; aspf=s"
    yield Record(f"_dmarc.{facts.domain}", _TRUST_S, "TXT", _text(policy))
    if facts.dkim_key:
        kind = "ed25519" if len(b64decode(facts.dkim_key)) == _ED25519_BYTES else "rsa"
        name = f"{facts.dkim_selector}._domainkey.{facts.domain}"
        yield Record(name, _TRUST_S, "TXT", _text(f"v=DKIM1; k={kind}; p={facts.dkim_key}"))


def key_places(domain: str, ports: ServicePorts) -> tuple[tuple[int, str], ...]:
    """The TCP ports and names at which a domain's certificate is shown and its keys are told of in the DNS."""
    return (ports.xmpp, domain), (ports.xmpps, domain), (ports.sips, domain), (ports.upload, f"upload.{domain}")


def key_record(port: int, host: str, key_hash: str) -> Record:
    """The TLSA record of a key at a port of a host: usage 3, the public key alone, SHA-256."""
    return Record(f"_{port}._tcp.{host}", KEYS_S, "TLSA", f"3 1 1 {key_hash}")


def _keys(facts: ZoneFacts) -> Iterator[Record]:
    for port, name in key_places(facts.domain, facts.ports):
        for key in facts.key_hashes:
            yield key_record(port, name, key)


def _authorities(facts: ZoneFacts) -> Iterator[Record]:
    for tag in ("issue", "issuewild"):
        for authority in facts.authorities or (";",):
            yield Record(facts.domain, _TRUST_S, "CAA", f'0 {tag} "{authority}"')
    yield Record(facts.domain, _TRUST_S, "CAA", f'0 iodef "mailto:{facts.hostmaster}"')


def _text(value: str) -> str:
    pieces = [value[start : start + _LONGEST_TEXT] for start in range(0, len(value), _LONGEST_TEXT)]
    return " ".join(f'"{piece}"' for piece in pieces)
