"""The intake of logs that is killed: it runs in a child of the fork server, so it imports nothing of pytest."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.log_files import take_drops
from tests.log_work import DAY, NOW, batch, record, seal_all, silent, take

BATCHES = [
    [record(100 * which + n, project=f"p-{n % 2}", ended_at=NOW - n % 2 * DAY) for n in range(8)] for which in (1, 2)
]
FILE = [record(1000 + n, project=f"p-{n % 2}") for n in range(8)]


def arm(office: Office, kill_at: int | None, moment: str) -> None:
    """Kill this process at the N-th effect: a commit of the ledger, a put or a destruction, a key made or copied."""
    seen = 0

    def watched(effect: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(effect)
        def done(*arguments: Any, **named: Any) -> Any:
            nonlocal seen
            seen += 1
            mine = seen
            if mine == kill_at and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = effect(*arguments, **named)
            if mine == kill_at and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return done

    dialect = office.engine.dialect
    for owner, name in (
        (dialect, "do_commit"),
        (office.objects, "put"),
        (office.objects, "destroy"),
        (office.keys, "make"),
        (office.keys, "renew_copy"),
        (office.keys, "destroy"),
    ):
        setattr(owner, name, watched(getattr(owner, name)))


def job(settings: Settings, kill_at: int | None, moment: str, now: datetime) -> None:
    """Send two batches, drop a file, seal all of it. A sender whose batch was not acknowledged sends it again."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    for which, lines in enumerate(BATCHES):
        take(office, lines, f"evt-{which}", now)
    drops = office.settings.log_drops
    sent = drops.parent / "sent"
    if not sent.exists():
        drops.mkdir(parents=True, exist_ok=True)
        (drops / ".a.jsonl.gz").write_bytes(gzip.compress(batch(FILE)))
        (drops / ".a.jsonl.gz").rename(drops / "a.jsonl.gz")
        sent.touch()
    seal_all(office, now)
    take_drops(office, now=now, tell=silent)
    seal_all(office, now)
