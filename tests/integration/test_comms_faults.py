"""Orders on a real complex when a worker dies, or a server hangs, dies or forgets: all right in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.clients.comms.complex import RealComplex
from blocks.clients.directory import Kind
from blocks.office import Office
from blocks.settings import Settings
from tasks.inbox import take_back
from tests.ca_of_today import opened
from tests.comms_job import POINTS, job
from tests.comms_work import close, customers, outcomes, paid, proofs
from tests.conftest import PaymentSandbox
from tests.killing import lives
from tests.servers.comms_whole import Whole
from tests.work import MINUTE, NOW, drain, service_of, state

SERVERS = ("ejabberd", "dovecot", "postfix", "kamailio")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_in_the_middle_of_its_calls_is_followed_by_one_that_ends_right(
    whole: Whole, complex_settings: Settings, sandbox: PaymentSandbox, tmp_path: Path, point: str
) -> None:
    complex_office = opened(complex_settings)
    number = paid(complex_office, sandbox, 2)
    assert not lives(job, complex_settings, point, NOW + MINUTE)
    assert service_of(complex_office, number).state.value != "active"
    take_back(complex_office.sessions, owner="test", now=NOW + MINUTE)
    drain(complex_office, NOW + 2 * MINUTE)
    assert service_of(complex_office, number).state.value == "active", (
        state(complex_office, number),
        outcomes(complex_office),
    )
    assert all(proof.ok for proof in proofs(complex_office, number))
    for contact in customers(whole, complex_office, number, tmp_path):
        assert contact.doors() == [True] * 4
    close(complex_office)


@pytest.mark.parametrize("server", ["kamailio", "postgres"])
def test_an_order_waits_for_a_server_that_hangs_and_is_active_when_it_is_back(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, server: str
) -> None:
    number = paid(complex_office, sandbox, 2)
    with whole.hanging(server):
        drain(complex_office, NOW + MINUTE)
        assert state(complex_office, number) == "inProgress"
        assert service_of(complex_office, number).state.value != "active"
    for minute in (5, 10, 15):  # what had piled up at the server may still cost one more try
        drain(complex_office, NOW + minute * MINUTE)
    assert service_of(complex_office, number).state.value == "active", (
        state(complex_office, number),
        outcomes(complex_office),
    )


def test_an_order_is_active_after_servers_were_killed_and_started_again(
    whole: Whole, complex_office: Office, sandbox: PaymentSandbox, tmp_path: Path
) -> None:
    number = paid(complex_office, sandbox, 2)
    for server in SERVERS:
        whole.kill(server)
    drain(complex_office, NOW + MINUTE)
    assert state(complex_office, number) == "inProgress"
    for server in SERVERS:
        whole.start(server)
    drain(complex_office, NOW + 5 * MINUTE)
    assert service_of(complex_office, number).state.value == "active", (
        state(complex_office, number),
        outcomes(complex_office),
    )
    for contact in customers(whole, complex_office, number, tmp_path):
        assert contact.doors() == [True] * 4


def test_accounts_that_the_servers_lost_are_written_again(
    complex_office: Office, sandbox: PaymentSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = RealComplex.provision
    lost: list[str] = []

    def forgetful(self: RealComplex, domain: str, accounts: object) -> None:
        plain(self, domain, accounts)  # type: ignore[arg-type]
        if not lost:
            lost.append(domain)
            for kind in Kind:
                complex_office.complexes.directory("local").remove(kind, domain)

    monkeypatch.setattr(RealComplex, "provision", forgetful)
    number = paid(complex_office, sandbox, 2)
    drain(complex_office, NOW + MINUTE)
    assert state(complex_office, number) == "inProgress"
    assert service_of(complex_office, number).state.value != "active"
    bad = {proof.contact for proof in proofs(complex_office, number) if not proof.ok}
    assert bad == {"c001", "c002"}
    drain(complex_office, NOW + 2 * MINUTE)
    assert service_of(complex_office, number).state.value == "active", (
        state(complex_office, number),
        outcomes(complex_office),
    )
    assert lost
