"""A window from its opening to its report, without Prefect: what the flow calls, and what tests kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from blocks.errors import Refused
from blocks.ledger import WorkState
from blocks.office import Office
from flows.fulfilment import send_due
from reports.window_report import window_pdf
from tasks.documents import PDF, keep_document
from tasks.window_run import (
    close_window,
    hold_lease,
    next_turn,
    open_window,
    perform,
    tell_not_opened,
    waits_for_a_person,
)
from tasks.window_views import REPORT_KEY, unreported, window_report

HAND_WORK_SECONDS = 2.0
"""How often a window for works done by hand is looked at."""


def run_window(office: Office, number: str, *, owner: str, clock: Callable[[], datetime]) -> str:
    """Run a window to its end, or go on with one whose worker was killed; what came of it, in one line.

    Raises Refused when it may not open (our operator is told why), or when another worker took it over.
    """
    try:
        if not open_window(office, number, owner=owner, now=clock()):
            return "another worker runs it, or it is over"
    except Refused as error:
        tell_not_opened(office, number, str(error), now=clock())
        send_due(office, now=clock())
        raise
    while (turn := next_turn(office, number, owner=owner, now=clock())) is not None:
        if perform(office, number, turn, owner=owner, clock=clock) is WorkState.HANDED:
            send_due(office, now=clock())
    while waits_for_a_person(office, number, now=clock()):
        if not hold_lease(office, number, owner=owner, now=clock()):
            raise Refused("lease", f"{number} was taken over by another worker")
        time.sleep(HAND_WORK_SECONDS)
    result = close_window(office, number, owner=owner, now=clock())
    keep_report(office, number, now=clock())
    send_due(office, now=clock())
    return result


def keep_report(office: Office, number: str, *, now: datetime) -> None:
    """Archive the report of a closed window, once."""
    keep_document(
        office,
        key=f"{REPORT_KEY}{number}",
        title="Отчёт о работах",
        file_name=f"window-{number}.pdf",
        media_type=PDF,
        content=window_pdf(window_report(office, number)),
        now=now,
    )


def finish_windows(office: Office, *, now: datetime) -> None:
    """What a worker killed after closing a window left undone: its report, its letters."""
    for number in unreported(office):
        keep_report(office, number, now=now)
    send_due(office, now=now)
