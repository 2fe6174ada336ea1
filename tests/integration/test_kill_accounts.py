"""Killed with SIGKILL at every commit of a destruction, before it and after it, and run again: the same end, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from blocks.ledger import AccountEnding, Document, LogJournal, Notice, Obligation, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.accounts import END, bytes_with_marks, free_account, leave, rows_with_marks, talkative
from tests.accounts_job import job
from tests.conftest import close_office
from tests.killing import lives
from tests.servers.postgres import PostgresServer

NEXT_RUN = END + timedelta(hours=4)


def fingerprint(office: Office) -> dict[str, Any]:
    """What must be the same at the end; nothing of the customer is left."""
    assert rows_with_marks(office) == set()
    assert bytes_with_marks(office) == {}
    with reading(office.sessions) as session:
        acts = session.scalars(select(Document).where(Document.key == "account-destruction-data:1")).one()
        return {
            "told": json.loads(office.archive.get(acts.sha256)),
            "endings": [(row.deleted_at, row.act_key) for row in session.scalars(select(AccountEnding))],
            "owed": [
                (row.what, row.state.value, row.fulfilled_at)
                for row in session.scalars(select(Obligation).order_by(Obligation.id))
            ],
            "notices": [(row.kind, row.state.value) for row in session.scalars(select(Notice).order_by(Notice.id))],
            "journal": [(row.kind, row.facts) for row in session.scalars(select(LogJournal).order_by(LogJournal.id))],
        }


def run(settings: Settings, kill_at: int, moment: str) -> tuple[dict[str, Any], bool]:
    """A purge in a process that may be killed, then in one that is not."""
    office = open_office(settings)
    free_account(office)
    talkative(office)
    leave(office)
    close_office(office)
    lived = lives(job, settings, NEXT_RUN, kill_at, moment)
    if not lived:
        lives(job, settings, NEXT_RUN, None, moment)
    office = open_office(settings)
    found = fingerprint(office)
    close_office(office)
    return found, lived


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.clause("QS-8.3")
def test_qs_8_3_killed_at_every_commit_a_registration_is_destroyed_once_with_one_act(
    settings_for: Callable[..., Settings], tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    def url() -> str:
        if database == "sqlite":
            return ""
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.create_database(f"kill_{uuid4().hex}")

    whole, _ = run(settings_for(home=tmp_path / "whole", ledger_url=url()), 10_000, "before")
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 40):
            settings = settings_for(home=tmp_path / f"{moment}-{kill_at}", ledger_url=url())
            found, lived = run(settings, kill_at, moment)
            assert found == whole, f"killed {moment} commit {kill_at}"
            if lived:
                break
            kills += 1
        else:
            pytest.fail("the job never got through")
    assert kills > 6
