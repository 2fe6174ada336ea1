"""A reading under a grant, killed with SIGKILL at every commit: the journal knows of all that was given out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.office import open_office
from blocks.settings import Settings
from tasks.log_chains import verify_chains
from tests.conftest import close_office
from tests.killing import lives
from tests.log_access_work import granted, journal, seal_lines
from tests.log_reading_job import job

SEGMENTS = 3


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_killed_at_every_commit_no_segment_is_read_without_its_line(
    settings_for: Callable[..., Settings], tmp_path: Path, moment: str
) -> None:
    office = open_office(settings_for())
    names = [seal_lines(office, f"pack-{n}", lines=[f"{n}\n".encode()]) for n in range(SEGMENTS)]
    grant, deaths, given = granted(office), 0, []
    for kill_at in range(1, 20):
        before, out = len(journal(office, "read")), tmp_path / str(kill_at)
        lived = lives(job, office.settings, grant, out, kill_at, moment)
        read = [line.facts["segment"] for line in journal(office, "read")[before:]]
        given.append(len(out.read_bytes().splitlines()))
        assert read == names[: len(read)]
        assert given[-1] <= len(read), f"killed {moment} commit {kill_at}"
        if lived:
            break
        deaths += 1
        assert len(read) - given[-1] <= 1
    assert given[-1] == SEGMENTS
    assert deaths >= SEGMENTS
    assert set(given) >= set(range(SEGMENTS)), "it was killed between segments as well"
    assert verify_chains(office).faults == ()
    close_office(office)
