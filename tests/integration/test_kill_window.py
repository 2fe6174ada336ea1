"""A maintenance window whose worker is killed with SIGKILL at every commit, and which another worker goes on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from blocks.ledger import Document, Notice, NoticeState, WindowState, WorkState, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.fulfilment import send_due
from tests.conftest import close_office
from tests.kill_job import job
from tests.killing import lives
from tests.works import MINUTE, PLANNED_AT, SATURDAY, events, marks, planned, window_row, work_states, write_catalogue


def ended_well(office: Office, folder: Path, number: str) -> None:
    """One opening, one close, one report, one letter each; every work done or taken back, and none begun twice."""
    states = work_states(office)
    assert states[0] in (WorkState.DONE, WorkState.UNDONE)
    assert states[1] is WorkState.UNDONE
    assert (folder / "done").exists() == (states[0] is WorkState.DONE)
    assert marks(office).count("good.apply") <= 1
    assert marks(office).count("bad.apply") <= 1
    assert window_row(office, number).state is WindowState.CLOSED
    for once in ("opened", "closed"):
        assert events(office, number).count(once) == 1
    with reading(office.sessions) as session:
        notices = session.execute(
            select(Notice.kind, func.count(), func.min(Notice.state)).group_by(Notice.kind).order_by(Notice.kind)
        ).all()
        reports = session.scalar(select(func.count()).select_from(Document))
    assert [(kind, count) for kind, count, _ in notices] == [("works_done", 1), ("works_planned", 1)]
    assert {state for *_, state in notices} <= {NoticeState.DELIVERED, NoticeState.SENDING}
    assert reports == 1


@pytest.mark.clause("KS-3.7")
def test_ks_3_7_killed_at_every_commit_a_window_is_gone_on_with_and_closed_once(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 80):
            folder = tmp_path / f"{moment}-{kill_at}"
            folder.mkdir()
            changes = {"services_file": write_catalogue(folder), "end_users": {"KS": ["users@example.test"]}}
            settings = settings_for(home=folder / "home", **changes)
            office = open_office(settings)
            number = planned(office, "good", "bad").number
            send_due(office, now=PLANNED_AT)
            lived = lives(job, settings, "window", SATURDAY, kill_at, moment)
            if not lived:
                kills += 1
                assert lives(job, settings, "window", SATURDAY + 3 * MINUTE, None, moment)
            ended_well(office, folder, number)
            close_office(office)
            if lived:
                break
        else:
            pytest.fail("the window never got through")
    assert kills > 30
