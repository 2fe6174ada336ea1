"""A certificate's order killed with SIGKILL at every commit, before it and after it, and run again: the same end, once.

The money of its account is spent once, returned once, rendered once, whatever the CA says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from blocks.ledger import (
    AccountEntry,
    CaOrder,
    Certificate,
    Customer,
    Document,
    InvoiceLine,
    Notice,
    Obligation,
    OrderEvent,
    Site,
    Step,
    reading,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.ssl_account import account_number
from tests.certificates_ordered import FIRM, certificate, put_top_up
from tests.conftest import close_office
from tests.kill_job import the_number
from tests.killing import lives
from tests.servers.postgres import PostgresServer
from tests.ssl_job import job
from tests.work import MINUTE, NOW, put_order, story

_COUNTED = (AccountEntry, CaOrder, Certificate, Document, InvoiceLine, Notice, Obligation, Site, Step)


def found_in(office: Office) -> dict[str, Any]:
    """What must be the same at the end."""
    told = story(office, the_number(office))
    with reading(office.sessions) as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in _COUNTED]
        entries = session.execute(select(AccountEntry.kind, AccountEntry.amount_minor).order_by(AccountEntry.key)).all()
        changes = session.scalars(select(OrderEvent.to_state).order_by(OrderEvent.id)).all()
    return {
        "counts": counts,
        "entries": [tuple(entry) for entry in entries],
        "changes": [change for change in changes if change],
        "notices": sorted((line.kind, line.state) for line in told.notices),
        "owed": [(line.clause, line.what, line.state) for line in told.owed],
        "letters": len(list(office.settings.outbox.glob("*.eml"))),
    }


def account_in(office: Office) -> str:
    """The one account; PostgreSQL leaves out the numbers of what was rolled back."""
    with reading(office.sessions) as session:
        return account_number(session.scalars(select(Customer.id)).one())


def run(settings: Settings, work: str, kill_at: int | None, moment: str) -> tuple[dict[str, Any], bool]:
    """Order, put the price on the account, and let a process that may be killed see to it."""
    lived = True
    stages: list[tuple[Callable[[Office], None], int, str]] = [
        (lambda office: put_order(office, "C-1", certificate(pay_from="account"), FIRM), 0, work),
        (lambda office: put_top_up(office, account_in(office), "70.00", "B-1", NOW + MINUTE), 1, work),
        (lambda _office: None, 30, work),
        (lambda _office: None, 60, "issue" if work == "ask" else work),
    ]
    for outside, minute, answer in stages:
        office = open_office(settings)
        outside(office)
        close_office(office)
        if not lives(job, settings, answer, NOW + minute * MINUTE, kill_at, moment):
            lived = False
            lives(job, settings, answer, NOW + minute * MINUTE, None, moment)
    lives(job, settings, answer, NOW + 90 * MINUTE, None, moment)  # what the dead held is free by now
    office = open_office(settings)
    found = found_in(office)
    close_office(office)
    return found, lived


def everything_killed(make: Callable[..., Settings], home: Path, url: Callable[[], str], work: str) -> int:
    """Run once unharmed, then killed at each commit; how many kills there were."""
    whole, _ = run(make(home=home / "whole", ledger_url=url()), work, 10_000, "before")
    assert whole["changes"][-1] == ("completed" if work == "ask" else "rejected")
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 60):
            found, lived = run(make(home=home / f"{moment}-{kill_at}", ledger_url=url()), work, kill_at, moment)
            assert found == whole, f"killed {moment} commit {kill_at}"
            if lived:
                break
            kills += 1
        else:
            pytest.fail("the job never got through")
    return kills


@pytest.mark.parametrize("work", ["ask", "fraud"])
@pytest.mark.clause("SSL-5.2", "SSL-7.3", "SSL-7.5")
def test_ssl_7_5_killed_at_every_commit_an_order_ends_the_same_with_one_of_everything(
    settings_for: Callable[..., Settings], tmp_path: Path, work: str
) -> None:
    assert everything_killed(settings_for, tmp_path, str, work) > 20


@pytest.mark.clause("SSL-5.2")
def test_ssl_5_2_killed_at_every_commit_on_postgresql_the_money_comes_back_once(
    settings_for: Callable[..., Settings], tmp_path: Path, postgres: PostgresServer
) -> None:
    def database() -> str:
        return postgres.create_database(f"kill_{uuid4().hex}")

    assert everything_killed(settings_for, tmp_path, database, "refuse") > 20
