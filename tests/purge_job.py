"""The purge that is killed, or whose disk is full: it runs in a child of the fork server."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

from blocks.errors import DogovorError
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.kill_job import arm
from tests.purge_work import purge


def job(settings: Settings, at: datetime, kill_at: int | None, moment: str) -> None:
    """Purge, killed at the N-th commit of the ledger. Without `kill_at` it is a restart."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    purge(office, at)


def job_beside(settings: Settings, at: datetime, call: str | None, moment: str) -> None:
    """Purge, killed before or after a call to the key store, to the archive of documents or to the objects."""
    office = open_office(settings)
    if call is not None:
        _arm_call(office, call, moment)
    purge(office, at)


def _arm_call(office: Office, call: str, moment: str) -> None:
    part, _, name = call.partition(".")
    target = getattr(office, part)
    plain: Callable[..., Any] = getattr(target, name)

    def killed(*arguments: Any, **named: Any) -> Any:
        if moment == "after":
            plain(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(target, name, killed)


def fills_up(settings: Settings, at: datetime, room: int) -> None:
    """Purge with no room for files larger than `room`; a refusal ends it by SIGKILL, so that it is told apart."""
    office = open_office(settings)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        purge(office, at)
    except (DogovorError, OSError):
        os.kill(os.getpid(), signal.SIGKILL)
