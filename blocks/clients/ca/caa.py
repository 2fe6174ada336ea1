"""Which CAs the DNS allows to issue for a name (CAA, RFC 8659 and RFC 8657), read before an order is placed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CAA

from blocks.clients.comms.names_outside import Resolver, resolver
from blocks.errors import Refused, Transient

_FRESH_S = 2.0
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
    """The resolvers that are asked; the first that answers is believed. Raises Transient where none does.

    For any number of threads. What was learned holds for two seconds: orders that go out together share it.
    """

    def __init__(self, resolvers: Sequence[str]) -> None:
        self._resolvers = [resolver(text) for text in resolvers]
        self._asked = _Asked(self._resolvers)

    def check(self, names: Iterable[str], issuer: Issuer) -> None:
        """Raise Refused `caa` where the DNS forbids this issuer for one of the names; nothing said means allowed.

        Nothing is checked where no resolver is named: the CA does it in any case.
        """
        if not self._resolvers:
            return
        if time.monotonic() - self._asked.since > _FRESH_S:
            self._asked = _Asked(self._resolvers)
        asked = self._asked
        for name in names:
            where, found = asked.relevant(name.removeprefix("*."))
            refuse(name, where, found, issuer)


class _Asked:
    """What was learned since a moment: which names have which records, and which resolver answers."""

    def __init__(self, resolvers: Sequence[Resolver]) -> None:
        self.since = time.monotonic()
        self._resolvers = resolvers
        self._first = 0
        self._known: dict[str, list[Property]] = {}

    def relevant(self, domain: str) -> tuple[str, list[Property]]:
        """The records that hold for a domain, and where they stand: at it, or at the nearest name above it."""
        labels = domain.split(".")
        for depth in range(len(labels)):
            at = ".".join(labels[depth:])
            found = self._known.get(at)
            if found is None:
                found = self._known[at] = self._at(at)
            if found:
                return at, found
        return domain, []

    def _at(self, name: str) -> list[Property]:
        why, start = "", self._first
        for step in range(len(self._resolvers)):
            index = (start + step) % len(self._resolvers)
            server = self._resolvers[index]
            try:
                said = server.answer(name, "CAA", recursive=True, signed=False)
            except Transient as error:
                why = str(error)
                continue
            if said.rcode() in _ANSWERED:
                self._first = index
                return _properties(said)
            why = f"{server.address} answers {dns.rcode.to_text(said.rcode())}"
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
    said = [part.partition("=")[::2] for part in parameters if part]
    demands = dict(said)
    if len(demands) < len(said):
        return False  # a parameter given twice cannot be satisfied
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
