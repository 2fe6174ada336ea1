"""What is wrong with a certificate that is served, or with a domain name, and under which clause it matters.

KS-2.6 is read so: TLS with a certificate that no client can check is no TLS, so its faults are faults of the protocol.
KS-3.8 is read so: what is served is what was announced, so a certificate that the ledger does not name in service is a
fault. KS-3.2 is read so: a name that one resolver alone does not find does not resolve.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

from blocks.terms.base import Frozen, Moment, Verdict
from blocks.terms.ks_complex import SecurityFacts, connection_is_secure

MOST_LEFT = timedelta(days=14)
LIFE_LEFT = 4
"""A certificate ends soon in its last fourteen days, one of a short life in its last quarter."""
NAME_DAYS = (60, 30, 7)
"""So many days before a registration ends a person is told, each time anew."""
_WEAK_HASHES = frozenset({"md5", "sha1"})
_LEAST_RSA, _LEAST_EC = 2048, 256


class Kind(StrEnum):
    """Kinds of findings: of endpoints first, then of domain names, then of rotations."""

    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown_certificate"
    NOT_IN_SERVICE = "not_in_service"
    EXPIRED = "expired"
    EXPIRES_SOON = "expires_soon"
    MISMATCH = "name_mismatch"
    WEAK = "weak"
    CHAIN = "broken_chain"
    UNRESOLVED = "unresolved"
    DISAGREE = "resolvers_disagree"
    DELEGATION = "delegation"
    LAME = "lame_server"
    DNSSEC = "dnssec"
    REGISTRATION = "registration_ends"
    PROMISE = "promise"
    ROTATION = "rotation"


SERVED = frozenset(
    {
        Kind.UNREACHABLE,
        Kind.UNKNOWN,
        Kind.NOT_IN_SERVICE,
        Kind.EXPIRED,
        Kind.EXPIRES_SOON,
        Kind.MISMATCH,
        Kind.WEAK,
        Kind.CHAIN,
    }
)
"""What is found at endpoints."""
ROTATED = frozenset({Kind.PROMISE, Kind.ROTATION})
"""What is found of the rotation of a site: a notice or a window that cannot be kept, what stands in its way."""
NAMED = frozenset(Kind) - SERVED - ROTATED
"""What is found of domain names."""
_CLAUSES = {Kind.UNREACHABLE: "KS-3.2", Kind.UNKNOWN: "KS-3.8", Kind.NOT_IN_SERVICE: "KS-3.8"} | dict.fromkeys(
    ROTATED, "KS-3.8"
)


class Flaw(Frozen):
    """One thing that is wrong, with what was seen."""

    kind: Kind
    detail: str

    @property
    def clause(self) -> str:
        """The clause under which it matters."""
        return _CLAUSES.get(self.kind, "KS-2.6" if self.kind in SERVED else "KS-3.2")


class ServedFacts(Frozen):
    """A certificate as it is served; `distrust` and `old_tls` say what was seen, and are empty where all is well.

    `key` is a kind and its bits (`RSA 2048`), `signature` the hash under the certificate, `bits` those of the cipher.
    """

    not_before: Moment
    not_after: Moment
    name: str
    covers: bool
    names: tuple[str, ...] = ()
    distrust: str = ""
    ordered: bool = True
    key: str
    signature: str
    version: str
    bits: int
    old_tls: str = ""


def served_flaws(facts: ServedFacts, *, now: datetime) -> list[Flaw]:
    """What is wrong with it at that moment; it is valid from its first moment up to its last, both included."""
    found = [_time(facts, now)]
    if not facts.covers:
        found.append(Flaw(kind=Kind.MISMATCH, detail=f"{facts.name} is none of {', '.join(facts.names) or 'no names'}"))
    if facts.distrust:
        found.append(Flaw(kind=Kind.CHAIN, detail=facts.distrust))
    elif not facts.ordered:
        found.append(Flaw(kind=Kind.CHAIN, detail="its certificates do not stand in their order"))
    if weak := _weak(facts):
        found.append(Flaw(kind=Kind.WEAK, detail="; ".join(weak)))
    return [flaw for flaw in found if flaw is not None]


def ends_soon(not_before: datetime, not_after: datetime) -> datetime:
    """From when on a certificate ends soon."""
    return not_after - min(MOST_LEFT, (not_after - not_before) / LIFE_LEFT)


def _time(facts: ServedFacts, now: datetime) -> Flaw | None:
    if now < facts.not_before:
        return Flaw(kind=Kind.EXPIRED, detail=f"it is not valid before {facts.not_before.isoformat()}")
    if now > facts.not_after:
        return Flaw(kind=Kind.EXPIRED, detail=f"it ended {facts.not_after.isoformat()}")
    if now >= ends_soon(facts.not_before, facts.not_after):
        return Flaw(kind=Kind.EXPIRES_SOON, detail=f"it ends {facts.not_after.isoformat()}")
    return None


def _weak(facts: ServedFacts) -> list[str]:
    kind, _, bits = facts.key.partition(" ")
    least = {"RSA": _LEAST_RSA, "EC": _LEAST_EC}.get(kind, 0)
    agreed = connection_is_secure(SecurityFacts(version=facts.version, bits=facts.bits))
    found = {
        f"the key is {facts.key}": bool(least) and int(bits) < least,
        f"the signature is {facts.signature}": facts.signature in _WEAK_HASHES,
        f"it agrees on {agreed.what}": agreed.verdict is not Verdict.ALLOWED,
        f"it agrees on {facts.old_tls}": bool(facts.old_tls),
    }
    return [words for words, so in found.items() if so]


class ResolverSaid(Frozen):
    """What one resolver answers for a domain: its name servers, or why there are none.

    `authentic` is whether it vouches for the answer by DNSSEC, `bogus` whether it answers only when told not to check.
    """

    resolver: str
    servers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    failure: str = ""
    authentic: bool = False
    bogus: bool = False


class DomainFacts(Frozen):
    """A domain as it was found. `expected` are the name servers that it should have, empty where none are known.

    `delegated` are those at its parent (None: the parent could not be asked), `lame` what is wrong with a server of
    these, by its name. `signed` is whether it should be signed; `expires` is the last day of its registration.
    """

    said: tuple[ResolverSaid, ...]
    expected: tuple[str, ...] = ()
    delegated: tuple[str, ...] | None = None
    lame: tuple[tuple[str, str], ...] = ()
    signed: bool = False
    expires: date | None = None


def domain_flaws(facts: DomainFacts, *, today: date) -> list[Flaw]:
    """What is wrong with a domain (KS-3.2). `today` is the day in the zone of its registry."""
    found = []
    bogus = [each.resolver for each in facts.said if each.bogus]
    failed = [f"{each.resolver}: {each.failure}" for each in facts.said if each.failure and not each.bogus]
    if failed:
        found.append(Flaw(kind=Kind.UNRESOLVED, detail="; ".join(failed)))
    answers = {(each.servers, each.addresses) for each in facts.said if not each.failure}
    if len(answers) > 1:
        told = [
            f"{each.resolver}: {', '.join(each.servers + each.addresses)}" for each in facts.said if not each.failure
        ]
        found.append(Flaw(kind=Kind.DISAGREE, detail="; ".join(told)))
    found += _delegation(facts)
    if bogus:
        found.append(Flaw(kind=Kind.DNSSEC, detail=f"its signatures are not valid to {', '.join(bogus)}"))
    elif facts.signed and (plain := [each.resolver for each in facts.said if not each.failure and not each.authentic]):
        found.append(
            Flaw(kind=Kind.DNSSEC, detail=f"it should be signed, and is not vouched for by {', '.join(plain)}")
        )
    if facts.expires is not None and (left := (facts.expires - today).days) <= NAME_DAYS[0]:
        stage = min(days for days in NAME_DAYS if left <= days)
        when = "ended" if left < 0 else f"ends in {stage} days or less, on"
        found.append(Flaw(kind=Kind.REGISTRATION, detail=f"its registration {when} {facts.expires.isoformat()}"))
    return found


def _delegation(facts: DomainFacts) -> list[Flaw]:
    found = []
    if facts.delegated is not None and facts.expected and set(facts.delegated) != set(facts.expected):
        stand, should = ", ".join(sorted(facts.delegated)) or "none", ", ".join(sorted(facts.expected))
        found.append(Flaw(kind=Kind.DELEGATION, detail=f"its parent names {stand} instead of {should}"))
    if facts.lame:
        told = "; ".join(f"{server}: {why}" for server, why in facts.lame)
        found.append(Flaw(kind=Kind.LAME, detail=told))
    return found
