"""What every CA's client keeps to, whoever stands behind it: one suite for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks.clients.ca.addresses import AuthorityAt, CertificatesAt
from blocks.clients.ca.opened import CaKeys, open_authority
from blocks.clients.ca.pem import facts_of, fits, new_key, request_for
from blocks.clients.ca.protocol import Authority, OrderState, Placed, Request
from blocks.clients.ca.records import Proof
from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.names_outside import Resolver
from blocks.errors import Refused
from blocks.terms.certificates import KeyKind
from tests.reseller import PASSWORD, PERSON, Reseller, reseller
from tests.servers.acme_dns import AcmeDns

KEY = new_key(KeyKind.EC_P256)
ACCOUNT = new_key(KeyKind.EC_P256)


@dataclass(frozen=True)
class Kind:
    """A kind of CA. `opened` makes a client that knows nothing of earlier ones, at the same CA with the same account.

    `domain` is what it issues below; `refuses` a name that it never issues for (empty: there is none); `finds` is
    whether it finds lost orders; `advises` whether it offers ARI; `gives_up` whether it ends orders on demand;
    `revokes` whether it revokes by its interface.
    """

    opened: Callable[[], Authority]
    domain: str
    refuses: str = ""
    finds: bool = True
    advises: bool = True
    gives_up: bool = True
    revokes: bool = True


def local(request: pytest.FixtureRequest) -> Kind:
    root = request.getfixturevalue("tmp_path")
    assert isinstance(root, Path)
    at, authority = AuthorityAt(name="local", kind="local"), LocalAuthority(root, lambda: datetime.now(UTC))

    def opened() -> Authority:
        whole = CertificatesAt(authority=(at,))
        return open_authority(at, whole, CaKeys(), account_key=lambda: ACCOUNT, local=authority)

    return Kind(opened, "example.com")


def acme(request: pytest.FixtureRequest, server: str) -> Callable[[], Authority]:
    at, dns = request.getfixturevalue(server).at, request.getfixturevalue("acme_dns")
    assert isinstance(dns, AcmeDns)
    whole = CertificatesAt(authority=(at,), zone=(dns.zone(),), resolvers=(dns.server,))
    nowhere = LocalAuthority(Path("/nonexistent"), lambda: datetime.now(UTC))
    keys = CaKeys(zones=dns.keys)
    return lambda: open_authority(at, whole, keys, account_key=lambda: ACCOUNT, local=nowhere)


def pebble(request: pytest.FixtureRequest) -> Kind:
    return Kind(acme(request, "pebble"), "example.test", refuses="blocked.example", advises=False)


def acme2certifier(request: pytest.FixtureRequest) -> Kind:
    return Kind(acme(request, "acme2certifier"), "example.test", finds=False, gives_up=False)


def gogetssl(request: pytest.FixtureRequest) -> Kind:
    shop, dns = request.getfixturevalue("shop"), request.getfixturevalue("acme_dns")
    assert isinstance(shop, Reseller)
    assert isinstance(dns, AcmeDns)
    whole = CertificatesAt(authority=(shop.at(),), zone=(dns.zone(),), resolvers=(dns.server,))
    nowhere = LocalAuthority(Path("/nonexistent"), lambda: datetime.now(UTC))
    keys = CaKeys(authorities={"shop": SecretStr(PASSWORD)}, zones=dns.keys)

    def opened() -> Authority:
        return open_authority(shop.at(), whole, keys, account_key=lambda: ACCOUNT, local=nowhere)

    return Kind(opened, "example.test", advises=False, revokes=False)


@pytest.fixture
def shop(acme_dns: AcmeDns, tmp_path: Path) -> Iterator[Reseller]:
    """The reseller's stand-in, which looks for proofs in the real DNS."""

    def proven(proof: Proof) -> bool:
        shown = Resolver("127.0.0.1", acme_dns.port).look_up(proof.name, proof.kind)
        return proof.value in {str(rdata).strip('."') for rdata in shown}

    with reseller(tmp_path, proven=proven, now=now()) as opened:
        yield opened


KINDS = {"local": local, "pebble": pebble, "acme2certifier": acme2certifier, "gogetssl": gogetssl}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param](request)


def wanted(*names: str, csr_names: tuple[str, ...] = ()) -> Request:
    return Request(intent=uuid4().hex, names=names, csr=request_for(csr_names or names, KEY), facts=PERSON)


def below(kind: Kind) -> str:
    """A name that no other test has."""
    return f"{uuid4().hex[:12]}.{kind.domain}"


def now() -> datetime:
    return datetime.now(UTC)


def brought_to_an_end(ca: Authority, url: str, request: Request) -> Placed:
    placed = ca.advance(url, request, now=now())
    for _ in range(30):
        if placed.state in {OrderState.VALID, OrderState.INVALID}:
            break
        placed = ca.advance(url, request, now=now())
    return placed


def issued(ca: Authority, request: Request) -> str:
    url = ca.place(request, now=now()).url
    assert brought_to_an_end(ca, url, request).state is OrderState.VALID
    return ca.collect(url)


