"""An installation that is killed at one of its steps, in a child of multiprocessing's fork server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

from blocks.clients import consumers
from blocks.clients.consumers import DirectoryConsumer
from blocks.office import open_office
from blocks.settings import Settings
from tasks.certificate_install import install
from tests.kill_job import arm

STEPS = ((consumers, "replace"), (DirectoryConsumer, "_point"), (consumers, "_forget"), (DirectoryConsumer, "_reload"))


def job(settings: Settings, certificate: int, at: datetime, kill_at: int | None, moment: str) -> None:
    """Install; die `before` or `after` the N-th change of a file, link or server, or at a `commit` of the ledger."""
    office = open_office(settings)
    if moment.startswith("commit "):
        arm(office, kill_at, moment.removeprefix("commit "))
    else:
        _arm(kill_at, moment)
    install(office, certificate, now=at)


def _arm(kill_at: int | None, moment: str) -> None:
    seen = 0

    def deadly(plain: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == kill_at and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            done = plain(*arguments)
            if seen == kill_at and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return step

    for owner, name in STEPS:
        setattr(owner, name, deadly(getattr(owner, name)))
