"""The intake of logs, killed with SIGKILL at every effect it has on the ledger, the archive and the keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.ledger import LogBatch, LogPeriod, LogSegment, Obligation
from blocks.office import open_office
from blocks.settings import Settings
from tests.conftest import close_office
from tests.killing import lives
from tests.log_job import BATCHES, FILE, job
from tests.log_work import HOUR, NOW, lines_of, rows, states

SENT = Counter(line for lines in [*BATCHES, FILE] for line in lines)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.clause("QS-3.5.3a", "QS-3.5.3b")
def test_qs_3_5_3a_killed_at_any_effect_every_record_is_stored_once(
    settings_for: Callable[..., Settings], tmp_path: Path, moment: str
) -> None:
    for kill_at in range(1, 80):
        settings = settings_for(home=tmp_path / str(kill_at))
        lived = lives(job, settings, kill_at, moment, NOW)
        if not lived:
            assert lives(job, settings, None, moment, NOW + 5 * HOUR)
        office = open_office(settings)
        told = f"killed {moment} effect {kill_at}"
        assert lines_of(office) == SENT, told
        assert set(states(office)) == {"sealed"}, told
        assert len(rows(office, LogBatch)) == 3, told
        assert len(rows(office, LogPeriod)) == len(rows(office, Obligation)) == 2, told
        there = {one.name for one in office.objects.versions("logs/")}
        assert there == {row.name for row in rows(office, LogSegment)}, told
        assert not list(settings.log_drops.iterdir()), told
        assert not list((settings.home / "spool").glob("*.batch")), told
        copy = next(settings.key_copies.glob("keys-*.sqlite3")).read_bytes()
        assert all(name.encode() in copy for name in office.keys.names("period/")), told
        close_office(office)
        if lived:
            break
    else:
        pytest.fail("the intake never got through")
    assert kill_at > 20
