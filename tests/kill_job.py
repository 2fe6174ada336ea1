"""The work that is killed: it runs in a child of multiprocessing's fork server, which has no threads to inherit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Any

import email_validator
from sqlalchemy import select

from blocks.ledger import Order, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.windows import finish_windows, run_window
from tasks.inbox import take_back
from tasks.reveal import reveal
from tasks.window_run import due_windows
from tests.work import MINUTE, NOW, drain, page_token

if "test" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")


def arm(office: Office, kill_at: int | None, moment: str) -> None:
    """Kill this process at the N-th commit of the ledger or the directory: `before` its database has it, or `after`.

    The directory is the servers' part in the sandbox: killed there, some of a domain's services have changed.
    """
    seen = 0
    for engine in (office.engine, office.directory._engine):  # noqa: SLF001 - nobody else needs it
        plain_commit = engine.dialect.do_commit

        def commit(connection: Any, plain_commit: Callable[[Any], None] = plain_commit) -> None:
            nonlocal seen
            seen += 1
            if seen == kill_at and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            plain_commit(connection)
            if seen == kill_at and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)

        engine.dialect.do_commit = commit  # type: ignore[assignment, method-assign]


def the_number(office: Office) -> str:
    """The number of the only order."""
    with reading(office.sessions) as session:
        return session.scalars(select(Order.number)).one()


def job(settings: Settings, work: str, at: datetime, kill_at: int | None, moment: str) -> None:
    """`drain` the inbox, `press` the button of the one-time page first, or run the due `window`.

    Without `kill_at` it is a restart.
    """
    office = open_office(settings)
    if kill_at is None:
        take_back(office.sessions, owner="test", now=at)
    arm(office, kill_at, moment)
    if work == "window":
        for number in chain(*due_windows(office, now=at)):
            run_window(office, number, owner=f"worker {kill_at}", clock=lambda: at)
        finish_windows(office, now=at)
        return
    if work == "press":
        reveal(office, page_token(office, the_number(office)), now=at)
    drain(office, at)
    if kill_at is None:
        drain(office, NOW + 30 * MINUTE)
