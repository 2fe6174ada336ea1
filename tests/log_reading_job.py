"""The reading that is killed: it runs in a child of the fork server, so it imports nothing of pytest."""

from __future__ import annotations

import os
from pathlib import Path

from blocks.office import open_office
from blocks.settings import Settings
from tasks.log_reading import Wanted, read
from tests.kill_job import arm
from tests.log_access_work import DAY
from tests.work import NOW


def job(settings: Settings, grant: str, out: Path, kill_at: int, moment: str) -> None:
    """Read under a grant into a file, each line on disk as soon as it is given out."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    with out.open("wb", buffering=0) as file:
        for line in read(office, Wanted(grant=grant, login="anna", days=(DAY,)), clock=lambda: NOW):
            file.write(line)
            os.fsync(file.fileno())
