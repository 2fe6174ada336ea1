"""The watches: obligations, notices on their way, orders that nobody touches, connections, runs that ended badly."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, cast

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.settings import PREFECT_API_URL

from blocks.errors import DogovorError, Refused
from blocks.ledger import InboxState, transaction
from blocks.prefect_blocks import BLOCK_NAME, MailServer, PaymentShop
from flows import runtime
from flows.fulfilment import send_due
from flows.handover import ask_handover
from reports.format import moscow
from tasks import obligations
from tasks.decisions import awaiting_handover
from tasks.doctor import Finding, examine
from tasks.inbox import waiting
from tasks.notices import queue_operator_notice, read_reports
from tasks.ticket_timers import follow_timers
from tasks.upkeep import keep_up


@flow(name="watch-obligations", persist_result=False, timeout_seconds=240)
def watch_obligations(as_of: datetime | None = None) -> dict[str, int]:
    """Warn before a breach, report each breach once, and show what is owed. `as_of` empty: now."""
    office, now = runtime.office(), as_of or runtime.now()
    follow_timers(office, now=now)
    watched = obligations.watch(office.sessions, operator=office.settings.operator_email, now=now)
    soon, later = obligations.owed(office.sessions, now=now)
    rows: list[dict[str, Any]] = [
        {
            "due": moscow(row.due_at),
            "clause": row.clause,
            "subject": row.subject,
            "what": row.what,
            "state": "BREACHED" if row.breached else "provisional" if row.provisional else "open",
        }
        for row in soon
    ]
    told = f"What is owed, as of {moscow(now)}; {later} more are due later"
    create_table_artifact(rows, key="open-obligations", description=told)
    send_due(office, now=now)
    count = len(rows) + later
    get_run_logger().info("%s open, %s warned of, %s breached", count, watched.warned, watched.breached)
    return {"open": count, "warned": watched.warned, "breached": watched.breached}


@flow(name="follow-notices", persist_result=False, timeout_seconds=240)
def follow_notices(as_of: datetime | None = None) -> dict[str, int]:
    """Take in delivery reports and bounces, then send what is queued or was left in doubt."""
    office, now = runtime.office(), as_of or runtime.now()
    reports = read_reports(office, now=now)
    sent = send_due(office, now=now)
    get_run_logger().info("%s delivery reports, %s letters", reports, sent)
    return {"reports": reports, "sent": sent}


@flow(name="keep-orders", persist_result=False, timeout_seconds=600)
async def keep_orders(as_of: datetime | None = None) -> dict[str, int]:
    """End unpaid orders, remind of unopened pages, suspend what is no longer paid (QS-4.3.1), ask for envelopes."""
    office, now = runtime.office(), as_of or runtime.now()
    done = await asyncio.to_thread(keep_up, office, now=now)
    await asyncio.to_thread(send_due, office, now=now)
    for order, refusals in (await asyncio.to_thread(awaiting_handover, office.sessions)).items():
        await ask_handover(order, refusals)
    parked = waiting(office.sessions).get(InboxState.PARKED, 0)
    get_run_logger().info("%s; %s events are parked", done, parked)
    return {**vars(done), "parked": parked}


@flow(name="check-connections", persist_result=False, timeout_seconds=240)
def check_connections() -> bool:
    """Try every outside system as this installation's blocks describe it, and the rest of the configuration."""
    office = runtime.office()
    findings = examine(office, now=runtime.now(), prefect_url=PREFECT_API_URL.value())
    for block in (MailServer, PaymentShop):
        try:
            seen = cast("MailServer | PaymentShop", block.load(BLOCK_NAME)).client().check()
        except (DogovorError, ValueError) as error:
            findings.append(Finding(f"block {block.get_block_type_slug()}", False, str(error), "run dogovor up"))
        else:
            findings.append(Finding(f"block {block.get_block_type_slug()}", True, seen))
    rows = [{"part": f.part, "well": "yes" if f.well else "NO", "seen": f.seen, "mend": f.mend} for f in findings]
    create_table_artifact(rows, key="connections", description="What the doctor saw")
    if not all(finding.well for finding in findings):
        raise Refused("connections", ", ".join(finding.part for finding in findings if not finding.well))
    return True


@flow(name="report-bad-run", persist_result=False, timeout_seconds=120)
def report_bad_run(failed_run: str, what: str) -> None:
    """Tell the operator of a scheduled run that ended badly; started by an automation."""
    office, now = runtime.office(), runtime.now()
    with transaction(office.sessions) as session:
        queue_operator_notice(
            session,
            kind="run_ended_badly",
            key=f"run_ended_badly:{failed_run}",
            operator=office.settings.operator_email,
            facts={"run": failed_run, "what": what},
            now=now,
        )
    send_due(office, now=now)
