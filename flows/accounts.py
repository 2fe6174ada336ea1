"""Registrations and their end: agreements ended by a person, idle registrations, destruction with its act."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from flows import account_ends, runtime
from flows.finishing import done
from reports.account_plan import account_plan
from tasks import account_endings
from tasks.account_forms import EndingForm, KeepForm
from tasks.run_history import history_file, scrub_history


@flow(name="end-agreement", persist_result=False)
def end_agreement(form: EndingForm) -> str:
    """Put the end of a QS customer's agreement on record (QS-8.2): who leaves, its last day, what is returned."""
    office, now = runtime.office(), runtime.now()
    return done(account_endings.end_agreement(office, form, now=now))


@flow(name="keep-account", persist_result=False)
def keep_account(form: KeepForm) -> str:
    """Take back what was on its way to the deletion of a registration."""
    told = account_endings.keep_account(runtime.office(), form, now=runtime.now())
    get_run_logger().info(told)
    return told


@flow(name="purge-accounts", persist_result=False, timeout_seconds=3600)
def purge_accounts(dry_run: bool = True, as_of: datetime | None = None) -> dict[str, int]:
    """Notify, block and delete idle registrations (QS-3.6.1), and those whose agreement has ended (QS-8.3).

    By hand it only shows what is due, until `dry_run` is switched off.
    """
    office, now = runtime.office(), runtime.at(as_of)
    plan = account_ends.plan_accounts(office, now=now)
    rows = [(str(turn.customer), "a person" if turn.person else turn.step.value, turn.what) for turn in plan.turns]
    rows += [(str(one.customer), f"delete, {one.clause}", "; ".join(one.waits_for)) for one in plan.doomed]
    text = account_plan(rows, dry_run=dry_run)
    create_markdown_artifact(key="purge-accounts", markdown=text, description="Registrations that end")
    if dry_run:
        return {"due": len(rows)}
    done = account_ends.purge_accounts(office, now=now)
    history = history_file(PREFECT_API_DATABASE_CONNECTION_URL.value())
    if history is not None and history.exists():
        scrub_history(history)
    counts = {**done.steps, "projects": done.ended_projects, "deleted": len(done.deleted), "waiting": len(done.waiting)}
    get_run_logger().info("%s", counts)
    return counts
