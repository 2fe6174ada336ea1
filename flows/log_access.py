"""Access to logs in the UI (QS-3.5.4): asked for, decided on by a second person, taken back, and the journal."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field, ValidationError

from blocks.errors import TermsViolated
from flows import runtime
from flows.fulfilment import send_due
from flows.starting import ask, start_once
from reports.format import moscow
from tasks import log_access
from tasks.log_access_forms import AccessDecision, AccessForm, GrantNumber, RevokeForm

DECISION_DAYS = 7
"""A request waits for its decision so long; `show-log-journal` asks again for one that is still open."""
_GRANTING = "grant-log-access"


@flow(name="request-log-access", flow_run_name="{form.person}: {form.project}", persist_result=False)
async def request_log_access(form: AccessForm) -> str:
    """Ask for access to logs: recorded, told to our operator, and put before a second person."""
    office, now = runtime.office(), runtime.now()
    number = await asyncio.to_thread(log_access.ask_access, office, form, now=now)
    await ask(_GRANTING, {"grant": number}, title=_title(number))
    return await _done(f"{number} waits for another person's decision", now)


class AccessAnswer(RunInput):
    """A second person's word on a request for access to logs. A run that is only resumed has not approved anything."""

    operator: str
    reason: str
    approve: bool = False


@flow(name=_GRANTING, flow_run_name="access {grant}", persist_result=False)
async def grant_log_access(grant: GrantNumber) -> str:
    """Wait for a second person's decision on a request for access. One that the clause refuses is asked for again."""
    office = runtime.office()
    asked = AccessAnswer.with_initial_data(description=await asyncio.to_thread(log_access.grant_line, office, grant))
    timeout = int(timedelta(days=DECISION_DAYS).total_seconds())
    answer = await asuspend_flow_run(wait_for_input=asked, key="decision", timeout=timeout)
    now = runtime.now()
    try:
        form = AccessDecision(grant=grant, operator=answer.operator, approve=answer.approve, reason=answer.reason)
        told = await asyncio.to_thread(log_access.decide_access, office, form, now=now)
    except (TermsViolated, ValidationError):
        await start_once(_GRANTING, {"grant": grant}, key=f"{_title(grant)}:{flow_run.id}", title=_title(grant))
        raise
    return await _done(told, now)


@flow(name="revoke-log-access", flow_run_name="{form.grant} by {form.operator}", persist_result=False)
async def revoke_log_access(form: RevokeForm) -> str:
    """Take a grant back at once: a reading that is under way ends before its next segment."""
    now = runtime.now()
    return await _done(await asyncio.to_thread(log_access.revoke_access, runtime.office(), form, now=now), now)


@flow(name="show-log-journal", persist_result=False, timeout_seconds=240)
async def show_log_journal(last: Annotated[int, Field(ge=1, le=1000)] = 100) -> int:
    """Show the last lines of the journal and how many grants are in force; ask again for decisions still open."""
    office = runtime.office()
    for number in await asyncio.to_thread(log_access.undecided, office):
        await ask(_GRANTING, {"grant": number}, title=_title(number))
    return await _show(runtime.now(), last)


def _title(number: str) -> str:
    return f"access {number}"


async def _show(now: datetime, last: int = 100) -> int:
    view = await asyncio.to_thread(log_access.journal_view, runtime.office(), last=last, now=now)
    rows: list[dict[str, Any]] = [
        {
            "at": moscow(line.at),
            "what": line.kind,
            "about": line.about,
            "who": line.who,
            "facts": json.dumps(line.facts, ensure_ascii=False),
        }
        for line in view.lines
    ]
    description = f"{view.in_force} grants in force, {view.waiting} wait for a decision, as of {moscow(now)}"
    await acreate_table_artifact(rows, key="log-journal", description=description)
    return view.in_force


async def _done(told: str, now: datetime) -> str:
    """Show the journal as it is now, send what there is to say, and say what was done."""
    await _show(now)
    await asyncio.to_thread(send_due, runtime.office(), now=now)
    get_run_logger().info(told)
    return told
