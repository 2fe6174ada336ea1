"""A complex of real servers made from where they stand and what we may do there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from blocks.clients.certificates import Certificates
from blocks.clients.comms.addresses import ComplexAt, DnsAt
from blocks.clients.comms.complex import Names, RealComplex
from blocks.clients.comms.mail import MailService
from blocks.clients.comms.names import DnsNames
from blocks.clients.comms.no_names import NoNames
from blocks.clients.comms.sip import SipService
from blocks.clients.comms.tls_scan import TlsScan
from blocks.clients.comms.xmpp import XmppService
from blocks.clients.directory import Directory, Kind
from blocks.errors import Refused


@dataclass(frozen=True)
class Keys:
    """What opens the management of a complex and of the name servers; empty where it is not configured."""

    doveadm: str = field(repr=False)
    dns: str = field(repr=False)


def open_complex(
    at: ComplexAt,
    dns: DnsAt | None,
    *,
    keys: Keys,
    directory: Directory,
    certificates: Certificates,
    clock: Callable[[], datetime],
) -> RealComplex:
    """The complex, spoken to at the first of its addresses. Raises Refused where a key is missing."""
    if not keys.doveadm:
        raise Refused("doveadm_key", f"DOGOVOR_DOVEADM_KEYS names no key of {at.name}")
    address = at.addresses[0]
    return RealComplex(
        at.name,
        at.host,
        {
            Kind.XMPP: XmppService(directory, at.xmpp, host=address, ca_file=at.ca_file),
            Kind.MAIL: MailService(
                directory, at.mail, at.host, address=address, ca_file=at.ca_file, doveadm_key=keys.doveadm
            ),
            Kind.SIP: SipService(directory, at.sip, address, at.ca_file),
        },
        directory=directory,
        certificates=certificates,
        names=_names(at, dns, keys.dns, certificates),
        scan=TlsScan(at, clock),
    )


def _names(at: ComplexAt, dns: DnsAt | None, key: str, certificates: Certificates) -> Names:
    if dns is None:
        return NoNames(at)
    if not key:
        raise Refused("dns_key", "the name servers take updates by a key: DOGOVOR_DNS_KEY is missing")
    return DnsNames(dns, key, at, certificates)
