"""A month of the revenue split, killed with SIGKILL at every commit from its opening to its closing, and run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.ledger import (
    Act,
    ActEvent,
    ActRow,
    ActState,
    ActTotal,
    Base,
    DifferenceSettlement,
    Document,
    LineFile,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Payout,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.conftest import close_office
from tests.killing import lives
from tests.revenue_job import job
from tests.revenue_work import act_row, all_of, final, told

TABLES: tuple[type[Base], ...] = (
    Act,
    ActEvent,
    ActRow,
    ActTotal,
    DifferenceSettlement,
    Document,
    LineFile,
    Notice,
    Obligation,
    Payout,
)


def fingerprint(office: Office) -> dict[str, Any]:
    """What must be the same at the end, whatever happened on the way."""
    act = act_row(office)
    assert act.state is ActState.CLOSED
    assert {row.state for row in all_of(office, Obligation)} == {ObligationState.FULFILLED}
    assert {row.state for row in all_of(office, Notice)} == {NoticeState.DELIVERED}
    return {
        "counts": {table.__tablename__: len(all_of(office, table)) for table in TABLES},
        "act": (act.number, act.income_minor, act.fee_minor, act.reward_minor, act.vat_minor),
        "told": told(office),
        "documents": [one.content for one in final(office)],
        "letters": len(list(office.settings.outbox.glob("*.eml"))),
    }


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.clause("OCP-P5.2", "OCP-P5.3", "OCP-P5.4")
def test_ocp_p5_2_killed_at_every_commit_a_month_ends_the_same_with_one_of_everything(
    settings_for: Callable[..., Settings], tmp_path: Path, moment: str
) -> None:
    ends: list[dict[str, Any]] = []
    for kill_at in range(1, 60):
        settings = settings_for(home=tmp_path / str(kill_at))
        lived = lives(job, settings, kill_at, moment)
        if not lived:
            assert lives(job, settings, None, moment)
        office = open_office(settings)
        ends.append(fingerprint(office))
        close_office(office)
        assert ends[-1] == ends[0], f"killed {moment} commit {kill_at}"
        if lived:
            break
    else:
        pytest.fail("the month never got through")
    assert len(ends) > 15
