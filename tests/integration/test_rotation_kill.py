"""A pass of the rotation killed at every commit, and made again: one successor, one letter to each, one swap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from blocks.clients.ca.pem import facts_of
from blocks.ledger import CaOrder, Certificate, CertificateEvent, Notice, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.rotating import rotate_all
from tasks.certificate_state import plan_of, site_of
from tests.certificate_work import certificates_file, consumer_text
from tests.certificates import in_public
from tests.conftest import close_office
from tests.killing import lives
from tests.rotation_job import job
from tests.servers.postgres import PostgresServer
from tests.work import MINUTE, NOW, still

HOUR = 60 * MINUTE

SLUG = "front.example.test"
SITE = f'[[site]]\nslug = "{SLUG}"\nnames = ["{SLUG}"]\nauthority = "local"\nconsumers = ["front"]\n'
USERS = {"KS": ["a@example.test", "b@example.test"]}


def rotated(
    make: Callable[..., Settings], home: Path, url: str, kill_at: int, moment: str
) -> tuple[dict[str, Any], bool]:
    """Announced in one pass, swapped in another, each killed and made again; what is then, and whether both lived."""
    place = home / "shown"
    place.mkdir(parents=True)
    file = certificates_file(home / "certificates.toml", consumer_text("front", place, (), ()), SITE)
    opened = open_office(make(home=home / "home", ledger_url=url, certificates_file=file, end_users=USERS))
    rotate_all(opened, worker="pass", clock=lambda: NOW)
    plan = plan_of(site_of(opened, SLUG), now=NOW)
    assert plan is not None
    lived = True
    with in_public(opened) as office:
        for at in (plan.issue_at + MINUTE, plan.swap.start + MINUTE):
            lived = once_more(office, at, kill_at, moment) and lived
            following = at + HOUR  # letters left in doubt have gone
            rotate_all(office, worker="pass", clock=still(following))
        found = seen(office, place)
    close_office(opened)
    return found, lived


def once_more(office: Office, at: datetime, kill_at: int, moment: str) -> bool:
    if lives(job, office.settings, at, kill_at, moment):
        return True
    assert lives(job, office.settings, at, None, moment)
    return False


def seen(office: Office, place: Path) -> dict[str, Any]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(Certificate).order_by(Certificate.id)).all()
        journal = session.scalars(select(CertificateEvent.kind).order_by(CertificateEvent.kind)).all()
        shown = facts_of((place / SLUG / "fullchain.pem").read_text()).fingerprint
        return {
            "states": [row.state.value for row in rows],
            "told": [row.announced_at is not None for row in rows],
            "keys": [row.sealed_key is not None for row in rows],
            "orders": [order.state.value for order in session.scalars(select(CaOrder).order_by(CaOrder.id))],
            "at the CA": len(list((office.authority.root / "orders").glob("*.json"))),
            "letters": session.scalars(select(Notice.recipient).order_by(Notice.recipient)).all(),
            "shown": [row.fingerprint for row in rows].index(shown),
            "journal": {
                kind: journal.count(kind) for kind in ("ordered", "issued", "published", "announced", "installed")
            },
            "swaps planned": session.scalar(
                select(func.count()).select_from(CertificateEvent).where(CertificateEvent.kind == "swap_planned")
            ),
        }


WHOLE = {
    "states": ["retired", "in_service"],
    "told": [False, True],
    "keys": [False, True],
    "orders": ["issued", "issued"],
    "at the CA": 2,
    "letters": ["a@example.test", "b@example.test"],
    "shown": 1,
    "journal": {"ordered": 2, "issued": 2, "published": 1, "announced": 1, "installed": 2},
    "swaps planned": 1,
}


@pytest.mark.clause("KS-3.8")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("database", "moment", "stride"), [("sqlite", "before", 1), ("postgresql", "after", 4)])
def test_ks_3_8_a_pass_killed_at_every_commit_ends_with_one_successor_one_notice_each_and_one_swap(
    settings_for: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    database: str,
    moment: str,
    stride: int,
) -> None:
    server: PostgresServer | None = request.getfixturevalue("postgres") if database == "postgresql" else None
    for kill_at in range(1, 90, stride):
        url = server.create_database(f"rot_{uuid4().hex}") if server is not None else ""
        found, lived = rotated(settings_for, tmp_path / str(kill_at), url, kill_at, moment)
        assert found == WHOLE, f"killed {moment} commit {kill_at}"
        if lived:
            assert kill_at > 8
            return
    pytest.fail("the pass never got through")
