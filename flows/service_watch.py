"""The watch over services: windows whose time has come, answers still missing, probes that fell silent."""

from __future__ import annotations

import asyncio
from datetime import datetime

from prefect import flow, get_run_logger

from flows import runtime
from flows.starting import alive, ask_agreement, start_once, start_window
from flows.windows import finish_windows
from tasks.compensation import propose as propose_compensation
from tasks.outage_logs import send_owed_logs
from tasks.outage_reports import suspect
from tasks.probing import stale_probes
from tasks.window_run import due_windows, keep_windows
from tasks.window_views import unanswered
from tasks.windows import tell_newcomers


@flow(name="watch-service", persist_result=False, timeout_seconds=240)
async def watch_service(as_of: datetime | None = None) -> dict[str, int]:
    """Start the windows that are due, ask for missing agreements, start silent probes, propose compensations."""
    office, now = runtime.office(), runtime.at(as_of)
    missed = await asyncio.to_thread(keep_windows, office, now=now)
    await asyncio.to_thread(tell_newcomers, office, now=now)
    coming, left = await asyncio.to_thread(due_windows, office, now=now)
    due = [*coming, *left]
    quarter = int(now.timestamp()) // 900
    for number in due:  # one that is refused is tried again each quarter of an hour, one left by a dead worker at once
        await start_window(number, key=f"window:{number}:{quarter if number in coming else int(now.timestamp())}")
    for number in await asyncio.to_thread(unanswered, office.sessions, now=now):
        await ask_agreement(number)
    proposed = await asyncio.to_thread(propose_compensation, office, now=now)
    suspected = await asyncio.to_thread(suspect, office, now=now)
    await asyncio.to_thread(send_owed_logs, office, now=now)
    await asyncio.to_thread(finish_windows, office, now=now)
    silent = await asyncio.to_thread(stale_probes, office, now=now)
    if silent:
        running, _ = await alive("probe-services")
        if not running:
            await start_once("probe-services", {}, key=f"probes:{now:%Y%m%d%H%M}")
    done = {"due": len(due), "missed": missed, "compensations": proposed, "silent": len(silent), "suspected": suspected}
    get_run_logger().info("%s", done)
    return done
