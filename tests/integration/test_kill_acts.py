"""The month's end of certificate customers, killed with SIGKILL at every commit, and run again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from blocks.ledger import Document, Notice, NoticeState, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.notices import DOUBT
from tests.acts_job import job
from tests.conftest import close_office
from tests.invoice_lines import monthly_acts, ssl_customer, ssl_line, state_lines
from tests.killing import lives
from tests.work import MINUTE, open_obligations

LAST = datetime(2026, 11, 30, 18, 50, tzinfo=UTC)


def ended_well(office: Office) -> None:
    """Two acts with two documents each and one letter each, all of them given."""
    assert [act[1:] for act in monthly_acts(office)] == [(1, "2026-11", 0, 12000), (2, "2026-11", 0, 3000)]
    with reading(office.sessions) as session:
        letters = session.execute(select(Notice.about, Notice.state).where(Notice.kind == "monthly_act")).all()
        documents = session.scalar(select(func.count()).select_from(Document))
    assert sorted(about for about, _ in letters) == ["SSL-A-2026-000001", "SSL-A-2026-000002"]
    assert {state for _, state in letters} == {NoticeState.DELIVERED}
    assert documents == 4
    assert open_obligations(office) == []


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_killed_at_every_commit_each_act_is_made_and_sent_once(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    kills = 0
    for moment in ("before", "after"):
        for kill_at in range(1, 40):
            settings = settings_for(home=tmp_path / f"{moment}-{kill_at}")
            office = open_office(settings)
            for n, amount in ((1, "120.00"), (2, "30.00")):
                ssl_customer(office, f"c{n}@example.test", f"Клиент {n}")
                state_lines(office, ssl_line(f"S-{n}", amount, customer=f"c{n}@example.test"), agreement="SSL")
            lived = lives(job, settings, LAST, kill_at, moment)
            if not lived:
                kills += 1
                assert lives(job, settings, LAST + DOUBT + MINUTE, None, moment)
            ended_well(office)
            close_office(office)
            if lived:
                break
        else:
            pytest.fail("the acts never got through")
    assert kills >= 16
