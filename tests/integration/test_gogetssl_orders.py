"""Orders at the reseller through the machine of CA orders: paid once, told once, taken in once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.ca.pem import fits, new_key, request_for
from blocks.ledger import CaOrder, CaOrderState, Certificate, reading, transaction
from blocks.office import Office, open_office
from blocks.settings import Settings
from blocks.terms.certificates import KeyKind
from tasks.ca_advance import advance
from tasks.ca_orders import Wanted, again, open_site, order_certificate
from tests.reseller import PASSWORD, PERSON, USER, Reseller, reseller
from tests.work import NOW

NAME = "shop.theirs.example"
CSR = request_for([NAME], new_key(KeyKind.EC_P256))
LATER = timedelta(minutes=30)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Reseller]:
    with reseller(tmp_path) as opened:
        yield opened


@pytest.fixture
def office(shop: Reseller, settings_for: Callable[..., Settings], tmp_path: Path) -> Iterator[Office]:
    file = tmp_path / "certificates.toml"
    file.write_text(
        f'resale = "shop"\n[[authority]]\nname = "shop"\nkind = "gogetssl"\nurl = "{shop.url}/api"\nuser = "{USER}"\n'
    )
    opened = open_office(settings_for(certificates_file=file, ca_secrets={"shop": PASSWORD}))
    yield opened
    opened.engine.dispose()


def ordered(office: Office) -> int:
    wanted = Wanted("sold", NOW + timedelta(days=40), csr=CSR, product="positivessl", facts=PERSON)
    with transaction(office.sessions) as session:
        site = open_site(session, slug="ssl-1", agreement="SSL", names=(NAME,), authority="shop", consumers=(), now=NOW)
        return order_certificate(session, office.sealer, site, wanted, now=NOW).id


def row(office: Office, order: int) -> CaOrder:
    with reading(office.sessions) as session:
        return session.get_one(CaOrder, order)


def test_an_order_is_paid_waits_for_the_customers_record_and_is_taken_in(shop: Reseller, office: Office) -> None:
    order = ordered(office)
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.PLACED
    proof = shop.sandbox.orders[1_000_001].proof(NAME)
    assert (row(office, order).reason, row(office, order).problem) == ("wanted", f"DNS: {proof}")
    shop.zones.shown.add(proof)
    assert advance(office, order, worker="a", now=NOW + LATER) is CaOrderState.ISSUED
    with reading(office.sessions) as session:
        [certificate] = session.scalars(select(Certificate))
    assert fits(certificate.chain, CSR)
    assert certificate.sealed_key is None


@pytest.mark.parametrize("fault", ["after", "garbage"])
def test_an_order_whose_answer_was_lost_is_paid_once(shop: Reseller, office: Office, fault: str) -> None:
    order = ordered(office)
    shop.sandbox.faults[fault] = 1
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.INTENDED
    assert row(office, order).reason == "unknown"
    assert advance(office, order, worker="b", now=NOW + LATER) is CaOrderState.PLACED
    assert list(shop.sandbox.orders) == [1_000_001]
    assert row(office, order).url == "1000001"


@pytest.mark.parametrize(("outcome", "reason"), [("refuse", "ca"), ("fraud", "fraud")])
@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_a_refusal_is_written_down_with_whether_it_was_for_fraud(
    shop: Reseller, office: Office, outcome: str, reason: str
) -> None:
    shop.sandbox.next_outcome = outcome  # type: ignore[assignment]
    order = ordered(office)
    advance(office, order, worker="a", now=NOW)
    shop.zones.shown.add(shop.sandbox.orders[1_000_001].proof(NAME))
    assert advance(office, order, worker="a", now=NOW + LATER) is CaOrderState.REFUSED
    assert row(office, order).reason == reason


def test_after_a_refusal_a_person_can_order_for_the_same_request_again(shop: Reseller, office: Office) -> None:
    order = ordered(office)
    shop.sandbox.balance *= 0
    assert advance(office, order, worker="a", now=NOW) is CaOrderState.HELD
    assert row(office, order).reason == "account"
    shop.sandbox.balance += 100
    with transaction(office.sessions) as session:
        held = session.get_one(CaOrder, order)
        made = again(session, office.sealer, held, why="topped up", who="operator", now=NOW + LATER).id
    assert advance(office, made, worker="a", now=NOW + 2 * LATER) is CaOrderState.PLACED
    assert list(shop.sandbox.orders) == [1_000_001]


def test_nothing_that_the_reseller_is_told_in_secret_is_in_the_ledger(shop: Reseller, office: Office) -> None:
    order = ordered(office)
    advance(office, order, worker="a", now=NOW)
    dump = Path(office.settings.home / "ledger.sqlite3").read_bytes()
    assert shop.sandbox.keys
    assert not [secret for secret in (PASSWORD, *shop.sandbox.keys) if secret.encode() in dump]
