"""The watch over domain names (KS-3.2), on a parent zone, zones below it, and two resolvers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.comms.names_outside import resolver
from blocks.clients.resolving import delegated_by_parent, lame, said_by
from blocks.ledger import Finding, Notice, reading
from blocks.office import open_office
from blocks.settings import Settings
from blocks.terms.watching import Kind
from tasks.domain_watch import watch_names
from tests.certificate_work import certificates_file
from tests.conftest import close_office
from tests.servers.dns_delegation import BOGUS, CHILD, LAME, PARENT, PLAIN, SIGNED, Delegation, dns_delegation
from tests.servers.processes import free_port
from tests.work import NOW


@pytest.fixture(scope="module")
def names() -> Iterator[Delegation]:
    with dns_delegation() as servers:
        yield servers


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_what_a_resolver_vouches_for_is_told_from_what_it_does_not(names: Delegation) -> None:
    said = {zone: said_by(resolver(names.resolver), zone) for zone in (PLAIN, SIGNED, BOGUS)}
    assert [(each.authentic, each.bogus, each.failure) for each in said.values()] == [
        (False, False, ""),
        (True, False, ""),
        (False, True, "SERVFAIL"),
    ]
    assert (said[SIGNED].servers, said[SIGNED].addresses) == (("ns1.test",), ("192.0.2.7",))
    assert said_by(resolver(names.careless), BOGUS).failure == ""
    assert said_by(resolver(names.resolver), f"none.{PLAIN}").failure == "NXDOMAIN"
    silent = said_by(resolver(f"127.0.0.1#{free_port()}"), PLAIN)
    assert "does not answer" in silent.failure


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_the_parent_is_asked_which_servers_it_names(names: Delegation) -> None:
    asked = [resolver(names.careless)]
    assert delegated_by_parent(asked, PLAIN, port=names.port) == ("ns1.test",)
    assert delegated_by_parent(asked, LAME, port=names.port) == ("ns1.test", "ns2.test")
    assert delegated_by_parent(asked, "none.test", port=names.port) == ()
    assert delegated_by_parent([resolver(f"127.0.0.1#{free_port()}")], PLAIN, port=names.port) is None


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_a_server_that_does_not_serve_the_zone_or_does_not_answer_is_lame(names: Delegation) -> None:
    asked = [resolver(names.careless)]
    assert lame(asked, PLAIN, "ns1.test", port=names.port) == ""
    assert lame(asked, LAME, "ns1.test", port=names.port) == f"{CHILD} answers REFUSED"
    assert lame(asked, LAME, "ns2.test", port=names.port) == f"{PARENT} does not serve it"
    assert lame(asked, PLAIN, "ns1.test", port=free_port()) == f"{CHILD} does not answer"
    assert lame(asked, LAME, "ns9.test", port=names.port) == "its name has no address"


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_a_broken_name_is_told_of_once_and_the_end_of_a_registration_in_each_of_its_steps(
    names: Delegation, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    text = f'[[domain]]\nname = "{BOGUS}"\nsigned = true\n[[domain]]\nname = "{SIGNED}"\nsigned = true\n'
    text += f'[[domain]]\nname = "{PLAIN}"\nexpires = {(NOW + timedelta(days=40)).date()}\n'
    path = certificates_file(tmp_path / "c.toml", text)
    path.write_text(f'resolvers = ["{names.resolver}", "{names.careless}"]\n' + path.read_text())
    office = open_office(settings_for(certificates_file=path))
    first, changed = watch_names(office, now=NOW)
    found = {each.subject: [flaw.kind for flaw in each.flaws] for each in first}
    assert found == {BOGUS: [Kind.DNSSEC], SIGNED: [Kind.DNSSEC], PLAIN: [Kind.REGISTRATION]}
    assert changed.opened == 3
    for days in (1, 11, 12):
        _, changed = watch_names(office, now=NOW + timedelta(days=days))
        assert (changed.opened, changed.open) == (0, 3)
    with reading(office.sessions) as session:
        told = [facts["detail"] for facts in session.scalars(select(Notice.facts).where(Notice.facts.is_not(None)))]
        stages = [each for each in told if "registration" in each]
        assert [each.split(" or ")[0] for each in stages] == [
            "its registration ends in 60 days",
            "its registration ends in 30 days",
        ]
        assert len(told) == 4
        assert {row.clause for row in session.scalars(select(Finding))} == {"KS-3.2"}
    close_office(office)
