"""A complex in memory whose servers can be down, forgetful or stubborn, and a fleet of it alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from pydantic import SecretStr

from blocks.clients.certificates import Bundle
from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.protocol import Software
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.office import Office
from blocks.terms.ks_complex import Proof, Want


class Servers:
    """A Complex. `down` calls fail before it answers; each want in `failing` is not proven that many times."""

    name = "memory"
    host = "127.0.0.1"

    def __init__(self) -> None:
        self.prepared: set[str] = set()
        self.bundles: dict[str, Bundle] = {}
        self.accounts: dict[str, dict[str, AccountHashes]] = {}
        self.suspended: set[str] = set()
        self.down = 0
        self.failing: Counter[Want] = Counter()
        self.asked: list[list[Want]] = []
        self.calls: list[str] = []
        self.software_now = [Software(role="xmpp", name="ejabberd", version="23.01", learnt="asked by its API")]

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.down:
            self.down -= 1
            raise Transient("the servers do not answer")

    def publish_names(self, domain: str) -> None:  # noqa: ARG002 - whatever the domain
        self._called("publish_names")

    def prepare(self, domain: str) -> None:
        self._called("prepare")
        self.prepared.add(domain)

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        self._called("install_certificate")
        self.bundles[domain] = bundle

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        self._called("provision")
        self.accounts[domain] = {account.name: account for account in accounts}
        self.suspended.discard(domain)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        self._called("verify")
        self.asked.append(list(wants))
        by_name = {account.name: account for account in accounts}
        return [self._proof(domain, want, by_name.get(want.contact)) for want in wants]

    def _proof(self, domain: str, want: Want, account: AccountHashes | None) -> Proof:
        held = self.accounts.get(domain, {}).get(want.contact)
        ok = domain in self.prepared and (not want.contact or (held is not None and held == account))
        if ok and self.failing[want] > 0:
            self.failing[want] -= 1
            ok = False
        facts = {"tls": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"} if ok else {}
        detail = "logged in" if ok else "refused"
        return Proof(contact=want.contact, kind=want.kind, ok=ok, detail=detail, facts=facts)

    def suspend(self, domain: str) -> None:
        self._called("suspend")
        self.suspended.add(domain)

    def resume(self, domain: str) -> None:
        self._called("resume")
        self.suspended.discard(domain)

    def delete(self, domain: str) -> None:
        self._called("delete")
        self.accounts.pop(domain, None)
        self.prepared.discard(domain)
        self.suspended.discard(domain)

    def software(self) -> list[Software]:
        self._called("software")
        return self.software_now

    def check(self) -> str:
        self._called("check")
        return "in memory"


class OneComplex:
    """A Fleet of one complex; `dedicated` is where one stands that serves an order alone."""

    own_zone = ""
    hosts: Sequence[str] = ()
    dns_keys: Mapping[str, SecretStr] = MappingProxyType({})
    name_servers: Sequence[str] = ()
    resolvers: Sequence[str] = ()

    def __init__(self, servers: Servers, dedicated: ComplexAt | None = None) -> None:
        self._servers, self.dedicated = servers, dedicated
        self.provided = True

    def serving(self, order: str, *, dedicated: bool, place: str) -> Servers:
        if not self.provided:
            raise Refused("dedicated_server", f"no complex for {order} in {place}, dedicated: {dedicated}")
        return self._servers

    def standing(self, order: str, *, dedicated: bool, place: str) -> ComplexAt | None:  # noqa: ARG002 - likewise
        return self.dedicated

    def zone_of(self, name: str) -> None:
        """It has no name servers."""

    def dedicated_to(self, order: str) -> ComplexAt | None:  # noqa: ARG002 - every order is asked for
        return self.dedicated

    def all(self) -> list[Servers]:
        return [self._servers]


def given(office: Office, servers: Servers, dedicated: ComplexAt | None = None) -> OneComplex:
    """Have the office's orders served by these servers."""
    fleet = OneComplex(servers, dedicated)
    vars(office)["complexes"] = fleet
    return fleet


def complex_at(**changes: object) -> ComplexAt:
    """Where a complex stands, with what a test cares for."""
    values: dict[str, object] = {
        "name": "own",
        "host": "own.example.net",
        "addresses": ["192.0.2.1"],
        "xmpp": {"api_url": "http://127.0.0.1:1/", "hosts_file": "/nowhere/hosts.yml", "certificates": "/nowhere"},
        "mail": {"doveadm_url": "http://127.0.0.1:1/"},
        "sip": {"rpc_url": "http://127.0.0.1:1/", "tls_file": "/nowhere/tls.cfg", "certificates": "/nowhere"},
        **changes,
    }
    return ComplexAt.model_validate(values)
