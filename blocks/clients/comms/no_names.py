"""Customers' names where others run the name servers: we publish nothing, and prove what the resolver here sees."""

from __future__ import annotations

from ipaddress import ip_address

import dns.exception
import dns.resolver

from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.protocol import Software
from blocks.errors import Transient
from blocks.terms.ks_complex import Proof, ProofKind

_SECONDS = 10.0


class NoNames:
    """See `Names`. `resolver` is asked in place of the system's, where there is one."""

    def __init__(self, at: ComplexAt, resolver: dns.resolver.Resolver | None = None) -> None:
        self._at = at
        self._resolver = resolver

    def publish(self, domain: str) -> None:
        """See Names.publish. Somebody else does."""

    def withdraw(self, domain: str) -> None:
        """See Names.withdraw. Somebody else does."""

    def verify(self, domain: str) -> Proof:
        """See Names.verify. The domain and the name of its uploads must lead to the complex, and nowhere else."""
        faults = []
        for name in (domain, f"upload.{domain}"):
            seen = {address for kind in ("A", "AAAA") for address in self._seen(name, kind)}
            if seen != {str(ip_address(address)) for address in self._at.addresses}:
                faults.append(f"{name} leads to {', '.join(sorted(seen)) or 'nothing'}")
        detail = "; ".join(faults) or f"{domain} leads to {', '.join(self._at.addresses)}"
        return Proof(contact="", kind=ProofKind.DNS, ok=not faults, detail=detail[:300])

    def software(self) -> list[Software]:
        """See Names.software. None is ours."""
        return []

    def _seen(self, name: str, kind: str) -> list[str]:
        try:
            asked = self._resolver or dns.resolver.Resolver()
            return [record.to_text() for record in asked.resolve(f"{name}.", kind, lifetime=_SECONDS)]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Transient(f"no resolver tells of {name}: {type(error).__name__}") from None
