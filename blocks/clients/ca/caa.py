"""Which CAs the DNS allows to issue for a name (CAA, RFC 8659 and RFC 8657), read before an order is placed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CAA

from blocks.clients.comms.names_outside import Resolver, resolver
from blocks.errors import Refused, Transient

_CRITICAL = 128
_UNDERSTOOD = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
_ANSWERED = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class Issuer(NamedTuple):
    """Who is going to issue: by which names CAA records know the CA, under which account, by which proof."""

    names: frozenset[str]
    account: str
    method: str


class Property(NamedTuple):
    """One CAA record."""

    flags: int
    tag: str
    value: str


class Caa:
    """The resolvers that are asked; the first that answers is believed. Raises Transient where none does."""

    def __init__(self, resolvers: Sequence[str]) -> None:
        self._resolvers = [resolver(text) for text in resolvers]

    def check(self, names: Iterable[str], issuer: Issuer) -> None:
        """Raise Refused `caa` where the DNS forbids this issuer for one of the names; nothing said means allowed.

        Nothing is checked where no resolver is named: the CA does it in any case.
        """
        if not self._resolvers:
            return
        asked = _Asked(list(self._resolvers))
        for name in names:
            where, found = asked.relevant(name.removeprefix("*."))
            refuse(name, where, found, issuer)


class _Asked:
    """What was learned in one check: which names have which records, and which resolvers are away."""

    def __init__(self, resolvers: list[Resolver]) -> None:
        self._resolvers = resolvers
        self._known: dict[str, list[Property]] = {}

    def relevant(self, domain: str) -> tuple[str, list[Property]]:
        """The records that hold for a domain, and where they stand: at it, or at the nearest name above it."""
        labels = domain.split(".")
        for depth in range(len(labels)):
            at = ".".join(labels[depth:])
            if at not in self._known:
                self._known[at] = self._at(at)
            if self._known[at]:
                return at, self._known[at]
        return domain, []

    def _at(self, name: str) -> list[Property]:
        why = ""
        for _ in range(len(self._resolvers)):
            server = self._resolvers[0]
            try:
                said = server.answer(name, "CAA", recursive=True, signed=False)
                if said.rcode() in _ANSWERED:
                    return _properties(said)
                why = f"{server.address} answers {dns.rcode.to_text(said.rcode())}"
            except Transient as error:
                why = str(error)
            self._resolvers.append(self._resolvers.pop(0))
        raise Transient(f"who may issue for {name} (CAA) is not known: {why}")


def refuse(name: str, where: str, found: Sequence[Property], issuer: Issuer) -> None:
    """Raise Refused where these records, that stand at `where`, forbid the issuer for a name; wildcards begin `*.`."""
    strange = [each.tag for each in found if each.flags & _CRITICAL and each.tag not in _UNDERSTOOD]
    if strange:
        raise Refused("caa", f"a CAA record at {where} demands what no CA here understands: {strange[0]}")
    wild = [each for each in found if each.tag == "issuewild"] if name.startswith("*.") else []
    binding = wild or [each for each in found if each.tag == "issue"]
    if binding and not any(_permits(each.value, issuer) for each in binding):
        said = ", ".join(f'{each.tag} "{each.value}"' for each in binding)
        raise Refused("caa", f"{name}: the CAA records at {where} do not allow {_spoken(issuer)} to issue: {said}")


def _permits(value: str, issuer: Issuer) -> bool:
    domain, *parameters = (part.strip() for part in value.split(";"))
    if domain.lower().rstrip(".") not in issuer.names:
        return False
    demands = dict(part.partition("=")[::2] for part in parameters if part)
    methods = demands.get("validationmethods")
    return (methods is None or issuer.method in methods.split(",")) and (
        demands.get("accounturi", issuer.account) == issuer.account
    )


def _spoken(issuer: Issuer) -> str:
    return " or ".join(sorted(issuer.names)) or "this CA"


def _properties(said: dns.message.Message) -> list[Property]:
    return [
        Property(rdata.flags, rdata.tag.decode().lower(), rdata.value.decode("utf-8", "replace"))
        for found in said.answer
        for rdata in found
        if isinstance(rdata, dns.rdtypes.ANY.CAA.CAA)
    ]
