"""Killed with SIGKILL at every request to the CA and every commit, and run again: one order, one certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.ca.acme_account import AcmeAccount
from blocks.clients.ca.acme_objects import Order, Orders
from blocks.clients.ca.pem import facts_of
from blocks.issued import ca_account_key
from blocks.ledger import CaOrder, CaOrderState, Certificate, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.ca_orders import Wanted, open_site, order_certificate
from tests.ca_job import job
from tests.conftest import close_office
from tests.killing import lives
from tests.servers.acme_dns import AcmeDns
from tests.servers.pebble import PebbleServer, settings_file
from tests.work import NOW


def written_down(office: Office, name: str) -> int:
    wanted = Wanted(purpose="first", give_up_at=NOW + timedelta(days=2))
    with transaction(office.sessions) as session:
        site = open_site(
            session, slug=name, agreement="KS", names=(name, f"*.{name}"), authority="pebble", consumers=("c",), now=NOW
        )
        return order_certificate(session, office.sealer, site, wanted, now=NOW).id


def at_the_ca(office: Office, pebble: PebbleServer) -> list[str]:
    """The states of all orders of the office's account."""
    account = AcmeAccount(
        pebble.at, lambda: ca_account_key(office.sessions, office.sealer, pebble.at, lambda: NOW), str
    )
    states, following = [], account.account.orders
    while following:
        said = account.post(following)
        states += [account.post(url).read(Order).status for url in said.read(Orders).orders]
        following = said.following
    return states


def run(settings: Settings, name: str, kill_at: int, moment: str, pebble: PebbleServer) -> bool:
    """An order in a process that may be killed, then in one that is not; whether the first lived."""
    office = open_office(settings)
    order = written_down(office, name)
    lived = lives(job, settings, order, NOW, kill_at, moment)
    if not lived:
        lives(job, settings, order, NOW, None, moment)
    with reading(office.sessions) as session:
        row = session.get_one(CaOrder, order)
        assert row.state is CaOrderState.ISSUED, (row.state, row.problem)
        [certificate] = session.scalars(select(Certificate))
        assert set(facts_of(certificate.chain).names) == {name, f"*.{name}"}
        assert certificate.sealed_key is not None
    assert at_the_ca(office, pebble) == ["valid"]
    close_office(office)
    return lived


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_request_and_commit_an_order_ends_in_one_certificate(
    settings_for: Callable[..., Settings], tmp_path: Path, moment: str, pebble: PebbleServer, acme_dns: AcmeDns
) -> None:
    file = tmp_path / "certificates.toml"
    file.write_text(settings_file(pebble.at, acme_dns))
    for kill_at in range(1, 60):
        name = f"kill-{moment}-{kill_at}.example.test"
        settings = settings_for(
            home=tmp_path / f"{kill_at}", certificates_file=file, tsig_keys={"acme-key": acme_dns.secret}
        )
        lived = run(settings, name, kill_at, moment, pebble)
        assert acme_dns.texts(f"_acme-challenge.{name}") == set()
        if lived:
            break
    else:
        pytest.fail("the job never got through")
    assert kill_at > 15