@pytest.mark.parametrize("names", [("",), ("", "*."), tuple(f"n{place}." for place in range(20))])
def test_a_certificate_is_issued_for_the_key_and_exactly_the_names(kind: Kind, names: tuple[str, ...]) -> None:
    domain = below(kind)
    request = wanted(*(f"{prefix}{domain}" for prefix in names))
    chain = issued(kind.opened(), request)
    assert fits(chain, request.csr)
    assert set(facts_of(chain).names) == set(request.names)


def test_a_chain_is_whole_the_leaf_first(kind: Kind) -> None:
    chain = issued(kind.opened(), wanted(below(kind)))
    assert chain.count("BEGIN CERTIFICATE") >= 2
    assert facts_of(chain).not_after > now()


def test_a_request_for_other_names_than_the_order_is_refused(kind: Kind) -> None:
    with pytest.raises(Refused, match="other names") as refused:
        kind.opened().place(wanted(below(kind), csr_names=(below(kind),)), now=now())
    assert refused.value.reason == "csr"


@pytest.mark.parametrize("kind", ["pebble"], indirect=True)
def test_a_name_that_it_never_issues_for_is_refused_as_that(kind: Kind) -> None:
    with pytest.raises(Refused) as refused:
        kind.opened().place(wanted(f"shop.{kind.refuses}"), now=now())
    assert refused.value.reason == "identifier"


def test_a_valid_order_can_be_advanced_and_collected_again(kind: Kind) -> None:
    ca, request = kind.opened(), wanted(below(kind))
    url = ca.place(request, now=now()).url
    brought_to_an_end(ca, url, request)
    first = ca.collect(url)
    assert ca.advance(url, request, now=now()).state is OrderState.VALID
    assert ca.collect(url) == first


def test_an_order_that_issued_nothing_yet_cannot_be_collected(kind: Kind) -> None:
    ca = kind.opened()
    url = ca.place(wanted(below(kind)), now=now()).url
    with pytest.raises(Refused) as refused:
        ca.collect(url)
    assert refused.value.reason == "ca"


def test_an_order_whose_address_was_never_written_down_is_found(kind: Kind) -> None:
    ca, request = kind.opened(), wanted(below(kind))
    placed = ca.place(request, now=now())
    found = kind.opened().find(request)
    assert found == (placed if kind.finds else None)


def test_an_order_that_was_never_placed_is_not_found(kind: Kind) -> None:
    ca = kind.opened()
    ca.place(wanted(below(kind)), now=now())
    assert ca.find(wanted(below(kind))) is None


def test_a_cancelled_order_never_issues(kind: Kind) -> None:
    ca, request = kind.opened(), wanted(below(kind))
    url = ca.place(request, now=now()).url
    ca.cancel(url)
    ca.cancel(url)
    with suppress(Refused):
        assert not kind.gives_up or ca.advance(url, request, now=now()).state is OrderState.INVALID
    with pytest.raises(Refused):
        ca.collect(url)


def test_an_order_that_issued_stays_as_it_is_when_it_is_cancelled(kind: Kind) -> None:
    ca, request = kind.opened(), wanted(below(kind))
    url = ca.place(request, now=now()).url
    brought_to_an_end(ca, url, request)
    ca.cancel(url)
    assert fits(ca.collect(url), request.csr)


def test_revoking_twice_is_no_error(kind: Kind) -> None:
    ca = kind.opened()
    chain = issued(ca, wanted(below(kind)))
    if not kind.revokes:
        with pytest.raises(Refused) as refused:
            ca.revoke(chain, 4)
        assert refused.value.reason == "unsupported"
        return
    ca.revoke(chain, 4)
    kind.opened().revoke(chain, 4)


def test_advice_is_a_window_before_the_end_or_none_at_all(kind: Kind) -> None:
    ca = kind.opened()
    chain, at = issued(ca, wanted(below(kind))), now()
    advice = ca.advice(chain, now=at)
    assert (advice is not None) == kind.advises
    if advice is not None:
        assert advice.start < advice.end <= facts_of(chain).not_after
        assert advice.ask_at > at


def test_a_client_that_knows_the_address_alone_goes_on_from_any_state(kind: Kind) -> None:
    request = wanted(below(kind))
    url = kind.opened().place(request, now=now()).url
    assert brought_to_an_end(kind.opened(), url, request).state is OrderState.VALID
    assert kind.opened().advance(url, request, now=now()).state is OrderState.VALID
    assert fits(kind.opened().collect(url), request.csr)


def test_an_order_that_it_does_not_know_is_gone(kind: Kind) -> None:
    ca, request = kind.opened(), wanted(below(kind))
    url = ca.place(request, now=now()).url
    unknown = url[:-8] + "0" * 8
    with pytest.raises(Refused) as refused:
        ca.advance(unknown, request, now=now())
    assert refused.value.reason == "gone"


def test_it_says_what_the_doctor_sees(kind: Kind) -> None:
    assert kind.opened().check()
