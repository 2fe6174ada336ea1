"""A purge of logs, killed with SIGKILL at every commit and around every outside step: run again, it ends the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from blocks.errors import NotFound
from blocks.ledger import Document, LogJournal, LogPeriod, LogPurge, LogSegment, Notice, Obligation, ObligationState
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.log_forms import HoldForm
from tasks.log_holds import place
from tests.conftest import close_office
from tests.killing import lives
from tests.purge_job import job, job_beside
from tests.purge_work import DAY, DUE, ENDED, HOUR, MARK, SEALED, every, opened, sealed

OUTSIDE = (
    "keys.put",
    "keys.destroy",
    "keys.renew_copy",
    "objects.destroy",
    "objects.versions",
    "archive.put",
)


Make = Callable[[str], Settings]


def filled(settings: Settings) -> None:
    """Two days of three projects, one of them held, and what a killed packing left."""
    office = open_office(settings)
    for day in (ENDED, ENDED - DAY):
        for project in ("a", "b", "kept"):
            sealed(office, project, day=day)
    office.objects.put("logs/qs-payload/2026-05-21/stray.seg", b"left behind")
    office.keys.renew_copy(now=SEALED)
    form = HoldForm(person="Анна", why="запрос суда 12/26", project="kept", day_from=ENDED - DAY, day_to=ENDED)
    place(office, form, now=SEALED + HOUR)
    close_office(office)


def fingerprint(settings: Settings) -> dict[str, Any]:
    """What must be so at the end, whatever happened on the way."""
    office = open_office(settings)
    try:
        return _facts(office)
    finally:
        close_office(office)


def _facts(office: Office) -> dict[str, Any]:
    segments, periods = every(office, LogSegment), every(office, LogPeriod)
    kept = {row.name for row in segments if row.project == "kept"}
    assert {one.name for one in office.objects.versions("logs/")} == kept
    for name in kept:
        assert MARK in opened(office, name)
    assert {row.gone_at is None for row in segments if row.name not in kept} == {False}
    with pytest.raises(NotFound):
        office.keys.get("period/qs-payload/2026-05-21")
    copies, names = office.keys.copied_names()
    assert (copies, names) == (1, set(office.keys.names()))
    assert {row.keys_destroyed_at for row in every(office, LogPurge)} == {row.destroyed_at for row in periods}
    assert {row.state for row in every(office, Obligation)} == {ObligationState.FULFILLED}
    kinds = [line.kind for line in every(office, LogJournal)]
    return {
        "kinds": [kind for kind in kinds if kind != "purge.idle"],
        "destroyed": {row.destroyed_at for row in periods},
        "documents": [row.key.partition(":")[2] for row in every(office, Document)],
        "notices": [row.kind for row in every(office, Notice)],
        "held": office.keys.names("held/"),
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def an_office(request: pytest.FixtureRequest, settings_for: Callable[..., Settings], tmp_path: Path) -> Iterator[Make]:
    """Settings of filled offices of their own, by name, on each database."""
    databases: list[str] = []

    def make(name: str) -> Settings:
        changes: dict[str, object] = {"home": tmp_path / name}
        if request.param == "postgresql":
            databases.append(f"test_{uuid4().hex}")
            server, template = request.getfixturevalue("postgres"), request.getfixturevalue("migrated")
            changes["ledger_url"] = server.create_database(databases[-1], template=template)
        settings = settings_for(**changes)
        filled(settings)
        return settings

    yield make
    for database in databases:
        request.getfixturevalue("postgres").drop_database(database)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_killed_at_every_commit_a_purge_ends_the_same(an_office: Make, moment: str) -> None:
    ends: list[dict[str, Any]] = []
    for kill_at in range(1, 30):
        settings = an_office(str(kill_at))
        lived = lives(job, settings, DUE, kill_at, moment)
        if not lived:
            assert lives(job, settings, DUE, None, moment)
        ends.append(fingerprint(settings))
        assert ends[-1] == ends[0], f"killed {moment} commit {kill_at}"
        if lived:
            break
    else:
        pytest.fail("the purge never got through")
    assert len(ends) > 4


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", OUTSIDE)
@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_killed_around_an_outside_step_a_purge_ends_the_same(an_office: Make, call: str, moment: str) -> None:
    settings = an_office("killed")
    assert not lives(job_beside, settings, DUE, call, moment)
    keys_are_dead = not call.startswith("keys.") or (call, moment) == ("keys.destroy", "after")
    assert lives(job_beside, settings, DUE + HOUR if keys_are_dead else DUE, None, moment)
    # Killed before the copy of the keys was renewed, they died with the copy, when the purge went on.
    copied = (call, moment) == ("keys.destroy", "after")
    assert fingerprint(settings) == {
        "kinds": ["hold.placed", "purge.planned", "purged", "proven"],
        "destroyed": {DUE + HOUR if copied else DUE},
        "documents": ["act", "annex"],
        "notices": ["log_hold_placed"],
        "held": ["held/qs-payload/2026-05-20/kept", "held/qs-payload/2026-05-21/kept"],
    }
