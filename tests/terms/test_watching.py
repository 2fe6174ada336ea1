"""What is wrong with a served certificate or a domain name: at, just before, just after each bound."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from blocks.terms.watching import DomainFacts, Kind, ResolverSaid, ServedFacts, domain_flaws, ends_soon, served_flaws

BEGAN = datetime(2026, 9, 1, 12, tzinfo=UTC)
ENDS = BEGAN + timedelta(days=90)
SECOND = timedelta(seconds=1)
TODAY = date(2026, 11, 22)


def served(**changes: Any) -> ServedFacts:
    facts: dict[str, Any] = {
        "not_before": BEGAN,
        "not_after": ENDS,
        "name": "mail.example.test",
        "covers": True,
        "key": "EC 256",
        "signature": "sha256",
        "version": "TLSv1.3",
        "bits": 256,
    }
    return ServedFacts.model_validate({**facts, **changes})


def kinds(facts: ServedFacts, now: datetime = BEGAN + timedelta(days=30)) -> list[str]:
    return [flaw.kind for flaw in served_flaws(facts, now=now)]


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize(
    ("now", "found"),
    [
        (BEGAN - SECOND, [Kind.EXPIRED]),
        (BEGAN, []),
        (ENDS - timedelta(days=14) - SECOND, []),
        (ENDS - timedelta(days=14), [Kind.EXPIRES_SOON]),
        (ENDS, [Kind.EXPIRES_SOON]),
        (ENDS + SECOND, [Kind.EXPIRED]),
    ],
)
def test_ks_2_6_a_certificate_is_told_of_before_it_ends_and_after(now: datetime, found: list[str]) -> None:
    assert kinds(served(), now) == found


def test_a_certificate_of_six_days_ends_soon_in_its_last_quarter() -> None:
    assert ends_soon(BEGAN, BEGAN + timedelta(days=6)) == BEGAN + timedelta(days=4.5)


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"covers": False}, Kind.MISMATCH),
        ({"distrust": "self-signed certificate"}, Kind.CHAIN),
        ({"ordered": False}, Kind.CHAIN),
        ({"key": "RSA 2047"}, Kind.WEAK),
        ({"key": "EC 255"}, Kind.WEAK),
        ({"signature": "sha1"}, Kind.WEAK),
        ({"bits": 128}, Kind.WEAK),
        ({"version": "TLSv1.1"}, Kind.WEAK),
        ({"old_tls": "TLSv1 AES"}, Kind.WEAK),
    ],
)
def test_ks_2_6_what_no_good_client_would_take_is_a_finding(changes: dict[str, Any], kind: Kind) -> None:
    [flaw] = served_flaws(served(**changes), now=BEGAN)
    assert (flaw.kind, flaw.clause) == (kind, "KS-2.6")


def test_ks_2_6_the_least_that_is_good_enough_is_none() -> None:
    assert kinds(served(key="RSA 2048", version="TLSv1.2")) == []
    assert kinds(served(key="Ed25519PublicKey", signature="")) == []


def said(resolver: str = "r1", **changes: Any) -> ResolverSaid:
    facts: dict[str, Any] = {"resolver": resolver, "servers": ("ns1.test",), "addresses": ("192.0.2.1",)}
    return ResolverSaid.model_validate({**facts, **changes})


FAILED: dict[str, Any] = {"servers": (), "addresses": ()}


@pytest.mark.clause("KS-3.2")
@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (DomainFacts(said=(said(), said("r2"))), []),
        (DomainFacts(said=(said(), said("r2", failure="NXDOMAIN", **FAILED))), [Kind.UNRESOLVED]),
        (DomainFacts(said=(said(), said("r2", addresses=("192.0.2.2",)))), [Kind.DISAGREE]),
        (DomainFacts(said=(said(), said("r2", failure="SERVFAIL", bogus=True, **FAILED))), [Kind.DNSSEC]),
        (DomainFacts(said=(said(authentic=True), said("r2")), signed=True), [Kind.DNSSEC]),
        (DomainFacts(said=(said(authentic=True),), signed=True), []),
        (DomainFacts(said=(), expected=("a.test", "b.test"), delegated=("b.test", "a.test")), []),
        (DomainFacts(said=(), expected=("a.test", "b.test"), delegated=("b.test",)), [Kind.DELEGATION]),
        (DomainFacts(said=(), expected=("a.test",), delegated=()), [Kind.DELEGATION]),
        (DomainFacts(said=(), expected=("a.test",), delegated=None), []),
        (DomainFacts(said=(), lame=(("a.test", "does not answer"),)), [Kind.LAME]),
    ],
)
def test_ks_3_2_a_name_is_well_where_every_resolver_its_parent_and_its_servers_agree(
    facts: DomainFacts, found: list[str]
) -> None:
    flaws = domain_flaws(facts, today=TODAY)
    assert [flaw.kind for flaw in flaws] == found
    assert {flaw.clause for flaw in flaws} <= {"KS-3.2"}


@pytest.mark.clause("KS-3.2")
@pytest.mark.parametrize(
    ("left", "told"),
    [
        (61, ""),
        (60, "ends in 60 days or less"),
        (31, "ends in 60 days or less"),
        (30, "ends in 30 days or less"),
        (8, "ends in 30 days or less"),
        (7, "ends in 7 days or less"),
        (0, "ends in 7 days or less"),
        (-1, "ended"),
    ],
)
def test_ks_3_2_the_end_of_a_registration_is_told_of_in_steps(left: int, told: str) -> None:
    found = domain_flaws(DomainFacts(said=(), expires=TODAY + timedelta(days=left)), today=TODAY)
    assert [told in flaw.detail for flaw in found] == ([True] if told else [])
