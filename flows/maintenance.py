"""Maintenance: works queued, a window planned and agreed, run in its time, and kept to its end."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import chain
from uuid import uuid4

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, create_markdown_artifact
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run

from blocks.errors import Refused
from flows import runtime
from flows.fulfilment import send_due
from flows.starting import ask_agreement, start_window
from flows.windows import run_window
from reports.window_plan import plan_markdown
from reports.window_report import window_markdown
from tasks.window_answers import decide_window as decide
from tasks.window_answers import decide_work as settle_work
from tasks.window_answers import record_answer
from tasks.window_proposal import plan_proposals
from tasks.window_run import due_windows
from tasks.window_views import window_report
from tasks.windows import plan_window, queue_work
from tasks.works_forms import OperatorAnswer, PlanForm, WindowDecision, WorkDecision, WorkForm

ANSWER_DAYS = 60


@flow(name="queue-work", flow_run_name="{work.runbook}", persist_result=False)
def queue_a_work(work: WorkForm) -> str:
    """Queue a piece of work for the next window, by a runbook of the catalogue."""
    number = queue_work(runtime.office(), work, key=f"desk:{flow_run.id}", now=runtime.now())
    get_run_logger().info("%s is queued", number)
    return number


@flow(name="plan-maintenance", persist_result=False, timeout_seconds=600)
async def plan_maintenance(
    plan: PlanForm | None = None, dry_run: bool = False, as_of: datetime | None = None
) -> list[str]:
    """Check a window against every agreement and plan it; without a plan, windows for all the queued works."""
    office, now, key = runtime.office(), runtime.at(as_of), f"plan:{flow_run.id}"
    if plan is None:
        made = await asyncio.to_thread(plan_proposals, office, key=key, now=now, dry_run=dry_run)
    else:
        made = [await asyncio.to_thread(plan_window, office, plan, key=key, now=now, dry_run=dry_run)]
    await asyncio.to_thread(send_due, office, now=now)
    for n, one in enumerate(made, 1):
        text = plan_markdown(one.number, one.form.starts_at, one.form.minutes, one.services, one.verdict)
        await acreate_markdown_artifact(key=f"plan-{one.number.lower() or n}", markdown=text, description="A plan")
        if one.number:
            if one.verdict.needs_agreement:
                await ask_agreement(one.number)
            await start_window(one.number, key=f"window:{one.number}", at=one.form.starts_at)
    refused = [f"{broken.clause}: {broken.what}" for one in made for broken in one.verdict.broken if not one.number]
    if refused:
        raise Refused("plan", "; ".join(refused))
    get_run_logger().info("%s", ", ".join(one.number or "a dry run" for one in made) or "no works are queued")
    return [one.number for one in made if one.number]


class Agreement(RunInput):
    """The ОЦП Operator's answer, as the person who records it had it."""

    operator: str
    who: str
    proof: str
    agreed: bool
    answered_at: datetime | None = None


@flow(name="agree-window", flow_run_name="agreement on {window}", persist_result=False)
def agree_window(window: str, as_of: datetime | None = None) -> str:
    """Wait for the ОЦП Operator's answer on a window (OCP-P3.2.5): who answered, when, and where the proof is."""
    office = runtime.office()
    asked = Agreement.with_initial_data(description=window_markdown(window_report(office, window)))
    answer = suspend_flow_run(
        wait_for_input=asked, key="agreement", timeout=int(timedelta(days=ANSWER_DAYS).total_seconds())
    )
    form = OperatorAnswer(
        window=window,
        agreed=answer.agreed,
        who=answer.who,
        proof=answer.proof,
        operator=answer.operator,
        answered_at=answer.answered_at,
    )
    now = runtime.at(as_of)
    told = record_answer(office, form, now=now)
    send_due(office, now=now)
    return told


@flow(name="decide-window", flow_run_name="{decision.window}: {decision.action}", persist_result=False)
def decide_window(decision: WindowDecision) -> str:
    """Cancel a planned window, or record that somebody was told of it in another provable way."""
    office, now = runtime.office(), runtime.now()
    told = decide(office, decision, now=now)
    send_due(office, now=now)
    return told


@flow(name="decide-work", flow_run_name="{decision.work}: {decision.action}", persist_result=False)
def decide_work(decision: WorkDecision) -> str:
    """Cancel a queued work, or settle one that a window left with a person or took back."""
    return settle_work(runtime.office(), decision, now=runtime.now())


@flow(name="run-maintenance-window", persist_result=False, timeout_seconds=24 * 3600)
def run_maintenance_window(window: str = "", as_of: datetime | None = None) -> dict[str, str]:
    """Run a window, or every one whose time has come: works one by one, proven or taken back, closed in time."""
    office, clock = runtime.office(), runtime.clock(as_of)
    results: dict[str, str] = {}
    refused: list[str] = []
    for number in [window] if window else chain(*due_windows(office, now=clock())):
        try:
            results[number] = run_window(office, number, owner=f"{flow_run.id}:{uuid4().hex[:8]}", clock=clock)
        except Refused as error:
            refused.append(str(error))
        text = window_markdown(window_report(office, number))
        create_markdown_artifact(key=f"window-{number.lower()}", markdown=text, description=f"Window {number}")
    get_run_logger().info("%s", results or "no window was run")
    if refused:
        raise Refused("window", "; ".join(refused))
    return results
